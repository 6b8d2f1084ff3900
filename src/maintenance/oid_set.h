#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "model/ids.h"

namespace zeolite::maintenance {

// A set of oids in compressed bitmaps: about a bit per object where oids are dense, as they are in
// a database, and at most some bytes for each where they are not. Thread: one at a time.
class OidSet {
 public:
  OidSet();
  ~OidSet();
  OidSet(OidSet&&) noexcept;
  OidSet& operator=(OidSet&&) noexcept;
  OidSet(const OidSet&) = delete;
  OidSet& operator=(const OidSet&) = delete;

  // False when it was there already.
  bool add(Oid oid);
  [[nodiscard]] bool contains(Oid oid) const;
  [[nodiscard]] bool empty() const;
  [[nodiscard]] std::uint64_t count() const;

  // Removes all that `other` has.
  void subtract(const OidSet& other);

  // Takes out the first `count` oids >= `from`, in order; fewer means that there are no more.
  [[nodiscard]] std::vector<Oid> take(Oid from, std::size_t count);

 private:
  struct Bitmaps;
  std::unique_ptr<Bitmaps> bitmaps_;
};

}  // namespace zeolite::maintenance
