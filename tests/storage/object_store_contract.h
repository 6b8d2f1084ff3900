#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "storage/memory_object_store.h"
#include "storage/object_store.h"
#include "storage/rocks_object_store.h"
#include "storage/store_builders.h"

namespace zeolite::storage::testing {

struct MemoryMaker {
  static std::unique_ptr<ObjectStore> make() {
    return std::make_unique<MemoryObjectStore>(
        MemoryObjectStore::Options{.outcome_retention = std::chrono::hours(1)});
  }
};

class RocksMaker {
 public:
  std::unique_ptr<ObjectStore> make() const {
    RocksStoreOptions options;
    options.directory = directory_.path() / "database";
    options.outcome_retention = std::chrono::hours(1);
    options.wal_file_bytes = 1 << 20;
    options.reserve_bytes = 0;
    auto store = RocksObjectStore::open(options);
    EXPECT_TRUE(store) << store.error().to_string();
    return store ? std::move(*store) : nullptr;
  }

 private:
  TemporaryDirectory directory_;
};

using StoreMakers = ::testing::Types<MemoryMaker, RocksMaker>;

// What every ObjectStore must do, in terms of small numbers. A store takes part with a type whose
// make() gives an empty one that keeps outcomes for an hour.
template <typename Maker>
class ObjectStoreContract : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = maker_.make();
    ASSERT_NE(store_, nullptr);
  }

  void append(std::vector<TransactionRecord> group) {
    const Result<Position> position = store_->append(group);
    ASSERT_TRUE(position) << position.error().to_string();
    EXPECT_EQ(*position, store_->last_position());
    EXPECT_EQ(position->tid, group.back().tid);
  }

  Loaded load_before(std::uint64_t oid, Tid before, Tid line) {
    Result<Loaded> loaded = store_->load_before(Oid(oid), before, line, ReadTier::disk);
    EXPECT_TRUE(loaded) << loaded.error().to_string();
    return loaded.value_or(Loaded{});
  }
  Loaded load_before(std::uint64_t oid, std::uint64_t before, std::uint64_t line) {
    return load_before(oid, Tid(before), Tid(line));
  }
  Loaded load_current(std::uint64_t oid, std::uint64_t line) {
    return load_before(oid, kMaxTid, Tid(line));
  }
  Loaded load_serial(std::uint64_t oid, std::uint64_t tid, std::uint64_t line) {
    Result<Loaded> loaded = store_->load_serial(Oid(oid), Tid(tid), Tid(line));
    EXPECT_TRUE(loaded) << loaded.error().to_string();
    return loaded.value_or(Loaded{});
  }
  std::vector<std::uint64_t> current_tids(std::vector<std::uint64_t> numbers, std::uint64_t line) {
    std::vector<Oid> oids;
    for (const std::uint64_t number : numbers) oids.emplace_back(number);
    std::vector<std::uint64_t> tids;
    const std::vector<Tid> found = store_->current_tids(oids, Tid(line)).value();
    for (const Tid tid : found) tids.push_back(tid.value());
    return tids;
  }
  std::vector<std::uint64_t> walk(std::uint64_t from, std::uint64_t line) {
    static constexpr std::size_t kPage = 2;
    std::vector<std::uint64_t> oids;
    Oid next(from);
    while (true) {
      const auto found = store_->next_objects(next, Tid(line), kPage).value();
      EXPECT_LE(found.size(), kPage);
      for (const CurrentObject& object : found) oids.push_back(object.oid.value());
      if (found.size() < kPage || found.back().oid.next().is_zero()) return oids;
      next = found.back().oid.next();
    }
  }
  std::vector<std::uint64_t> log_tids(std::uint64_t after, std::uint64_t until, LogLimit limit) {
    std::vector<std::uint64_t> tids;
    const std::vector<LogEntry> entries = store_->read_log(Tid(after), Tid(until), limit).value();
    for (const LogEntry& entry : entries) {
      tids.push_back(entry.position.tid.value());
    }
    return tids;
  }
  std::vector<std::uint64_t> log_tids_back(std::uint64_t before, LogLimit limit) {
    std::vector<std::uint64_t> tids;
    const std::vector<LogEntry> entries = store_->read_log_back(Tid(before), limit).value();
    for (const LogEntry& entry : entries) tids.push_back(entry.position.tid.value());
    return tids;
  }
  LogEntry entry(std::uint64_t tid) {
    const auto found = store_->log_entry(Tid(tid)).value();
    EXPECT_TRUE(found);
    return found.value_or(LogEntry{});
  }

  Maker maker_;
  std::unique_ptr<ObjectStore> store_;
};

// Says what was found in one line, so that a failure reads well.
inline std::string text(const Loaded& loaded) {
  const std::string end = loaded.end ? std::to_string(loaded.end->value()) : "now";
  const std::string span = " " + std::to_string(loaded.tid.value()) + ".." + end;
  switch (loaded.status) {
    case LoadStatus::found:
      return std::string(loaded.data.view()) + span;
    case LoadStatus::deleted:
      return "deleted" + span;
    case LoadStatus::not_yet:
      return "not yet";
    case LoadStatus::unknown:
      return "unknown";
  }
  return "?";
}

}  // namespace zeolite::storage::testing
