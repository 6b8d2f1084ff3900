// What a load that the client's cache answers costs: through the public Transaction, and in the
// cache alone. No server is needed, as nothing is asked of it.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "client/client_core.h"
#include "client/object_cache.h"
#include "zeolite/client.h"

namespace zeolite::client_core {
namespace {

constexpr std::uint64_t kObjects = 10'000;
constexpr Tid kWritten{1ULL << 58};
constexpr Tid kSnapshot{kWritten.value() + 1000};

// A client that has told its line and never asks: whatever is not in the cache is a bug.
class WarmCore final : public ClientCore {
 public:
  WarmCore() : ClientCore(std::size_t{64} << 20, std::chrono::seconds(1)) {
    for (std::uint64_t i = 0; i < kObjects; ++i)
      cache().insert(Oid(i), {kWritten, kNoTid, std::make_shared<const std::string>(300, 'r')});
    view().begin_history();
    view().set_connected(Position{Epoch(1), kSnapshot, {}}, Id128{});
  }

  void submit(Request /*request*/) override { CHECK(false, "a load missed the cache"); }
  [[nodiscard]] bool on_own_thread() const override { return false; }
  [[nodiscard]] Instant now() const override { return Instant{}; }
  void close() noexcept override {}
};

WarmCore& warm_core() {
  static const auto core = std::make_shared<WarmCore>();
  return *core;
}

// Objects in random order, drawn beforehand.
std::vector<Oid> random_oids(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Oid> oids(1U << 16);
  for (Oid& oid : oids) oid = Oid(random() % kObjects);
  return oids;
}

// As an application loads: one transaction per thread.
void transaction_load(benchmark::State& state) {
  client::Client client = ClientAccess::make(warm_core().shared_from_this());
  client::Transaction transaction = client.begin();
  const std::vector<Oid> oids = random_oids(static_cast<std::uint64_t>(state.thread_index()));
  std::size_t next = 0;
  for (auto _ : state) {
    client::Bytes record = transaction.load(client::Oid{oids[next++ % oids.size()].value()});
    benchmark::DoNotOptimize(record);
  }
}
BENCHMARK(transaction_load)->Threads(1)->Threads(2);

void cache_find(benchmark::State& state) {
  ObjectCache& cache = warm_core().cache();
  const std::vector<Oid> oids = random_oids(static_cast<std::uint64_t>(state.thread_index()));
  std::size_t next = 0;
  for (auto _ : state) {
    auto revision = cache.find(oids[next++ % oids.size()], kSnapshot);
    CHECK(revision.has_value(), "an object is missing");
    benchmark::DoNotOptimize(revision);
  }
}
BENCHMARK(cache_find)->Threads(1)->Threads(2);

}  // namespace
}  // namespace zeolite::client_core
