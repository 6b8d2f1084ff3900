#pragma once

#include "base/error.h"
#include "model/ids.h"

namespace zeolite::storage {

// 128 bits from the operating system, to name a cluster or a node for ever. Thread: any.
// Error: io_error.
[[nodiscard]] Result<Id128> random_id();

}  // namespace zeolite::storage
