#pragma once

#include <atomic>
#include <cstdint>

namespace zeolite::client_core {

// What a client counts beside its cache. Written by the session and by transactions, read by all.
struct ClientCounters {
  std::atomic<std::uint64_t> invalidations{0};
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> conflicts{0};
  std::atomic<std::uint64_t> outcomes_asked{0};
  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> caches_dropped{0};
  std::atomic<bool> started_warm{false};
};

}  // namespace zeolite::client_core
