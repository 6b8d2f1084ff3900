// Leading alone, before the log has begun. The rest of it: standby_applier_test.cc, and with real
// processes.

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <vector>

#include "daemon/controlled_store.h"
#include "daemon/storage_engine.h"
#include "daemon/storage_engine_fixture.h"

namespace zeolite::daemon {
namespace {

using namespace std::chrono_literals;
using Effects = server::SessionEffects;

TEST_F(StorageEngineTest, AHistoryIsRestoredWholeBeforeTheLogBegins) {
  alone_ = true;
  start();
  engine_->call(1, Effects::AllocateOids{ticket(1, 1), 10});
  EXPECT_EQ(inbox_.wait_for(ticket(1, 1)).reply.first_oid, Oid(1));
  for (const std::uint64_t tid : {1U, 2U, 3U}) {
    EXPECT_EQ(commit(1, 1 + tid, restored(7, Tid(tid))), Tid(tid));
  }
  EXPECT_EQ(control_->content.last_position().tid, Tid(3));
  EXPECT_TRUE(engine_->begin_log());
  EXPECT_EQ(engine_->visible(), Tid(5)) << "the epoch, and which oids were handed out";
  EXPECT_TRUE(engine_->begin_log());
  EXPECT_EQ(engine_->visible(), Tid(5)) << "once";
  EXPECT_EQ(control_->content.last_position().epoch, Epoch(1));
  EXPECT_EQ(inbox_.wait_for(submit(1, 9, restored(7, Tid(5)))).reply.error.code,
            ErrorCode::invalid_argument);
}

TEST_F(StorageEngineTest, OidsHandedOutBeforeTheLogBeginsAreNotAfterACrash) {
  alone_ = true;
  start();
  engine_->call(1, Effects::AllocateOids{ticket(1, 1), 10});
  inbox_.wait_for(ticket(1, 1));
  engine_.reset();
  EXPECT_EQ(control_->content.last_position(), Position{});
  alone_ = false;
  start();
  engine_->call(1, Effects::AllocateOids{ticket(1, 2), 10});
  EXPECT_GT(inbox_.wait_for(ticket(1, 2)).reply.first_oid, Oid(10));
}

TEST_F(StorageEngineTest, ALogThatFindsNoRoomToBeginIsNotBegun) {
  alone_ = true;
  start();
  control_->content.set_out_of_space(true);
  EXPECT_EQ(engine_->begin_log().error().code, ErrorCode::out_of_space);
  control_->content.set_out_of_space(false);
  EXPECT_TRUE(engine_->begin_log());
  EXPECT_EQ(engine_->visible(), Tid(1));
}

TEST_F(StorageEngineTest, WhoeverWantsTheLogBegunWaitsForTheSameRecord) {
  alone_ = true;
  start();
  control_->append.shut();
  const commit::Ticket first = submit(1, 1, write(1));
  control_->append.wait_for(1);
  std::vector<std::future<bool>> others;
  for (int i = 0; i < 4; ++i) {
    others.push_back(std::async(std::launch::async, [this] { return !!engine_->begin_log(); }));
  }
  EXPECT_EQ(others[0].wait_for(20ms), std::future_status::timeout);
  control_->append.open();
  for (std::future<bool>& other : others) EXPECT_TRUE(other.get());
  EXPECT_GT(inbox_.wait_for(first).reply.tid, Tid(1));
  EXPECT_EQ(control_->content.log_entry(Tid(1)).value()->kind, RecordKind::epoch);
}

}  // namespace
}  // namespace zeolite::daemon
