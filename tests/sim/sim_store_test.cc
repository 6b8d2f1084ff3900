#include "sim/sim_store.h"

#include <gtest/gtest.h>

#include <set>

namespace zeolite::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SimStoreTest : public testing::Test {
 protected:
  static TransactionRecord record(std::uint64_t tid) {
    TransactionRecord record;
    record.epoch = Epoch(1);
    record.tid = Tid(tid);
    record.writes.push_back({.oid = Oid(1),
                             .previous = Tid(tid == 1 ? 0 : tid - 1),
                             .kind = RevisionKind::data,
                             .data = Bytes::copy_of("state"),
                             .back = {}});
    return record;
  }
  void append(std::uint64_t tid) {
    store_.append(process_, {record(tid)}, [this](const Result<Position>& last) {
      durable_ = last ? last->tid : kNoTid;
      failed_ = failed_ || !last;
    });
  }
  void run(Duration time) { queue_.run_until(queue_.now() + time); }

  EventQueue queue_;
  Process process_;
  SimStore store_{queue_, Random(5), Id128{9}, milliseconds(1)};
  Tid durable_;
  bool failed_ = false;
};

TEST_F(SimStoreTest, IsDurableWhenTheSyncHasEnded) {
  append(1);
  append(2);
  EXPECT_EQ(store_.last(), Position{});
  EXPECT_EQ(store_.end().tid, Tid(2));
  EXPECT_TRUE(store_.busy());
  EXPECT_EQ(store_.entries_after(Tid(0), true).size(), 2U);
  EXPECT_TRUE(store_.entries_after(Tid(0), false).empty());
  run(seconds(1));
  EXPECT_EQ(durable_, Tid(2));
  EXPECT_EQ(store_.last(), store_.end());
  EXPECT_EQ(store_.objects().last_position(), store_.last());
  EXPECT_EQ(store_.position_of(Tid(2)), store_.last());
  EXPECT_FALSE(store_.position_of(Tid(3)));
}

TEST_F(SimStoreTest, ACrashKeepsAPartOfWhatWasUnderWay) {
  std::set<std::uint64_t> kept;
  for (int i = 0; i < 50; ++i) {
    store_.replace({}, Id128{9});
    append(1);
    run(seconds(1));
    append(2);
    append(3);
    process_.kill();
    store_.crash();
    kept.insert(store_.last().tid.value());
    EXPECT_EQ(store_.objects().last_position(), store_.last());
    EXPECT_FALSE(store_.busy());
  }
  EXPECT_EQ(kept, (std::set<std::uint64_t>{1, 2, 3}));
}

TEST_F(SimStoreTest, UndoesAndGoesOn) {
  for (std::uint64_t tid = 1; tid <= 3; ++tid) append(tid);
  run(seconds(1));
  const Position one = *store_.position_of(Tid(1));
  store_.roll_back(one);
  EXPECT_EQ(store_.last(), one);
  EXPECT_EQ(store_.undone(), 2U);
  append(7);
  run(seconds(1));
  EXPECT_EQ(store_.last().tid, Tid(7));
}

TEST_F(SimStoreTest, TakesACopyButKeepsItsPromise) {
  append(1);
  run(seconds(1));
  store_.store_promise(process_, Epoch(4), [](bool) {});
  run(seconds(1));
  SimStore other(queue_, Random(6), Id128{}, milliseconds(1));
  const auto all = store_.entries_after(kNoTid, false);
  SimStore::Incoming copy;
  copy.begin.cluster_id = store_.cluster();
  copy.files = {{all.begin(), all.end()}};
  copy.complete = SimStore::Complete{.replaces = Position{}};
  other.incoming() = std::move(copy);
  EXPECT_EQ(other.install(true), SimStore::Installed::installed);
  EXPECT_EQ(other.install(true), SimStore::Installed::nothing) << "once";
  EXPECT_EQ(other.last(), store_.last());
  EXPECT_EQ(other.cluster(), Id128{9});
  EXPECT_EQ(other.promise(), Epoch(0));
}

TEST_F(SimStoreTest, TakesNoCopyWhenItsLogHasGoneOn) {
  SimStore::Incoming copy;
  copy.complete = SimStore::Complete{.replaces = Position{}};
  store_.incoming() = std::move(copy);
  append(1);
  run(seconds(1));
  EXPECT_EQ(store_.install(true), SimStore::Installed::outdated);
  EXPECT_EQ(store_.last().tid, Tid(1));
  EXPECT_FALSE(store_.incoming());
}

TEST_F(SimStoreTest, RefusesWhenFull) {
  store_.set_full(true);
  append(1);
  run(seconds(1));
  EXPECT_TRUE(failed_);
  EXPECT_EQ(store_.end(), Position{});
  bool stored = true;
  store_.store_promise(process_, Epoch(4), [&](bool is) { stored = is; });
  run(seconds(1));
  EXPECT_FALSE(stored);
  EXPECT_EQ(store_.promise(), Epoch(0));
}

}  // namespace
}  // namespace zeolite::sim
