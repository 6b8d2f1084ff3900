// Packs of random databases, against an oracle that keeps everything (pack_oracle.h).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "history/transaction_iteration.h"
#include "history/undo_planner.h"
#include "maintenance/pack.h"
#include "maintenance/pack_oracle.h"
#include "maintenance/store_removal_log.h"
#include "maintenance/verify_store.h"
#include "storage/object_store_contract.h"

namespace zeolite::maintenance {
namespace {

using storage::ObjectStore;
using RevisionSet = std::set<RevisionKey>;

template <typename Maker>
class PackModel : public testing::Test {
 protected:
  void SetUp() override { store_ = maker_.make(); }

  void append(const TransactionRecord& record) {
    ASSERT_TRUE(store_->append({&record, 1}).has_value());
  }
  void commit(PackOracle& oracle, std::size_t count, bool may_delete = true) {
    for (std::size_t i = 0; i < count; ++i) {
      append(oracle.next(store_->pack_horizon(), may_delete));
    }
  }
  // Writes the pack record; its horizon.
  Tid begin_pack(PackOracle& oracle, std::mt19937_64& random, bool collect_garbage) {
    TransactionRecord record;
    record.kind = RecordKind::pack;
    record.epoch = Epoch(1);
    record.tid = oracle.next_tid();
    const auto& records = oracle.records();
    record.pack_horizon = records[records.size() - 1 - random() % (records.size() / 2)].tid;
    if (record.pack_horizon <= store_->pack_horizon()) {
      record.pack_horizon = store_->last_position().tid;
    }
    record.collect_garbage = collect_garbage;
    oracle.append(record);
    append(record);
    return record.pack_horizon;
  }

  Result<PackReport> run(const PackOptions& options, const PackCallbacks& callbacks) {
    StoreRemovalLog log(*store_);
    return run_pack(*store_, log, options, callbacks);
  }
  // Brings `copy` to where the store is, entry by entry.
  void follow(ObjectStore& copy) const {
    const auto entries = store_->read_log(copy.last_position().tid, kMaxTid, {}).value();
    for (const LogEntry& entry : entries) {
      const auto record = store_->read_record(entry);
      ASSERT_TRUE(record.has_value()) << record.error().to_string();
      ASSERT_EQ(copy.append({&*record, 1}).value(), entry.position);
    }
  }

  RevisionSet stored() const {
    RevisionSet found;
    const auto revisions = store_->revisions_from(Oid(0), 1'000'000).value();
    for (const auto& revision : revisions) {
      found.insert(revision.key);
    }
    return found;
  }

  // Whatever a reader at or after `horizon` comes to, from the root, is as it was.
  void expect_readable(const PackOracle& oracle, Tid horizon) const {
    std::vector<Tid> lines{horizon};
    for (const TransactionRecord& record : oracle.records()) {
      if (record.tid > horizon) lines.push_back(record.tid);
    }
    for (const Tid line : lines) {
      for (const Oid oid : oracle.reachable(line)) {
        const auto wanted =
            oracle.unpacked().load_before(oid, kMaxTid, line, storage::ReadTier::disk).value();
        const auto found = store_->load_before(oid, kMaxTid, line, storage::ReadTier::disk);
        ASSERT_TRUE(found.has_value()) << found.error().to_string();
        ASSERT_EQ(found->status, wanted.status) << to_hex(oid) << " at " << to_hex(line);
        ASSERT_EQ(found->tid, wanted.tid);
        ASSERT_EQ(found->data, wanted.data);
      }
    }
  }

  // Whatever is later than `horizon` is there and can be undone as before.
  void expect_undoable(const PackOracle& oracle, Tid horizon) const {
    for (const TransactionRecord& record : oracle.records()) {
      if (record.tid <= horizon) continue;
      const auto wanted = history::plan_undo(oracle.unpacked(), oracle.last(), {&record.tid, 1});
      const auto found = history::plan_undo(*store_, oracle.last(), {&record.tid, 1});
      ASSERT_TRUE(found.has_value()) << found.error().to_string();
      ASSERT_EQ(found->failures.size(), wanted->failures.size());
      ASSERT_EQ(found->writes.size(), wanted->writes.size());
      for (std::size_t i = 0; i < found->writes.size(); ++i) {
        ASSERT_EQ(found->writes[i].kind, wanted->writes[i].kind);
        ASSERT_EQ(found->writes[i].back, wanted->writes[i].back);
      }
    }
  }

  void expect_sound() const {
    const auto report = verify_store(*store_, {});
    ASSERT_TRUE(report.has_value()) << report.error().to_string();
    EXPECT_THAT(report->problems, testing::IsEmpty());
  }

  Maker maker_;
  std::unique_ptr<ObjectStore> store_;
};

TYPED_TEST_SUITE(PackModel, storage::testing::StoreMakers);

TYPED_TEST(PackModel, KeepsExactlyWhatTheOracleKeeps) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    TypeParam maker;
    this->store_ = maker.make();
    std::mt19937_64 random(seed);
    PackOracle oracle(seed);
    this->append(oracle.records().front());
    this->commit(oracle, 60);
    const bool collect = seed % 4 != 0;
    const Tid horizon = this->begin_pack(oracle, random, collect);
    const auto told = this->run({.batch = 1 + random() % 40}, {});
    ASSERT_TRUE(told.has_value()) << told.error().to_string();
    EXPECT_EQ(told->garbage_collected, collect);
    EXPECT_EQ(this->stored(), oracle.kept(horizon, collect));
    this->expect_readable(oracle, horizon);
    this->expect_undoable(oracle, horizon);
    this->expect_sound();
    this->store_.reset();
  }
}

TYPED_TEST(PackModel, CommitsMeanwhileLoseNothing) {
  for (std::uint64_t seed = 20; seed < 28; ++seed) {
    SCOPED_TRACE(seed);
    TypeParam maker;
    this->store_ = maker.make();
    std::mt19937_64 random(seed);
    PackOracle oracle(seed);
    this->append(oracle.records().front());
    Tid horizon;
    for (int round = 0; round < 3; ++round) {
      // What nothing refers to may be gone already, which whoever deletes it would be told.
      this->commit(oracle, 40, round == 0);
      horizon = this->begin_pack(oracle, random, true);
      PackCallbacks callbacks;
      std::size_t commits = 60;
      callbacks.pause = [&] {
        if (commits == 0 || random() % 3 != 0) return;
        --commits;
        this->commit(oracle, 1, false);
      };
      ASSERT_TRUE(this->run({.batch = 1 + random() % 10}, callbacks).has_value());
      this->expect_readable(oracle, horizon);
    }
    this->expect_undoable(oracle, horizon);
    this->expect_sound();
    this->store_.reset();
  }
}

// As a standby that is behind by some batches: what was packed, and when, is all in the log.
TYPED_TEST(PackModel, WhoFollowsTheLogKeepsTheSame) {
  for (std::uint64_t seed = 60; seed < 66; ++seed) {
    SCOPED_TRACE(seed);
    TypeParam maker;
    TypeParam copy_maker;
    this->store_ = maker.make();
    const std::unique_ptr<ObjectStore> copy = copy_maker.make();
    std::mt19937_64 random(seed);
    PackOracle oracle(seed);
    this->append(oracle.records().front());
    for (int round = 0; round < 3; ++round) {
      this->commit(oracle, 30, round == 0);
      this->begin_pack(oracle, random, true);
      this->follow(*copy);
      PackCallbacks callbacks;
      callbacks.pause = [&] {
        if (random() % 3 == 0) this->commit(oracle, 1, false);
        this->follow(*copy);
        EXPECT_EQ(copy->pack_state(), this->store_->pack_state());
      };
      ASSERT_TRUE(this->run({.batch = 1 + random() % 10}, callbacks).has_value());
      this->follow(*copy);
      EXPECT_TRUE(copy->pack_state().swept);
      EXPECT_EQ(copy->pack_state(), this->store_->pack_state());
      EXPECT_EQ(copy->last_position(), this->store_->last_position());
      EXPECT_EQ(copy->revisions_from(Oid(0), 1'000'000).value(),
                this->store_->revisions_from(Oid(0), 1'000'000).value());
    }
    const auto found = verify_store(*copy, {}).value();
    EXPECT_EQ(found.digest, verify_store(*this->store_, {})->digest);
    EXPECT_THAT(found.problems, testing::IsEmpty());
    this->store_.reset();
  }
}

// Ends the pack after each number of batches, and lets the next run finish it.
TYPED_TEST(PackModel, AnInterruptedPackComesToTheSameEnd) {
  for (std::size_t batches = 1; batches < 40; batches += 2) {
    SCOPED_TRACE(batches);
    TypeParam maker;
    this->store_ = maker.make();
    std::mt19937_64 random(5);
    PackOracle oracle(5);
    this->append(oracle.records().front());
    this->commit(oracle, 50);
    const Tid horizon = this->begin_pack(oracle, random, true);
    std::atomic<bool> cancelled = false;
    PackCallbacks callbacks;
    std::size_t left = batches;
    callbacks.pause = [&] { cancelled = --left == 0; };
    const PackOptions options{.batch = 4, .cancelled = &cancelled};
    const auto stopped = this->run(options, callbacks);
    this->expect_readable(oracle, horizon);
    if (!stopped) {
      EXPECT_FALSE(this->store_->pack_state().swept);
      if constexpr (!std::is_same_v<TypeParam, storage::testing::MemoryMaker>) {
        this->store_.reset();
        this->store_ = maker.make();
      }
      ASSERT_TRUE(this->run({.batch = 7}, {}).has_value());
    }
    EXPECT_TRUE(this->store_->pack_state().swept);
    EXPECT_EQ(this->stored(), oracle.kept(horizon, true));
    this->store_.reset();
  }
}

// What iterators tell of a packed store, written anew, is the same content.
TYPED_TEST(PackModel, DigestIsThatOfACopy) {
  for (std::uint64_t seed = 40; seed < 46; ++seed) {
    SCOPED_TRACE(seed);
    TypeParam maker;
    this->store_ = maker.make();
    std::mt19937_64 random(seed);
    PackOracle oracle(seed);
    this->append(oracle.records().front());
    this->commit(oracle, 60);
    this->begin_pack(oracle, random, true);
    ASSERT_TRUE(this->run({}, {}).has_value());
    storage::MemoryObjectStore copy;
    history::TransactionIteration iteration(*this->store_);
    while (iteration.next().value() != nullptr) {
      TransactionRecord record = iteration.read_current().value();
      for (ObjectWrite& write : record.writes) {
        write.previous = copy.current_tids({&write.oid, 1}, kMaxTid).value().front();
      }
      ASSERT_TRUE(copy.append({&record, 1}).has_value());
    }
    const auto wanted = verify_store(*this->store_, {});
    const auto found = verify_store(copy, {});
    EXPECT_EQ(found->digest, wanted->digest);
    EXPECT_EQ(found->transactions, wanted->transactions);
    EXPECT_EQ(found->revisions, wanted->revisions);
    EXPECT_THAT(found->problems, testing::IsEmpty());
    this->store_.reset();
  }
}

TYPED_TEST(PackModel, BatchSizesDoNotMatter) {
  RevisionSet first;
  for (const std::size_t batch : {1U, 3U, 1000U}) {
    TypeParam maker;
    this->store_ = maker.make();
    std::mt19937_64 random(9);
    PackOracle oracle(9);
    this->append(oracle.records().front());
    this->commit(oracle, 80);
    this->begin_pack(oracle, random, true);
    ASSERT_TRUE(this->run({.batch = batch}, {}).has_value());
    if (first.empty()) first = this->stored();
    EXPECT_EQ(this->stored(), first);
    this->store_.reset();
  }
}

}  // namespace
}  // namespace zeolite::maintenance
