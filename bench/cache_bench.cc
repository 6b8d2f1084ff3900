// What a load from the client's object cache costs.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "client/object_cache.h"

namespace zeolite::client_core {
namespace {

constexpr std::uint64_t kObjects = 10'000;
constexpr Tid kWritten{1ULL << 58};
constexpr Tid kSnapshot{kWritten.value() + 1000};

ObjectCache& filled_cache() {
  static ObjectCache cache(64U << 20);
  static const bool filled = [] {
    for (std::uint64_t i = 0; i < kObjects; ++i)
      cache.insert(Oid(i), {kWritten, kNoTid, std::make_shared<const std::string>(300, 'r')});
    return true;
  }();
  CHECK(filled, "the cache is empty");
  return cache;
}

// Objects in random order, drawn beforehand.
std::vector<Oid> random_oids(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Oid> oids(1U << 16);
  for (Oid& oid : oids) oid = Oid(random() % kObjects);
  return oids;
}

void load_from_cache(benchmark::State& state) {
  ObjectCache& cache = filled_cache();
  const std::vector<Oid> oids = random_oids(static_cast<std::uint64_t>(state.thread_index()));
  std::size_t next = 0;
  for (auto _ : state) {
    auto revision = cache.find(oids[next++ % oids.size()], kSnapshot);
    CHECK(revision.has_value(), "an object is missing");
    benchmark::DoNotOptimize(revision);
  }
}
BENCHMARK(load_from_cache)->Threads(1)->Threads(2);

}  // namespace
}  // namespace zeolite::client_core
