#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "model/ids.h"

// Strict access to the fields of a JSON object. Every error is protocol_error, names the field, and
// says what was expected.
namespace zeolite::etcd {

// `text` as one object and nothing else. Bytes that are no UTF-8 are taken as they are: names given
// by people come back as they were written.
[[nodiscard]] Result<boost::json::object> parse_object(std::string_view text);

// A number from 0 to 2^64 - 1, written as a number or, as etcd does with 64 bits, as its digits.
[[nodiscard]] Result<std::uint64_t> uint_field(const boost::json::object& object,
                                               std::string_view name);
// From 0 to 2^63 - 1: revisions, leases, seconds.
[[nodiscard]] Result<std::int64_t> int_field(const boost::json::object& object,
                                             std::string_view name);
// As int_field, and 0 when the field is absent, as etcd leaves out what is zero.
[[nodiscard]] Result<std::int64_t> int_field_or_zero(const boost::json::object& object,
                                                     std::string_view name);
[[nodiscard]] Result<std::string_view> text_field(const boost::json::object& object,
                                                  std::string_view name);
[[nodiscard]] Result<bool> bool_field(const boost::json::object& object, std::string_view name);
// 32 hexadecimal digits.
[[nodiscard]] Result<Id128> id_field(const boost::json::object& object, std::string_view name);
[[nodiscard]] Result<const boost::json::object*> object_field(const boost::json::object& object,
                                                              std::string_view name);
// An absent field is an empty array.
[[nodiscard]] Result<const boost::json::array*> array_field(const boost::json::object& object,
                                                            std::string_view name);

[[nodiscard]] std::optional<Id128> parse_id128(std::string_view hex);

}  // namespace zeolite::etcd
