// Undos that are voted when a pack begins.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <utility>

#include "daemon/storage_engine_fixture.h"

namespace zeolite::daemon {
namespace {

using namespace std::chrono_literals;
using Effects = server::SessionEffects;
using Reply = commit::CommitEffects::Reply;

class UndoBesidePackTest : public StorageEngineTest {
 protected:
  // Votes for an undo that goes back to horizon_.
  commit::Ticket vote_undo() {
    start();
    horizon_ = commit(1, 1, write(1));
    const Tid second = commit(1, 2, write(1, horizon_));
    commit::StagedTransaction undo;
    undo.writes.push_back(
        {.oid = Oid(1), .base = second, .kind = RevisionKind::back_pointer, .back = horizon_});
    const commit::Ticket voted = submit(1, 3, std::move(undo), false);
    EXPECT_EQ(inbox_.wait_for(voted).reply.kind, Reply::Kind::voted);
    return voted;
  }
  Reply finish(commit::Ticket voted) {
    engine_->call(1, Effects::Finish{voted, ticket(1, 4)});
    return inbox_.wait_for(ticket(1, 4)).reply;
  }
  Tid horizon_;
};

// Its vote was a promise.
TEST_F(UndoBesidePackTest, APackWaitsForAVotedUndo) {
  const commit::Ticket voted = vote_undo();
  auto pack = std::async(std::launch::async, [&] { return engine_->append_pack(horizon_, false); });
  EXPECT_EQ(pack.wait_for(50ms), std::future_status::timeout);
  const Reply finished = finish(voted);
  EXPECT_EQ(finished.kind, Reply::Kind::committed);
  EXPECT_TRUE(pack.get());
  EXPECT_GT(engine_->store().pack_state().record, finished.tid);
}

TEST_F(UndoBesidePackTest, NoLongerThanAVoteStands) {
  vote_timeout_ = 20ms;  // the engine's clock stands still
  const commit::Ticket voted = vote_undo();
  EXPECT_TRUE(engine_->append_pack(horizon_, false));
  EXPECT_EQ(finish(voted).error.code, ErrorCode::conflict);
}

TEST_F(UndoBesidePackTest, NorAfterADrain) {
  vote_undo();
  auto pack = std::async(std::launch::async, [&] { return engine_->append_pack(horizon_, false); });
  engine_->drain({});
  EXPECT_EQ(pack.get().error().code, ErrorCode::shutting_down);
}

}  // namespace
}  // namespace zeolite::daemon
