#include "sim/checker.h"

#include <gtest/gtest.h>

namespace zeolite::sim {
namespace {

using std::chrono::milliseconds;

class CheckerTest : public testing::Test {
 protected:
  // Its log becomes one with these tids; equal tids, equal records, unless `other`.
  void write(SimStore& disk, std::vector<std::uint64_t> tids, std::uint64_t other = 0) {
    disk.replace({}, Id128{9});
    std::vector<TransactionRecord> group;
    for (const std::uint64_t tid : tids) {
      TransactionRecord record;
      record.epoch = Epoch(1);
      record.tid = Tid(tid);
      record.commit_id = id(tid);
      record.metadata.user = tid == other ? "other" : "";
      group.push_back(record);
    }
    disk.append(process_, std::move(group), [](const auto&) {});
    queue_.run_until(queue_.now() + std::chrono::seconds(1));
  }
  static CommitId id(std::uint64_t number) { return {.session = SessionId{1}, .number = number}; }
  bool failed() { return checker_.violation().has_value(); }

  EventQueue queue_;
  Process process_;
  SimStore one_{queue_, Random(1), Id128{9}, milliseconds(1)};
  SimStore two_{queue_, Random(2), Id128{9}, milliseconds(1)};
  Checker checker_;
};

TEST_F(CheckerTest, NoReignBeginsBelowWhatItsNodeHasHeardOf) {
  one_.store_heard(process_, Epoch(7), [](bool) {});
  one_.store_heard(process_, Epoch(5), [](bool) {});
  queue_.run_until(queue_.now() + std::chrono::seconds(1));
  checker_.begins(1, Epoch(3), two_);
  checker_.begins(0, Epoch(8), one_);
  EXPECT_FALSE(failed()) << *checker_.violation();
  checker_.begins(0, Epoch(7), one_);
  EXPECT_TRUE(failed());
}

TEST_F(CheckerTest, OnePrimaryAnswersAtATimeWhereLeasesHold) {
  checker_.serves(0, Epoch(1), one_);
  checker_.serves(1, Epoch(2), two_);
  checker_.answers_as_primary(0, Epoch(1));
  EXPECT_FALSE(failed()) << "leases may have lied";
  checker_.set_one_at_a_time();
  checker_.answers_as_primary(1, Epoch(2));
  EXPECT_FALSE(failed());
  checker_.answers_as_primary(0, Epoch(1));
  EXPECT_TRUE(failed());
}

TEST_F(CheckerTest, IsContentWithOneHistory) {
  write(one_, {1, 2, 3});
  write(two_, {1, 2, 3, 4});
  checker_.serves(0, Epoch(1), one_);
  checker_.told(0, one_, Tid(3), "acknowledges");
  checker_.ended(0);
  checker_.serves(1, Epoch(2), two_);
  checker_.told(1, two_, Tid(4), "acknowledges");
  checker_.told(0, one_, Tid(2), "shows");
  checker_.committed(id(2), Tid(2));
  checker_.final_log(two_);
  EXPECT_FALSE(failed()) << *checker_.violation();
}

TEST_F(CheckerTest, MissesWhatWasTold) {
  write(one_, {1, 2, 3});
  write(two_, {1, 2});
  checker_.told(0, one_, Tid(3), "acknowledges");
  checker_.serves(1, Epoch(2), two_);
  EXPECT_TRUE(failed());
}

TEST_F(CheckerTest, SeesAnotherHistory) {
  write(one_, {1, 2, 3});
  write(two_, {1, 2, 3}, 2);
  checker_.told(0, one_, Tid(2), "acknowledges");
  checker_.told(1, two_, Tid(3), "acknowledges");
  EXPECT_TRUE(failed());
}

TEST_F(CheckerTest, SeesAPrimaryThatWasReplacedAcknowledge) {
  write(one_, {1, 2, 3});
  write(two_, {1, 2});
  checker_.told(0, one_, Tid(2), "acknowledges");
  checker_.serves(1, Epoch(2), two_);
  EXPECT_FALSE(failed());
  checker_.told(0, one_, Tid(3), "acknowledges");
  EXPECT_TRUE(failed());
}

TEST_F(CheckerTest, WantsEpochsToRise) {
  checker_.serves(0, Epoch(2), one_);
  checker_.serves(1, Epoch(2), two_);
  EXPECT_TRUE(failed());
}

TEST_F(CheckerTest, WantsOneOutcome) {
  checker_.aborted(id(1));
  EXPECT_FALSE(failed());
  checker_.committed(id(1), Tid(1));
  EXPECT_TRUE(failed());
}

TEST_F(CheckerTest, WantsAbortedCommitsNotInTheLog) {
  write(one_, {1});
  checker_.aborted(id(1));
  checker_.final_log(one_);
  EXPECT_TRUE(failed());
}

TEST_F(CheckerTest, WantsAcknowledgedCommitsInTheLog) {
  write(one_, {1});
  checker_.committed(id(2), Tid(2));
  checker_.final_log(one_);
  EXPECT_TRUE(failed());
}

TEST_F(CheckerTest, AddsUpAccounts) {
  checker_.balance(0, Tid(1), 300, 300);
  EXPECT_FALSE(failed());
  checker_.balance(0, Tid(1), 299, 300);
  EXPECT_TRUE(failed());
}

}  // namespace
}  // namespace zeolite::sim
