// What the store costs: appending a group of commits, and loading a current record. RocksDB's
// appends include the sync, so they tell about the disk as well; memory's tell what the rest costs.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "model/transaction_record.h"
#include "storage/memory_object_store.h"
#include "storage/rocks_object_store.h"

namespace zeolite::storage {
namespace {

constexpr std::uint64_t kObjects = 10'000;
constexpr std::size_t kRecordBytes = 300;

// A new store in a directory of its own, which goes with it.
struct MemoryFixture {
  MemoryObjectStore store;
};

class RocksFixture {
 public:
  RocksFixture()
      : directory_(std::filesystem::path("/var/tmp") /
                   ("zeolite-store-bench-" + std::to_string(::getpid()))),
        store_(open(directory_)),
        store(*store_) {}
  ~RocksFixture() {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  RocksFixture(const RocksFixture&) = delete;
  RocksFixture& operator=(const RocksFixture&) = delete;

 private:
  static std::unique_ptr<RocksObjectStore> open(const std::filesystem::path& directory) {
    RocksStoreOptions options;
    options.directory = directory;
    auto opened = RocksObjectStore::open(options);
    CHECK(opened.has_value(), "the store does not open");
    return std::move(*opened);
  }

  std::filesystem::path directory_;
  std::unique_ptr<RocksObjectStore> store_;

 public:
  RocksObjectStore& store;
};

// Makes commits of one object each, walking the objects as bench/compare does.
class Commits {
 public:
  Commits() : previous_(kObjects, kNoTid) {
    std::mt19937_64 random(1);
    std::string bytes(kRecordBytes, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    data_ = Bytes(std::move(bytes));
  }

  std::vector<TransactionRecord> group(std::int64_t count) {
    std::vector<TransactionRecord> records;
    for (std::int64_t i = 0; i < count; ++i) {
      last_ = last_.next();
      const std::uint64_t object = last_.value() % kObjects;
      TransactionRecord record;
      record.epoch = Epoch(1);
      record.tid = last_;
      record.commit_id.session[0] = 1;
      record.commit_id.number = last_.value();
      record.writes.push_back({Oid(object), previous_[object], RevisionKind::data, data_, kNoTid});
      previous_[object] = last_;
      records.push_back(std::move(record));
    }
    return records;
  }

  [[nodiscard]] Tid last() const { return last_; }

 private:
  Bytes data_;
  Tid last_{1ULL << 58};
  std::vector<Tid> previous_;
};

template <typename Fixture>
void append(benchmark::State& state) {
  Fixture fixture;
  Commits commits;
  for (auto _ : state) {
    const std::vector<TransactionRecord> group = commits.group(state.range(0));
    CHECK(fixture.store.append(group).has_value(), "append failed");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(append<MemoryFixture>)->Arg(1)->Arg(16)->Arg(64)->UseRealTime();
BENCHMARK(append<RocksFixture>)->Arg(1)->Arg(16)->Arg(64)->UseRealTime();

// Ten revisions of each object, as after a while of commits.
template <typename Fixture>
void load_current(benchmark::State& state) {
  Fixture fixture;
  Commits commits;
  for (std::uint64_t done = 0; done < 10 * kObjects; done += 1000)
    CHECK(fixture.store.append(commits.group(1000)).has_value(), "append failed");
  std::mt19937_64 random(2);
  std::uint64_t waited = 0;  // loads that memory could not answer
  for (auto _ : state) {
    const Oid oid(random() % kObjects);
    auto loaded = fixture.store.load_before(oid, kMaxTid, commits.last(), ReadTier::memory);
    if (!loaded && loaded.error().code == ErrorCode::unavailable) {
      ++waited;
      loaded = fixture.store.load_before(oid, kMaxTid, commits.last(), ReadTier::disk);
    }
    CHECK(loaded.has_value() && loaded->status == LoadStatus::found, "a record is missing");
    benchmark::DoNotOptimize(loaded);
  }
  state.counters["from_disk"] = static_cast<double>(waited);
}
BENCHMARK(load_current<MemoryFixture>);
BENCHMARK(load_current<RocksFixture>);

}  // namespace
}  // namespace zeolite::storage
