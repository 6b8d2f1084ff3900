#pragma once

#include "replication/dcs.h"

// The nodes of the tests, and their cluster. Most tests are of kSelf.
namespace zeolite::replication {

inline constexpr NodeId kSelf = {1};
inline constexpr NodeId kOther = {2};
inline constexpr NodeId kThird = {3};
inline constexpr Id128 kCluster = {0xc1};

}  // namespace zeolite::replication
