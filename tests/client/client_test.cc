#include "zeolite/client.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "client/fake_client.h"

namespace zeolite::client {
namespace {

using client_core::ClientAccess;
using client_core::testing::FakeClient;

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    first_ = server().put(::zeolite::Oid(1), "one");
    core_->connect();
  }
  client_core::testing::FakeServer& server() { return core_->server; }

  std::shared_ptr<FakeClient> core_ = std::make_shared<FakeClient>();
  Client client_ = ClientAccess::make(core_);
  ::zeolite::Tid first_;
};

TEST_F(ClientTest, SyncSeesWhatOthersCommitted) {
  core_->deliver = false;
  const ::zeolite::Tid tid = server().put(::zeolite::Oid(1), "new");
  EXPECT_EQ(client_.snapshot().value, first_.value());
  core_->deliver = true;
  EXPECT_EQ(client_.sync().value, tid.value());
  EXPECT_EQ(client_.begin().load(Oid{1}).str(), "new");
}

TEST_F(ClientTest, SyncDoesNotWaitForNewsOfWhatTheServerWritesForItself) {
  const ::zeolite::Tid tid = server().commit_elsewhere({}, false);
  EXPECT_EQ(client_.sync().value, tid.value());
}

TEST_F(ClientTest, SyncWaitsForATransactionThatWasToldElsewhere) {
  core_->deliver = false;
  const ::zeolite::Tid tid = server().put(::zeolite::Oid(1), "new");
  core_->deliver = true;
  EXPECT_EQ(client_.sync(Tid{tid.value()}).value, tid.value());
  EXPECT_EQ(server().count_received<wire::Await>(), 1U);
  // What it knows already is not asked for.
  EXPECT_EQ(client_.sync(Tid{first_.value()}).value, tid.value());
  EXPECT_EQ(server().count_received<wire::Await>(), 1U);
  EXPECT_THROW(client_.sync(Tid{tid.value() + 1}), TimeoutError);
}

TEST_F(ClientTest, BeginsAtTheLineOfAHistoryThatIsJustBeginning) {
  client_core::ConnectionView& view = core_->view();
  view.begin_history();
  auto begun = std::async(std::launch::async, [this] { return client_.begin(); });
  EXPECT_EQ(begun.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  const ::zeolite::Tid second = server().commit_elsewhere({{::zeolite::Oid(2), "two"}}, false);
  view.set_connected({::zeolite::Epoch(1), second, {}}, server().cluster_id);
  Transaction transaction = begun.get();
  EXPECT_EQ(transaction.snapshot().value, second.value());
  // It is of the history that has begun.
  core_->cache().insert(::zeolite::Oid(2),
                        {second, ::zeolite::kNoTid, std::make_shared<const std::string>("two")});
  EXPECT_EQ(transaction.load(Oid{2}).str(), "two");
}

TEST_F(ClientTest, TellsTheEpochOfTheServerThatAnswers) {
  EXPECT_EQ(ClientAccess::make(std::make_shared<FakeClient>()).epoch(), 0U);
  server().epoch = ::zeolite::Epoch(7);
  core_->reconnect();
  EXPECT_EQ(client_.epoch(), 7U);
  core_->disconnect();
  EXPECT_EQ(client_.epoch(), 7U);
  // Refused, so it is not the one that answers.
  server().epoch = ::zeolite::Epoch(6);
  core_->connect();
  EXPECT_EQ(client_.epoch(), 7U);
}

TEST_F(ClientTest, LoadsHistory) {
  server().put(::zeolite::Oid(1), "new");
  core_->deliver_all();
  EXPECT_EQ(client_.load_at(Oid{1}, Tid{first_.value()}).str(), "one");
  EXPECT_EQ(client_.load_at(Oid{1}, Tid{~0ULL >> 1}).str(), "new");
  EXPECT_THROW(static_cast<void>(client_.load_at(Oid{1}, Tid{5})), NotFoundError);
}

TEST_F(ClientTest, TellsOutcomes) {
  CommitId id;
  id.number = 12;
  EXPECT_EQ(client_.outcome(id).state, Outcome::State::aborted);
  server().hold_outcome = true;
  EXPECT_EQ(client_.outcome(id).state, Outcome::State::pending);
  server().hold_outcome = false;
  server().expire_outcomes = true;
  EXPECT_EQ(client_.outcome(id).state, Outcome::State::expired);
}

TEST_F(ClientTest, ReadsTheLogInPages) {
  server().put(::zeolite::Oid(2), "two");
  core_->deliver_all();
  const LogPage page = client_.read_log(Tid{}, 1);
  ASSERT_EQ(page.entries.size(), 1U);
  EXPECT_EQ(page.entries[0].objects.at(0).oid, Oid{1});
  EXPECT_FALSE(page.end);
  const LogPage rest = client_.read_log(page.next_after);
  ASSERT_EQ(rest.entries.size(), 1U);
  EXPECT_TRUE(rest.end);
}

TEST_F(ClientTest, TellsStatusAndStats) {
  EXPECT_EQ(client_.status().role, ServerStatus::Role::primary);
  static_cast<void>(client_.begin().load(Oid{1}));
  static_cast<void>(client_.begin().load(Oid{1}));
  const Stats stats = client_.stats();
  EXPECT_EQ(stats.cache_hits, 1U);
  EXPECT_EQ(stats.cache_misses, 1U);
  EXPECT_EQ(stats.connections, 1U);
  EXPECT_EQ(client_.snapshot_age(), std::chrono::nanoseconds(0));
}

TEST_F(ClientTest, PrefetchFillsTheCache) {
  const std::array oids = {Oid{1}, Oid{2}};
  client_.prefetch(oids);
  EXPECT_EQ(client_.begin().load(Oid{1}).str(), "one");
  EXPECT_EQ(server().count_received<wire::Load>(), 0U);
}

TEST_F(ClientTest, MovesLikeAValue) {
  Client other = std::move(client_);
  EXPECT_TRUE(other.connected());
}

}  // namespace
}  // namespace zeolite::client
