#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

#include "model/ids.h"

namespace zeolite::maintenance {

// What an import knows of each object's newest revision, so that it rarely has to ask the store.
// It is told of every revision that is written; what it forgets for want of memory, and what was
// there before, it does not know.
//
// Memory: about 10 bytes for each object while most oids are in use, at most some 120 MiB after
// trim().
// Thread: one at a time.
class NewestRevisions {
 public:
  static constexpr std::size_t kPagesMax = 200'000;

  // No object with an oid from `mark` on was ever written. `pages_max`: of 64 oids each.
  explicit NewestRevisions(Oid mark, std::size_t pages_max = kPagesMax)
      : mark_(mark), pages_max_(pages_max) {}

  // kNoTid: the object does not exist, or was deleted. Nothing: not known, which may become so of
  // an object that it was not told of when a greater oid is.
  [[nodiscard]] std::optional<Tid> find(Oid oid) const;

  // From now on, until trim(), this is what find() gives.
  void set(Oid oid, Tid tid);

  // Forgets all it was told when that became too much.
  void trim();

 private:
  static constexpr std::size_t kPageOids = 64;

  // Neighbouring oids.
  struct Page {
    std::uint64_t known = 0;  // a bit each
    std::array<Tid, kPageOids> tids{};
  };

  // The greatest oid has no mark above it: it is never taken for new.
  [[nodiscard]] bool is_new(Oid oid) const { return oid >= mark_ && !oid.next().is_zero(); }

  Oid mark_;
  const std::size_t pages_max_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Page>> pages_;
};

}  // namespace zeolite::maintenance
