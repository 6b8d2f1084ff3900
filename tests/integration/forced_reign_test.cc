#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "integration/elected_pair.h"

// What people decide where etcd counts the reigns, and what it must not decide by itself.
namespace zeolite::testing {
namespace {

using std::chrono::seconds;

class ForcedReign : public ElectedPair {
 protected:
  using ElectedPair::ElectedPair;

  void stop_load() {
    load_.stop();
    load_.join();
  }
  void commit_more(const ServerProcess& server) {
    const std::uint64_t before = load_.acknowledged();
    load_.start(server.port());
    EXPECT_TRUE(load_.wait_acknowledged(before + 100)) << server.standard_error();
  }
  static void expect_status(const ServerProcess& server, const std::string& words) {
    const std::string shown = zeolite({"status", "--at", server.address()}).out;
    EXPECT_NE(shown.find(words), std::string::npos) << shown;
  }
  static void promote_by_force(const ServerProcess& server) {
    const ProgramResult promoted = zeolite({"promote", "--force", "--at", server.address()});
    EXPECT_EQ(promoted.exit_code, 0) << promoted.error << server.standard_error();
    EXPECT_EQ(role(server), "primary");
  }
};

// What it then knows of S is as old: by that, a node may lead which lacks what was acknowledged
// since.
TEST_F(ForcedReign, NobodyLeadsByItselfWhenEtcdWasRestoredFromABackup) {
  etcd_.kill(0);
  etcd_.keep_data(0);
  etcd_.restart(0);
  ASSERT_TRUE(etcd_.wait_ready()) << etcd_.logs();
  a_->kill();
  expect_took_over(*b_);
  ASSERT_TRUE(a_->start()) << a_->standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(*b_); })) << a_->standard_error();
  commit_more(*b_);
  const std::uint64_t last = epoch(*b_);

  etcd_.kill(0);
  etcd_.bring_back_data(0);
  etcd_.restart(0);
  ASSERT_TRUE(etcd_.wait_ready()) << etcd_.logs();
  load_.join();
  for (const ServerProcess* server : {a_.get(), b_.get()}) {
    EXPECT_TRUE(wait_until([&] { return says(*server, "restored from a backup"); }))
        << server->standard_error();
    expect_status(*server, "restored from a backup");
    EXPECT_NE(role(*server), "primary");
  }
  EXPECT_FALSE(led());

  promote_by_force(*b_);
  EXPECT_GT(epoch(*b_), last);
  load_.check(b_->port());
  ASSERT_TRUE(wait_until([&] { return in_sync(*b_); })) << a_->standard_error();
  commit_more(*b_);
  stop_load();
  load_.check_everything(b_->port());
  // From now on etcd decides as before.
  b_->kill();
  ASSERT_TRUE(wait_until([&] { return role(*a_) == "primary"; })) << a_->standard_error();
  load_.check_everything(a_->port());
}

// What the primary acknowledged alone is on its disk only.
TEST_F(ForcedReign, AStandbyThatIsNotInSyncLeadsWhenItIsForced) {
  b_->kill();
  EXPECT_TRUE(load_.wait_acknowledged(load_.acknowledged() + 100)) << a_->standard_error();
  stop_load();
  ASSERT_TRUE(wait_until([&] { return says(*a_, "no longer wait for standby b"); }))
      << a_->standard_error();
  a_->kill();
  ASSERT_TRUE(b_->start()) << b_->standard_error();
  ASSERT_TRUE(wait_until([&] { return !led(); })) << etcd_.logs();
  EXPECT_TRUE(wait_until([&] { return says(*b_, "nobody leads"); })) << b_->standard_error();
  expect_status(*b_, "nobody leads");
  EXPECT_NE(role(*b_), "primary");

  promote_by_force(*b_);
  EXPECT_GT(epoch(*b_), epoch_);
  const std::vector<std::string> commits = {"bench", "commit", "--seconds",
                                            "0.3",   "--at",   b_->address()};
  EXPECT_EQ(zeolite(commits).exit_code, 0) << b_->standard_error();
  // What only the old primary had is kept in a file there.
  ASSERT_TRUE(a_->start()) << a_->standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(*b_); })) << a_->standard_error();
  EXPECT_TRUE(says(*a_, "transactions beyond the common history are undone; they are kept in"));
  EXPECT_EQ(zeolite(commits).exit_code, 0) << b_->standard_error();
  ASSERT_TRUE(wait_until([&] { return same_end(*b_, *a_); }));
  EXPECT_EQ(digest(*a_), digest(*b_));
}

// Who takes over by election may lack what only such a standby has.
TEST_F(ForcedReign, AStandbyThatTakesPartInNoElectionIsFedAndNothingElse) {
  ServerProcess c(options("c", standby_of(*a_)));
  ASSERT_TRUE(c.start()) << c.standard_error();
  ASSERT_TRUE(wait_until([&] { return says(*a_, "standby c takes part in no election"); }))
      << a_->standard_error();
  ASSERT_TRUE(wait_until([&] { return text_of(status(c), "visible_tid") > std::string(16, '0'); }))
      << c.standard_error();
  c.send_signal(SIGSTOP);
  EXPECT_TRUE(load_.wait_acknowledged(load_.acknowledged() + 200)) << a_->standard_error();
  EXPECT_EQ(status(*a_).at("delayed_groups").to_number<int>(), 0);
  EXPECT_FALSE(says(*a_, "commits wait for standby c"));
  c.send_signal(SIGCONT);
  const ProgramResult refused = zeolite({"switchover", "--to", "c", "--at", a_->address()});
  EXPECT_EQ(refused.exit_code, 4) << refused.error;
  EXPECT_NE(refused.error.find("takes part in no election"), std::string::npos) << refused.error;

  a_->kill();
  expect_took_over(*b_);
  EXPECT_EQ(role(c), "standby");
  EXPECT_EQ(c.stop(), 0) << c.standard_error();
  ServerProcess again(options("c", standby_of(*b_)));
  ASSERT_TRUE(again.start()) << again.standard_error();
  ASSERT_TRUE(wait_until([&] { return same_end(*b_, again); })) << again.standard_error();
  EXPECT_EQ(digest(*b_), digest(again));
}

// With a lease so long that it is no handover if it was waited for.
class Handover : public ForcedReign {
 protected:
  Handover() : ForcedReign(seconds(30)) {}
};

TEST_F(Handover, UnderLoadLosesNothingAndWaitsForNoLease) {
  const auto began = std::chrono::steady_clock::now();
  const ProgramResult there = zeolite({"switchover", "--at", a_->address()});
  ASSERT_EQ(there.exit_code, 0) << there.error << a_->standard_error();
  ASSERT_TRUE(wait_until([&] { return role(*b_) == "primary"; })) << b_->standard_error();
  EXPECT_LT(std::chrono::steady_clock::now() - began, lease_ / 3);
  expect_took_over(*b_);
  ASSERT_TRUE(wait_until([&] { return in_sync(*b_); })) << a_->standard_error();
  EXPECT_EQ(role(*a_), "standby");
  ASSERT_TRUE(wait_until([&] { return same_end(*b_, *a_); }));
}

}  // namespace
}  // namespace zeolite::testing
