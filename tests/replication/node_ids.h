#pragma once

#include "replication/dcs.h"

// The nodes of the tests, and their cluster. Most tests are of kSelf.
namespace zeolite::replication {

inline constexpr NodeId kSelf = {1};
inline constexpr NodeId kOther = {2};
inline constexpr NodeId kThird = {3};
inline constexpr Id128 kCluster = {0xc1};

// The chain tells the tid.
inline Position at(std::uint64_t epoch, std::uint64_t tid) {
  Position position{Epoch(epoch), Tid(tid), {}};
  if (tid != 0) position.chain[0] = static_cast<std::uint8_t>(tid);
  return position;
}

}  // namespace zeolite::replication
