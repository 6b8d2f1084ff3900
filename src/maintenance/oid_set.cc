#include "maintenance/oid_set.h"

#include <algorithm>
#include <map>
#include <roaring/roaring.hh>

namespace zeolite::maintenance {
namespace {

std::uint32_t upper_half(Oid oid) { return static_cast<std::uint32_t>(oid.value() >> 32); }
std::uint32_t lower_half(Oid oid) { return static_cast<std::uint32_t>(oid.value()); }
Oid joined(std::uint32_t upper, std::uint32_t lower) {
  return Oid((std::uint64_t{upper} << 32) | lower);
}

}  // namespace

// Not the library's 64-bit map: its iterators stumble over parts that became empty.
struct OidSet::Bitmaps {
  std::map<std::uint32_t, Roaring> by_upper_half;  // none is empty
};

OidSet::OidSet() : bitmaps_(std::make_unique<Bitmaps>()) {}
OidSet::~OidSet() = default;
OidSet::OidSet(OidSet&&) noexcept = default;
OidSet& OidSet::operator=(OidSet&&) noexcept = default;

bool OidSet::add(Oid oid) {
  return bitmaps_->by_upper_half[upper_half(oid)].addChecked(lower_half(oid));
}

bool OidSet::contains(Oid oid) const {
  const auto part = bitmaps_->by_upper_half.find(upper_half(oid));
  return part != bitmaps_->by_upper_half.end() && part->second.contains(lower_half(oid));
}

bool OidSet::empty() const { return bitmaps_->by_upper_half.empty(); }

std::uint64_t OidSet::count() const {
  std::uint64_t count = 0;
  for (const auto& [upper, part] : bitmaps_->by_upper_half) count += part.cardinality();
  return count;
}

void OidSet::subtract(const OidSet& other) {
  for (const auto& [upper, part] : other.bitmaps_->by_upper_half) {
    const auto mine = bitmaps_->by_upper_half.find(upper);
    if (mine == bitmaps_->by_upper_half.end()) continue;
    mine->second -= part;
    if (mine->second.isEmpty()) bitmaps_->by_upper_half.erase(mine);
  }
}

std::vector<Oid> OidSet::take(Oid from, std::size_t count) {
  std::vector<Oid> taken;
  auto& parts = bitmaps_->by_upper_half;
  auto part = parts.lower_bound(upper_half(from));
  while (part != parts.end() && taken.size() < count) {
    const std::size_t before = taken.size();
    auto next = part->second.begin();
    if (part->first == upper_half(from)) next.equalorlarger(lower_half(from));
    for (; next.i.has_value && taken.size() < count; ++next) {
      taken.push_back(joined(part->first, *next));
    }
    for (std::size_t i = before; i < taken.size(); ++i) part->second.remove(lower_half(taken[i]));
    part = part->second.isEmpty() ? parts.erase(part) : std::next(part);
  }
  return taken;
}

}  // namespace zeolite::maintenance
