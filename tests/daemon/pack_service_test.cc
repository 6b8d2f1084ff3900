#include "daemon/pack_service.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "daemon/zeo_fixture.h"

namespace zeolite::daemon {
namespace {

using maintenance::PackReport;

class PackServiceTest : public ZeoHubTest {
 protected:
  PackServiceTest() {
    one_ = peer_.commit(0, kNoTid, "one");
    two_ = peer_.commit(0, one_, "two");
  }
  Result<PackReport> pack(const PackService::Request& request) {
    std::promise<Result<PackReport>> done;
    packs_.pack(*engine_, request,
                [&](Result<PackReport> report) { done.set_value(std::move(report)); });
    return done.get_future().get();
  }
  // All in one transaction; their current tids must be `base`.
  Tid commit_objects(std::uint64_t first, std::uint64_t count, Tid base) {
    peer_.begin();
    for (std::uint64_t oid = first; oid < first + count; ++oid) peer_.store(oid, base, "record");
    EXPECT_EQ(peer_.vote(), zeo::list({}));
    return peer_.finish();
  }
  static PackService::Request all() {
    PackService::Request request;
    request.horizon = kMaxTid;
    request.collect_garbage = false;
    return request;
  }

  ZeoPeer peer_ = connect_zeo();
  Tid one_;
  Tid two_;
  std::atomic<int> errors_ = 0;
  std::atomic<int> resumed_ = 0;
  PackService packs_{clock_, [this](LogLevel level, std::string_view text) {
                       if (level == LogLevel::error) ++errors_;
                       if (text.ends_with("a pack that is in the log goes on")) ++resumed_;
                     }};
};

TEST_F(PackServiceTest, HistoryGoesAndWhatIsCurrentStays) {
  const auto report = pack(all());
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_EQ(report->removed_revisions, 1U);
  EXPECT_TRUE(engine_->store().pack_state().swept);
  EXPECT_EQ(peer_.ask("loadBefore", {zeo::oid(0), zeo::value_of(kMaxTid)}),
            Value::tuple(zeo::bytes("two"), zeo::value_of(two_), zeo::none()));
  EXPECT_EQ(pack(all())->removed_revisions, 0U);
}

TEST_F(PackServiceTest, TheLogSaysWhatWent) {
  ASSERT_TRUE(pack(all()));
  const storage::ObjectStore& store = engine_->store();
  const auto entries = store.read_log(store.pack_state().record, kMaxTid, {}).value();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].removed, (std::vector<RevisionKey>{{Oid(0), one_}}));
  EXPECT_FALSE(entries[0].pack_complete);
  EXPECT_TRUE(entries[1].removed.empty());
  EXPECT_TRUE(entries[1].pack_complete);
  EXPECT_EQ(engine_->visible(), entries[1].position.tid);
}

// Between two removals the sweep waits for the test, which commits.
TEST_F(PackServiceTest, CommitsComeBetweenTheRemovals) {
  constexpr std::uint64_t kObjects = 600;  // of two revisions: more than a step of the sweep takes
  const Tid older = commit_objects(1, kObjects, kNoTid);
  const Tid old = commit_objects(1, kObjects, older);
  std::atomic<bool> hold = true;
  control_->while_appending = [&] {
    if (hold) control_->walk.shut();
  };
  const std::size_t walked = control_->walk.arrived();
  std::promise<Result<PackReport>> done;
  packs_.pack(*engine_, all(),
              [&](Result<PackReport> report) { done.set_value(std::move(report)); });
  control_->walk.wait_for(walked + 1);  // the pack record is there, nothing is removed
  const Tid before = peer_.commit(1, old, "before any removal");
  control_->walk.open();
  control_->walk.wait_for(walked + 2);  // one removal was appended, and shut the gate
  const Tid swept = peer_.commit(2, old, "where the sweep was");
  const Tid unswept = peer_.commit(kObjects, old, "where it comes to");
  hold = false;
  control_->walk.open();
  const auto report = done.get_future().get();
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_EQ(report->removed_revisions, 1 + kObjects);

  const storage::ObjectStore& store = engine_->store();
  std::vector<Tid> commits;
  std::vector<std::size_t> removed;
  const auto entries = store.read_log(store.pack_state().record, kMaxTid, {}).value();
  for (const LogEntry& entry : entries) {
    const bool is_removal = !entry.removed.empty() || entry.pack_complete;
    if (is_removal) {
      removed.push_back(commits.size());
    } else {
      commits.push_back(entry.position.tid);
    }
  }
  EXPECT_EQ(commits, (std::vector<Tid>{before, swept, unswept}));
  ASSERT_GE(removed.size(), 3U);
  EXPECT_EQ(removed.front(), 1U);  // so many commits came before it
  EXPECT_EQ(removed[1], 3U);
  EXPECT_EQ(peer_.ask("loadBefore", {zeo::oid(kObjects), zeo::value_of(unswept)}),
            Value::tuple(zeo::bytes("record"), zeo::value_of(old), zeo::value_of(unswept)));
}

TEST_F(PackServiceTest, BlobsGoWithTheirRevisions) {
  const blobs::BlobDirectory& blobs = *engine_->blobs();
  for (const Tid tid : {one_, two_}) {
    std::filesystem::create_directories(blobs.path_of(Oid(0), tid).parent_path());
    std::ofstream(blobs.path_of(Oid(0), tid)) << "content";
  }
  EXPECT_EQ(pack(all())->removed_blobs, 1U);
  EXPECT_FALSE(std::filesystem::exists(blobs.path_of(Oid(0), one_)));
  EXPECT_TRUE(std::filesystem::exists(blobs.path_of(Oid(0), two_)));
}

TEST_F(PackServiceTest, AServerThatStopsLeavesThePackToTheNext) {
  ASSERT_TRUE(engine_->append_pack(kMaxTid, false));
  engine_->drain({});
  EXPECT_EQ(pack(all()).error().code, ErrorCode::shutting_down);
  packs_.resume(*engine_);
  packs_.stop();
  EXPECT_FALSE(engine_->store().pack_state().swept);
  EXPECT_EQ(errors_, 0);
}

TEST_F(PackServiceTest, ADryRunChangesNothing) {
  PackService::Request request = all();
  request.dry_run = true;
  const auto report = pack(request);
  ASSERT_TRUE(report) << report.error().detail;
  EXPECT_EQ(report->removed_revisions, 1U);
  EXPECT_TRUE(engine_->store().pack_state().record.is_zero());
}

TEST_F(PackServiceTest, ADryRunLeavesTheMachineToCommitsBetweenBatches) {
  control_->log_read.shut();
  const std::size_t before = control_->log_read.arrived();
  PackService::Request request = all();
  request.dry_run = true;
  std::promise<void> ended;
  packs_.pack(*engine_, request, [&ended](const auto&) { ended.set_value(); });
  control_->log_read.wait_for(before + 1);
  peer_.commit(1, kNoTid, "three");
  clock_.advance(std::chrono::hours(1));  // the batch took long; the rest is the longest there is
  const auto released = SystemClock().now().instant;
  control_->log_read.open();
  ended.get_future().wait();
  EXPECT_GE(SystemClock().now().instant - released, std::chrono::milliseconds(50));
}

TEST_F(PackServiceTest, NoMoreWaitThanThereIsRoomFor) {
  control_->log_read.shut();
  const std::size_t before = control_->log_read.arrived();
  PackService::Request request = all();
  request.dry_run = true;
  std::vector<std::future<Result<PackReport>>> reports;
  for (std::size_t i = 0; i < PackService::kWaitingMax; ++i) {
    auto done = std::make_shared<std::promise<Result<PackReport>>>();
    reports.push_back(done->get_future());
    packs_.pack(*engine_, request,
                [done](Result<PackReport> report) { done->set_value(std::move(report)); });
  }
  control_->log_read.wait_for(before + 1);  // the first runs, and waits; so do all others
  EXPECT_EQ(pack(request).error().code, ErrorCode::unavailable);
  control_->log_read.open();
  for (auto& report : reports) EXPECT_TRUE(report.get());
  EXPECT_TRUE(pack(request));
}

TEST_F(PackServiceTest, WhatWasInterruptedGoesOn) {
  ASSERT_TRUE(engine_->append_pack(kMaxTid, false));
  EXPECT_FALSE(engine_->store().pack_state().swept);
  packs_.resume(*engine_);
  packs_.resume(*engine_);  // whenever the cluster changes
  EXPECT_EQ(resumed_, 1);
  PackService::Request request = all();
  request.dry_run = true;
  ASSERT_TRUE(pack(request));  // comes after it
  EXPECT_TRUE(engine_->store().pack_state().swept);
}

TEST_F(PackServiceTest, AnUndoAfterAPackIsPossible) {
  const Tid three = peer_.commit(0, two_, "three");
  PackService::Request request = all();
  request.horizon = two_;
  ASSERT_TRUE(pack(request));
  // What it goes back to is below the horizon, and was kept for being current there.
  peer_.begin();
  peer_.one_way("undoa", {zeo::value_of(three), ZeoPeer::kTransaction});
  EXPECT_EQ(peer_.vote(), zeo::list({zeo::oid(0)}));
  const Tid undone = peer_.finish();
  EXPECT_EQ(peer_.ask("loadBefore", {zeo::oid(0), zeo::value_of(kMaxTid)}),
            Value::tuple(zeo::bytes("two"), zeo::value_of(undone), zeo::none()));
}

TEST_F(PackServiceTest, NothingIsPackedAfterItWasStopped) {
  packs_.stop();
  EXPECT_TRUE(engine_->store().pack_state().record.is_zero());
}

}  // namespace
}  // namespace zeolite::daemon
