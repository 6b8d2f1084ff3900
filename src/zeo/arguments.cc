#include "zeo/arguments.h"

namespace zeolite::zeo {

using pickle::None;
using pickle::Text;

const Value* Arguments::at(std::size_t i) const {
  return i < call_.arguments.size() ? &call_.arguments[i] : nullptr;
}

bool Arguments::is_none(std::size_t i) const { return at(i) == nullptr || at(i)->is<None>(); }

std::unexpected<Error> Arguments::wrong(std::size_t i, std::string_view expected) const {
  return make_error(
      ErrorCode::invalid_argument,
      call_.method + ": argument " + std::to_string(i + 1) + " must be " + std::string(expected));
}

Result<Bytes> Arguments::bytes(std::size_t i) const {
  if (const Value* value = at(i)) {
    if (const auto* bytes = value->get<Bytes>()) return *bytes;
    if (const auto* text = value->get<Text>()) return Bytes(text->utf8);
  }
  return wrong(i, "bytes");
}

Result<std::string> Arguments::text(std::size_t i) const {
  if (const Value* value = at(i)) {
    if (const auto* text = value->get<Text>()) return text->utf8;
    if (const auto* bytes = value->get<Bytes>()) return std::string(bytes->view());
  }
  return wrong(i, "text");
}

Result<std::uint64_t> Arguments::id(std::size_t i, std::string_view what) const {
  const Result<Bytes> value = bytes(i);
  if (!value || value->size() != 8) return wrong(i, what);
  return get_u64(value->view().data());
}

Result<Oid> Arguments::oid(std::size_t i) const {
  ASSIGN_OR_RETURN(const std::uint64_t value, id(i, "an object id, 8 bytes"));
  return Oid(value);
}

Result<Tid> Arguments::tid(std::size_t i) const {
  ASSIGN_OR_RETURN(const std::uint64_t value, id(i, "a transaction id, 8 bytes"));
  return Tid(value);
}

Result<std::optional<Tid>> Arguments::optional_tid(std::size_t i) const {
  if (is_none(i)) return std::nullopt;
  ASSIGN_OR_RETURN(const Tid value, tid(i));
  return value;
}

Result<Tid> Arguments::serial(std::size_t i) const {
  if (is_none(i)) return kNoTid;
  return tid(i);
}

Result<std::int64_t> Arguments::integer(std::size_t i) const {
  if (const Value* value = at(i)) {
    if (const auto* number = value->get<std::int64_t>()) return *number;
    if (const auto* flag = value->get<bool>()) return *flag ? 1 : 0;
  }
  return wrong(i, "an integer");
}

Result<double> Arguments::number(std::size_t i) const {
  if (const Value* value = at(i)) {
    if (const auto* real = value->get<double>()) return *real;
    if (const auto* whole = value->get<std::int64_t>()) return static_cast<double>(*whole);
  }
  return wrong(i, "a number");
}

bool Arguments::truth(std::size_t i) const {
  const Value* value = at(i);
  if (value == nullptr || value->is<None>()) return false;
  if (const auto* flag = value->get<bool>()) return *flag;
  if (const auto* number = value->get<std::int64_t>()) return *number != 0;
  return true;
}

}  // namespace zeolite::zeo
