#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

#include "model/ids.h"

namespace zeolite::filestorage {

// Where each object's last record is in a file. Oids are handed out one after the other, so they
// are kept in pages of neighbours: about 9 bytes for each object of a database that uses most of
// its oids, and at worst, for oids far apart, 600.
//
// Thread: one at a time.
class LastPositions {
 public:
  // 0 when the object has none.
  [[nodiscard]] std::uint64_t find(Oid oid) const {
    const auto page = pages_.find(oid.value() / kPageOids);
    return page == pages_.end() ? 0 : (*page->second)[oid.value() % kPageOids];
  }

  void set(Oid oid, std::uint64_t position) {
    auto& page = pages_[oid.value() / kPageOids];
    if (!page) page = std::make_unique<Page>();
    (*page)[oid.value() % kPageOids] = position;
  }

 private:
  static constexpr std::size_t kPageOids = 64;
  using Page = std::array<std::uint64_t, kPageOids>;

  std::unordered_map<std::uint64_t, std::unique_ptr<Page>> pages_;
};

}  // namespace zeolite::filestorage
