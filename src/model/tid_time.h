#pragma once

#include <string>

#include "base/time.h"
#include "model/ids.h"

namespace zeolite {

// Tids are `persistent.TimeStamp` encodings: the upper 32 bits count minutes as
// (((year-1900)*12 + month-1)*31 + day-1)*24*60 + hour*60 + minute, the lower 32 bits are
// seconds within the minute times 2^32/60. All times are UTC.

// Range: 1900 to November 5908, where tids end (kMaxTid); other times are clamped.
[[nodiscard]] Tid tid_from_time(WallTime time);
// The inverse, to the microsecond (rounded). Any tid decodes; fields out of range carry over.
[[nodiscard]] WallTime time_of_tid(Tid tid);

// "1998-12-03 14:22:09.123456" in UTC.
[[nodiscard]] std::string format_time(WallTime time);

}  // namespace zeolite
