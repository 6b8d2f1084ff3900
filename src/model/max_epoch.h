#pragma once

#include "model/ids.h"

namespace zeolite {

// Greater ones are nobody's: where a peer or etcd tells of one it is refused, so that the epoch
// after any other can be counted without wrapping.
inline constexpr Epoch kMaxEpoch{1ULL << 62};

}  // namespace zeolite
