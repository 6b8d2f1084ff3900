#include "daemon/zeo_values.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "model/tid_time.h"
#include "pickle/codec.h"

namespace zeolite::daemon {

using pickle::Dict;
using zeo::Value;

namespace {

std::string_view text_of(const Value& value) {
  if (const auto* text = value.get<pickle::Text>()) return text->utf8;
  if (const auto* bytes = value.get<Bytes>()) return bytes->view();
  return {};
}

// As ZopeUndo.Prefix compares: by path elements, without the user's name after the last blank.
bool begins(const pickle::PathPrefix& prefix, std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t blank = path.rfind(' ');
  if (blank != std::string_view::npos && (slash == std::string_view::npos || blank > slash)) {
    path = path.substr(0, blank);
  }
  for (std::size_t i = 0; i < prefix.path.size(); ++i) {
    const std::size_t end = path.find('/');
    if (path.substr(0, end) != prefix.path[i]) return false;
    if (end == std::string_view::npos) return i + 1 == prefix.path.size();
    path.remove_prefix(end + 1);
  }
  return true;
}

// Makes sets tuples, at any depth (the decoder bounds it): pickled, a set names a global, and ZEO's
// client refuses every message with one, so that whoever asked would wait for ever.
void make_sets_tuples(Value& value) {
  if (auto* set = value.get<pickle::Set>()) value = Value(pickle::Tuple{std::move(set->items)});
  if (auto* tuple = value.get<pickle::Tuple>()) {
    for (Value& item : tuple->items) make_sets_tuples(item);
  } else if (auto* list = value.get<pickle::List>()) {
    for (Value& item : list->items) make_sets_tuples(item);
  } else if (auto* dict = value.get<Dict>()) {
    for (auto& [key, item] : dict->items) {
      make_sets_tuples(key);
      make_sets_tuples(item);
    }
  }
}

// A number's value, if it is whole.
std::optional<std::int64_t> whole_of(const Value& value) {
  static constexpr double kEnd = 9'223'372'036'854'775'808.0;
  if (const bool* flag = value.get<bool>()) return *flag ? 1 : 0;
  if (const auto* number = value.get<std::int64_t>()) return *number;
  const double* real = value.get<double>();
  if (real == nullptr || !(*real >= -kEnd && *real < kEnd) || std::trunc(*real) != *real) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*real);
}

// As Python compares: 1, 1.0 and True are the same.
bool same(const Value& a, const Value& b) {
  if (const std::optional<std::int64_t> number = whole_of(a)) return number == whole_of(b);
  const auto compare = [](const auto* one, const auto* other) {
    return other != nullptr && std::ranges::equal(one->items, other->items, same);
  };
  if (const auto* tuple = a.get<pickle::Tuple>()) return compare(tuple, b.get<pickle::Tuple>());
  if (const auto* list = a.get<pickle::List>()) return compare(list, b.get<pickle::List>());
  return a == b;
}

}  // namespace

Value extension_value(ByteView extension) {
  if (extension.empty()) return Value(Dict{});
  Result<Value> value =
      pickle::decode(Bytes::copy_of(extension), {}, pickle::Python2Strings::text_if_ascii);
  if (!value || !value->is<Dict>()) return Value(Dict{});
  make_sets_tuples(*value);
  return *std::move(value);
}

double seconds_of(Tid tid) {
  // As persistent.TimeStamp computes it: the minutes by the calendar, from 1901 on; when the
  // seconds are added that rounds to half a microsecond, and the years to 1970 are taken off last.
  static constexpr double kFrom1901To1970 = 2'177'452'800.0;
  const Tid minutes(tid.value() & ~0xFFFFFFFFULL);
  const auto whole = static_cast<double>(time_of_tid(minutes).unix_us / 1'000'000);
  const double rest = static_cast<double>(tid.value() & 0xFFFFFFFFULL) * 60.0 / 4294967296.0;
  return (whole + kFrom1901To1970 + rest) - kFrom1901To1970;
}

Tid tid_of_seconds(double seconds) {
  static constexpr double kMinute = 60.0;
  static constexpr double kMin = -2'208'988'800.0;  // 1900, where tids begin
  static constexpr double kMax = 1e12;              // later than they end
  seconds = std::clamp(seconds, kMin, kMax);
  double within = std::fmod(seconds, kMinute);
  if (within < 0) within += kMinute;
  const auto minutes = static_cast<std::int64_t>((seconds - within) * 1e6);
  // TimeStamp cuts off what its lower half has no room for.
  const auto low = static_cast<std::uint64_t>(within / (kMinute / 4294967296.0));
  return Tid(tid_from_time(WallTime{minutes}).value() | (low & 0xFFFFFFFFULL));
}

void set_transaction(Tid tid, const TransactionMetadata& metadata, std::uint64_t size, Dict& dict) {
  set_item(dict, Value::text("time"), Value(seconds_of(tid)));
  set_item(dict, Value::text("user_name"), Value::bytes(metadata.user));
  set_item(dict, Value::text("description"), Value::bytes(metadata.description));
  set_item(dict, Value::text("size"), Value(static_cast<std::int64_t>(size)));
}

void set_extension(const TransactionMetadata& metadata, Dict& dict) {
  // No key occurs twice in it: only those that are there already are looked for.
  const std::size_t there = dict.items.size();
  Value extension = extension_value(metadata.extension);
  for (auto& [key, value] : extension.get<Dict>()->items) {
    const auto end = dict.items.begin() + static_cast<std::ptrdiff_t>(there);
    const auto place = std::find_if(dict.items.begin(), end,
                                    [&key](const auto& item) { return item.first == key; });
    if (place == end) {
      dict.items.emplace_back(std::move(key), std::move(value));
    } else {
      place->second = std::move(value);
    }
  }
}

void set_item(Dict& dict, const Value& key, const Value& value) {
  const auto place =
      std::ranges::find(dict.items, key, [](const auto& item) { return item.first; });
  if (place == dict.items.end()) {
    dict.items.emplace_back(key, value);
  } else {
    place->second = value;
  }
}

bool has_all(const Dict& dict, const Dict& specification) {
  return std::ranges::all_of(specification.items, [&dict](const auto& wanted) {
    const auto item = std::ranges::find_if(
        dict.items, [&wanted](const auto& pair) { return same(pair.first, wanted.first); });
    if (item == dict.items.end()) return wanted.second.template is<pickle::None>();
    if (const auto* prefix = wanted.second.template get<pickle::PathPrefix>()) {
      return begins(*prefix, text_of(item->second));
    }
    return same(item->second, wanted.second);
  });
}

}  // namespace zeolite::daemon
