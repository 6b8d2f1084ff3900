#include "pickle/unique_keys.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "pickle/codec.h"

namespace zeolite::pickle {
namespace {

// Up to here, comparing each with each is cheaper than sorting.
constexpr std::size_t kFew = 16;

bool is_hashable(const Value& value) {
  if (const Tuple* tuple = value.get<Tuple>()) {
    return std::ranges::all_of(tuple->items, is_hashable);
  }
  return !value.is<List>() && !value.is<Dict>() && !value.is<Set>() && !value.is<PathPrefix>();
}

// For each item the place of the first one with an equal key.
template <typename Items, typename KeyOf>
std::vector<std::size_t> first_places(const Items& items, KeyOf key_of) {
  std::vector<std::size_t> first(items.size());
  if (items.size() <= kFew) {
    for (std::size_t i = 0; i < items.size(); ++i) {
      std::size_t j = 0;
      while (!(std::invoke(key_of, items[j]) == std::invoke(key_of, items[i])) && j < i) ++j;
      first[i] = j;
    }
    return first;
  }
  std::vector<std::pair<std::string, std::size_t>> keys(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    encode(std::invoke(key_of, items[i]), keys[i].first);
    keys[i].second = i;
  }
  std::ranges::sort(keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const bool repeated = i > 0 && keys[i].first == keys[i - 1].first;
    first[keys[i].second] = repeated ? first[keys[i - 1].second] : keys[i].second;
  }
  return first;
}

template <typename Items, typename KeyOf>
bool make_items_unique(Items& items, KeyOf key_of) {
  const auto is_key = [&](const auto& item) { return is_hashable(std::invoke(key_of, item)); };
  if (!std::ranges::all_of(items, is_key)) return false;
  if (items.size() < 2) return true;
  const std::vector<std::size_t> first = first_places(items, key_of);
  std::vector<std::size_t> moved_to(items.size());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    moved_to[i] = first[i] == i ? kept++ : moved_to[first[i]];
    if (moved_to[i] != i) items[moved_to[i]] = std::move(items[i]);
  }
  items.resize(kept);
  return true;
}

}  // namespace

bool make_unique(Dict& dict) {
  return make_items_unique(dict.items, &std::pair<Value, Value>::first);
}

bool make_unique(Set& set) { return make_items_unique(set.items, std::identity()); }

}  // namespace zeolite::pickle
