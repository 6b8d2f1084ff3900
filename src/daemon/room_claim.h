#pragma once

#include <atomic>
#include <cstdint>

namespace zeolite::daemon {

// Room on the disk for a transaction while it is being submitted; once that is sequenced, its
// record claims it. Counted in `claimed`, which outlives it, so that two that do not both fit are
// not both taken. Thread: any.
class RoomClaim {
 public:
  RoomClaim(std::atomic<std::uint64_t>& claimed, std::uint64_t bytes)
      : claimed_(claimed), bytes_(bytes) {
    claimed_ += bytes_;
  }
  ~RoomClaim() { claimed_ -= bytes_; }
  RoomClaim(const RoomClaim&) = delete;
  RoomClaim& operator=(const RoomClaim&) = delete;

 private:
  std::atomic<std::uint64_t>& claimed_;
  const std::uint64_t bytes_;
};

}  // namespace zeolite::daemon
