#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"

namespace zeolite::pickle {

class Value;

// Python's None.
struct None {
  friend bool operator==(None, None) = default;
};
// An integer that does not fit 64 bits: two's complement, least significant byte first, shortest.
struct BigInteger {
  std::string bytes;
  friend bool operator==(const BigInteger&, const BigInteger&) = default;
};
// Python's str, as UTF-8 (lone surrogates as Python's "surrogatepass" writes them).
struct Text {
  std::string utf8;
  friend bool operator==(const Text&, const Text&) = default;
};
struct Tuple {
  std::vector<Value> items;
  friend bool operator==(const Tuple&, const Tuple&);
};
struct List {
  std::vector<Value> items;
  friend bool operator==(const List&, const List&);
};
// In the order in which they were pickled; no key occurs twice.
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  // The value of a text key; null when there is none.
  [[nodiscard]] const Value* find(std::string_view key) const;
  friend bool operator==(const Dict&, const Dict&);
};
struct Set {
  std::vector<Value> items;
  friend bool operator==(const Set&, const Set&);
};
// ZopeUndo.Prefix.Prefix: stands for every path that begins with these elements.
struct PathPrefix {
  std::vector<std::string> path;
  friend bool operator==(const PathPrefix&, const PathPrefix&) = default;
};

// Whether T is one of the types of a variant.
template <typename T, typename Variant>
inline constexpr bool kIsAlternative = false;
template <typename T, typename... Ts>
inline constexpr bool kIsAlternative<T, std::variant<Ts...>> = (std::same_as<T, Ts> || ...);

// A plain Python value: what ZEO messages and transaction extensions are made of. No classes but
// those named here. Owns what it holds; `Bytes` may share the buffer they were decoded from.
class Value {
 public:
  using Storage = std::variant<None, bool, std::int64_t, BigInteger, double, Bytes, Text, Tuple,
                               List, Dict, Set, PathPrefix>;

  Value() = default;
  template <typename T>
    requires(kIsAlternative<T, Storage>)
  Value(T value) : storage_(std::in_place_type<T>, std::move(value)) {}

  [[nodiscard]] static Value text(std::string_view utf8) { return Value(Text{std::string(utf8)}); }
  [[nodiscard]] static Value bytes(ByteView view) { return Value(Bytes::copy_of(view)); }
  template <typename... Items>
  [[nodiscard]] static Value tuple(Items... items) {
    Tuple result;
    result.items.reserve(sizeof...(items));
    (result.items.push_back(std::move(items)), ...);
    return Value(std::move(result));
  }

  // Null when it is of another type.
  template <typename T>
  [[nodiscard]] const T* get() const {
    return std::get_if<T>(&storage_);
  }
  template <typename T>
  [[nodiscard]] T* get() {
    return std::get_if<T>(&storage_);
  }
  template <typename T>
  [[nodiscard]] bool is() const {
    return std::holds_alternative<T>(storage_);
  }
  [[nodiscard]] const Storage& storage() const { return storage_; }

  // Equal as pickled: 1, 1.0 and True differ, and so do tuples and lists.
  friend bool operator==(const Value&, const Value&) = default;

 private:
  Storage storage_;
};

inline bool operator==(const Tuple& a, const Tuple& b) { return a.items == b.items; }
inline bool operator==(const List& a, const List& b) { return a.items == b.items; }
inline bool operator==(const Dict& a, const Dict& b) { return a.items == b.items; }
inline bool operator==(const Set& a, const Set& b) { return a.items == b.items; }

}  // namespace zeolite::pickle
