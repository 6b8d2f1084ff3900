#include "commit/tid_generator.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "model/tid_time.h"

namespace zeolite::commit {
namespace {

// Tids left above one that was not made here; 45 days of the clock.
constexpr std::uint64_t kRoomAbove = std::uint64_t{1} << 48;

std::int64_t to_us(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

// What the wall clock should read at `instant` if it has run evenly since `reading`.
WallTime extrapolate(const Now& reading, Instant instant) {
  return {reading.wall.unix_us + to_us(instant - reading.instant)};
}

bool agree(WallTime a, WallTime b, Duration tolerance) {
  const std::int64_t difference = a.unix_us - b.unix_us;
  return difference <= to_us(tolerance) && -difference <= to_us(tolerance);
}

}  // namespace

TidGenerator::TidGenerator(Tid last, Now now) : last_(last), anchor_(now) {}

Tid TidGenerator::next(Now now) {
  CHECK(last_ < kMaxTid, "the log's last tid is the greatest there can be");
  last_ = std::max(tid_from_time(believed_time(now)), last_.next());
  return last_;
}

Tid TidGenerator::step(Now now) {
  CHECK(last_ < kMaxTid, "the log's last tid is the greatest there can be");
  believed_time(now);
  last_ = last_.next();
  return last_;
}

bool TidGenerator::accepts(Tid tid) const {
  return tid > last_ && tid.value() <= kMaxTid.value() - kRoomAbove;
}

void TidGenerator::use(Tid tid) {
  CHECK(accepts(tid), "a tid that may be the next");
  last_ = tid;
}

WallTime TidGenerator::believed_time(Now now) {
  const WallTime expected = extrapolate(anchor_, now.instant);
  if (agree(now.wall, expected, kJumpMax)) {
    anchor_ = now;
    candidate_.reset();
    return now.wall;
  }
  if (!candidate_ || !agree(now.wall, extrapolate(*candidate_, now.instant), kDriftMax)) {
    candidate_ = now;
  } else if (now.instant - candidate_->instant >= kTrustAfter) {
    anchor_ = now;
    candidate_.reset();
    return now.wall;
  }
  // Behind: the reading does no harm, as tids never go back. Ahead: only what must have passed.
  return std::min(now.wall, expected);
}

}  // namespace zeolite::commit
