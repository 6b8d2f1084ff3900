#include "zeo/exceptions.h"

#include <vector>

#include "pickle/utf8.h"

namespace zeolite::zeo {

using pickle::Dict;
using pickle::List;
using pickle::None;
using pickle::Tuple;

namespace {

// A message as text. It may quote what a client sent, or a file's name: where it is not UTF-8,
// which no client could read, its bytes are shown as \xNN.
Value message_text(std::string_view message) {
  if (pickle::is_utf8(message, pickle::Surrogates::refused)) return Value::text(message);
  std::string shown;
  for (const char byte : message) {
    if (static_cast<unsigned char>(byte) < 0x80) {
      shown += byte;
    } else {
      shown += "\\x" + to_hex(std::string_view(&byte, 1));
    }
  }
  return Value::text(shown);
}

Exception with_message(std::string_view class_name, std::string_view message) {
  return {std::string(class_name), Value::tuple(message_text(message))};
}

Exception conflict(std::string_view class_name, const ConflictFacts& facts) {
  const bool known = !facts.committed.is_zero() || !facts.read.is_zero();
  Dict state;
  state.items.emplace_back(Value::text("message"), message_text(facts.message));
  state.items.emplace_back(Value::text("oid"), facts.oid ? value_of(*facts.oid) : Value(None{}));
  state.items.emplace_back(Value::text("class_name"), Value(None{}));
  state.items.emplace_back(
      Value::text("serials"),
      known ? Value::tuple(value_of(facts.committed), value_of(facts.read)) : Value(None{}));
  return {std::string(class_name), Value(std::move(state))};
}

}  // namespace

Value id_value(std::uint64_t id) {
  std::string bytes;
  put_u64(bytes, id);
  return Value(Bytes(std::move(bytes)));
}

Value value_or_none(Tid tid) { return tid.is_zero() ? Value(None{}) : value_of(tid); }

Exception pos_key_error(ByteView oid) {
  return {"ZODB.POSException.POSKeyError", Value::tuple(Value::bytes(oid))};
}

Exception pos_key_error(Oid oid) {
  return {"ZODB.POSException.POSKeyError", Value::tuple(value_of(oid))};
}

Exception conflict_error(const ConflictFacts& facts) {
  return conflict("ZODB.POSException.ConflictError", facts);
}

Exception read_conflict_error(const ConflictFacts& facts) {
  return conflict("ZODB.POSException.ReadConflictError", facts);
}

Exception read_only_error() { return {"ZODB.POSException.ReadOnlyError", Value(Tuple{})}; }

Exception transaction_error(std::string message) {
  return with_message("ZODB.POSException.StorageTransactionError", message);
}

Exception value_error(std::string message) { return with_message("builtins.ValueError", message); }

Exception type_error(std::string message) { return with_message("builtins.TypeError", message); }

Exception key_error(Value key) { return {"builtins.KeyError", Value::tuple(std::move(key))}; }

Exception storage_error(std::string message) {
  return with_message("ZODB.POSException.StorageError", message);
}

Exception multiple_undo_errors(std::span<const std::pair<Oid, std::string>> failures) {
  List errors;
  for (const auto& [oid, reason] : failures) {
    errors.items.push_back(Value::tuple(value_of(oid), message_text(reason)));
  }
  Dict state;
  state.items.emplace_back(Value::text("_errs"), Value(std::move(errors)));
  return {"ZODB.POSException.MultipleUndoErrors", Value(std::move(state))};
}

std::string describe(const Exception& exception) {
  const auto* arguments = exception.state.get<Tuple>();
  if (arguments != nullptr && !arguments->items.empty()) {
    if (const auto* text = arguments->items.front().get<pickle::Text>()) {
      return exception.class_name + ": " + text->utf8;
    }
  }
  return exception.class_name;
}

Exception exception_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::conflict:
    case ErrorCode::timeout:
    case ErrorCode::unavailable:
    case ErrorCode::aborted:
      return conflict_error({.message = error.detail});
    case ErrorCode::read_only:
    case ErrorCode::not_primary:
      return read_only_error();
    case ErrorCode::invalid_argument:
      return value_error(error.detail);
    default:
      return storage_error(error.to_string());
  }
}

}  // namespace zeolite::zeo
