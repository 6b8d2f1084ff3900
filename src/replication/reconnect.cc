#include "replication/reconnect.h"

#include <algorithm>

namespace zeolite::replication {
namespace {

// A connection that has worked for so long holds.
constexpr Duration kHolds = std::chrono::seconds(5);
// Reasons that differ each time, as by a number in them, are not told for ever.
constexpr std::size_t kToldMax = 8;

}  // namespace

Reconnect::Reconnect(Duration shortest, Duration longest, std::uint64_t seed)
    : shortest_(shortest), longest_(longest), random_(seed | 1U), next_(shortest) {}

void Reconnect::begin_anew() {
  next_ = shortest_;
  failures_ = 0;
  told_.clear();
  works_since_.reset();
}

Duration Reconnect::pause() {
  constexpr std::uint64_t kSteps = 1024;
  random_ = random_ * 6364136223846793005ULL + 1442695040888963407ULL;  // the upper bits are good
  const auto step = static_cast<std::int64_t>((random_ >> 33U) % kSteps);
  const Duration full = next_;
  next_ = std::min(next_ * 2, longest_);
  return full - full / 4 * step / static_cast<std::int64_t>(kSteps);
}

bool Reconnect::failed(const std::string& why) {
  works_since_.reset();
  ++failures_;
  return told_.size() < kToldMax && told_.insert(why).second;
}

void Reconnect::works(Instant now) { works_since_ = now; }

std::optional<std::uint64_t> Reconnect::held(Instant now) {
  if (!works_since_ || now - *works_since_ < kHolds) return std::nullopt;
  const std::uint64_t failures = failures_;
  begin_anew();
  if (failures == 0) return std::nullopt;
  return failures;
}

}  // namespace zeolite::replication
