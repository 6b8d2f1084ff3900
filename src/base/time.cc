#include "base/time.h"

#include <ctime>

namespace zeolite {

Now SystemClock::now() const {
  timespec boot{};
  timespec real{};
  clock_gettime(CLOCK_BOOTTIME, &boot);
  clock_gettime(CLOCK_REALTIME, &real);
  return Now{Instant{std::chrono::seconds(boot.tv_sec) + std::chrono::nanoseconds(boot.tv_nsec)},
             WallTime{static_cast<std::int64_t>(real.tv_sec) * 1'000'000 + real.tv_nsec / 1000}};
}

}  // namespace zeolite
