#include "etcd/json_fields.h"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <limits>
#include <string>
#include <utility>

namespace zeolite::etcd {

namespace json = boost::json;

namespace {

std::unexpected<Error> wrong(std::string_view name, std::string_view expected) {
  return make_error(ErrorCode::protocol_error,
                    "'" + std::string(name) + "' is not " + std::string(expected));
}

}  // namespace

Result<json::object> parse_object(std::string_view text) {
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  json::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error, {}, options);
  if (error) return make_error(ErrorCode::protocol_error, "no JSON: " + error.message());
  json::object* object = value.if_object();
  if (object == nullptr) return make_error(ErrorCode::protocol_error, "no JSON object");
  return std::move(*object);
}

Result<std::uint64_t> uint_field(const json::object& object, std::string_view name) {
  constexpr std::string_view kExpected = "a number from 0 to 2^64 - 1";
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (value == nullptr) return wrong(name, kExpected);
  if (const std::uint64_t* number = value->if_uint64()) return *number;
  if (const std::int64_t* number = value->if_int64(); number != nullptr && *number >= 0) {
    return static_cast<std::uint64_t>(*number);
  }
  if (const json::string* digits = value->if_string()) {
    std::uint64_t number = 0;
    const char* const end = digits->data() + digits->size();
    const auto [stopped, failure] = std::from_chars(digits->data(), end, number);
    if (failure == std::errc() && stopped == end) return number;
  }
  return wrong(name, kExpected);
}

Result<std::int64_t> int_field(const json::object& object, std::string_view name) {
  ASSIGN_OR_RETURN(const std::uint64_t number, uint_field(object, name));
  if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return wrong(name, "a number from 0 to 2^63 - 1");
  }
  return static_cast<std::int64_t>(number);
}

Result<std::int64_t> int_field_or_zero(const json::object& object, std::string_view name) {
  if (!object.contains({name.data(), name.size()})) return 0;
  return int_field(object, name);
}

Result<std::string_view> text_field(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  const json::string* text = value != nullptr ? value->if_string() : nullptr;
  if (text == nullptr) return wrong(name, "a text");
  return std::string_view(text->data(), text->size());
}

Result<bool> bool_field(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  const bool* truth = value != nullptr ? value->if_bool() : nullptr;
  if (truth == nullptr) return wrong(name, "true or false");
  return *truth;
}

std::optional<Id128> parse_id128(std::string_view hex) {
  const std::optional<std::string> bytes = from_hex(hex);
  if (!bytes || bytes->size() != sizeof(Id128)) return std::nullopt;
  return id128_from(*bytes);
}

Result<Id128> id_field(const json::object& object, std::string_view name) {
  ASSIGN_OR_RETURN(const std::string_view text, text_field(object, name));
  const std::optional<Id128> id = parse_id128(text);
  if (!id) return wrong(name, "an id of 32 hexadecimal digits");
  return *id;
}

Result<const json::object*> object_field(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  const json::object* inner = value != nullptr ? value->if_object() : nullptr;
  if (inner == nullptr) return wrong(name, "an object");
  return inner;
}

Result<const json::array*> array_field(const json::object& object, std::string_view name) {
  static const json::array empty;
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (value == nullptr) return &empty;
  const json::array* array = value->if_array();
  if (array == nullptr) return wrong(name, "an array");
  return array;
}

}  // namespace zeolite::etcd
