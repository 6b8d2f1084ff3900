#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "replication/follower.h"

// What a standby knows of the age of what it shows, by its own clock and the answers to its
// questions.
namespace zeolite::replication {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Position at(std::uint64_t tid) { return {Epoch(1), Tid(tid), {}}; }

class FreshnessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    connect();
    EXPECT_EQ(follower_.shown_as_of(), std::nullopt) << "nothing is known yet";
  }

  void pass(Duration time) { now_ = now_ + time; }

  void connect() {
    Follower::Actions actions;
    follower_.connected(now_, actions);
    wire::ReplicaWelcome welcome;
    welcome.decision = wire::ReplicaWelcome::Decision::stream;
    welcome.epoch = Epoch(1);
    welcome.cluster_id = Id128{1};
    welcome.position = follower_.last();
    follower_.on_welcome(welcome, now_, actions);
    take(std::move(actions));
  }
  // The number of the question that was asked last.
  [[nodiscard]] std::uint64_t question() const { return question_; }

  void hear(std::uint64_t answers, std::uint64_t visible, std::uint32_t age_ms = 0) {
    wire::ReplicaHeartbeat beat;
    beat.epoch = Epoch(1);
    beat.visible = Tid(visible);
    beat.last = Tid(visible);
    beat.sequence = ++sequence_;
    beat.answers = answers;
    beat.age_ms = age_ms;
    Follower::Actions actions;
    follower_.on_heartbeat(beat, now_, actions);
    take(std::move(actions));
  }
  void receive(std::uint64_t tid) {
    wire::ReplicaAppend group;
    group.epoch = Epoch(1);
    group.previous = at(received_);
    TransactionRecord record;
    record.epoch = Epoch(1);
    record.tid = Tid(tid);
    group.records.push_back(record);
    received_ = tid;
    Follower::Actions actions;
    follower_.on_append(std::move(group), now_, actions);
    take(std::move(actions));
  }
  void append(std::uint64_t tid) {
    Follower::Actions actions;
    follower_.appended(at(tid), now_, actions);
    take(std::move(actions));
  }

  void take(Follower::Actions actions) {
    for (const Follower::Action& action : actions) {
      const auto* send = std::get_if<Follower::Send>(&action);
      if (send == nullptr) continue;
      if (const auto* ack = std::get_if<wire::ReplicaAck>(&send->message)) {
        EXPECT_GE(ack->question, question_);
        question_ = ack->question;
        asked_at_.emplace(question_, now_);
      }
    }
  }

  Instant now_{seconds(1000)};
  std::uint64_t sequence_ = 0;
  std::uint64_t question_ = 0;
  std::map<std::uint64_t, Instant> asked_at_;  // when each question was asked first
  std::uint64_t received_ = 5;
  Follower follower_{{}, Id128{1}, at(5), Epoch(1), seconds(3)};
};

TEST_F(FreshnessTest, IsOfWhenTheQuestionWasAsked) {
  const Instant asked = now_;
  const std::uint64_t asked_first = question();
  pass(milliseconds(70));
  hear(asked_first, 5);
  EXPECT_EQ(follower_.shown_as_of(), asked);
  const Instant again = now_;
  pass(milliseconds(30));
  hear(question(), 5);
  EXPECT_EQ(follower_.shown_as_of(), again);
}

TEST_F(FreshnessTest, AnAnswerToAnOldQuestionIsOldNews) {
  const Instant asked = now_;
  const std::uint64_t old = question();
  // The process is stopped, or the beats lie about somewhere, while the primary goes on.
  pass(seconds(60));
  hear(old, 5);
  EXPECT_EQ(follower_.shown_as_of(), asked);
  hear(old, 5);
  EXPECT_EQ(follower_.shown_as_of(), asked);
}

TEST_F(FreshnessTest, ABeatWithoutAnAnswerSaysNothing) {
  pass(milliseconds(10));
  hear(0, 5);
  EXPECT_EQ(follower_.shown_as_of(), std::nullopt);
  hear(question() + 100, 5);
  EXPECT_EQ(follower_.shown_as_of(), std::nullopt) << "this one was not asked";
}

TEST_F(FreshnessTest, CountsOnceEverythingThatWasVisibleIsShown) {
  const Instant asked = now_;
  receive(6);
  receive(7);
  hear(question(), 7);
  EXPECT_EQ(follower_.shown_as_of(), std::nullopt);
  append(6);
  EXPECT_EQ(follower_.shown_as_of(), std::nullopt);
  pass(milliseconds(500));
  append(7);
  EXPECT_EQ(follower_.visible(), Tid(7));
  EXPECT_EQ(follower_.shown_as_of(), asked);
}

TEST_F(FreshnessTest, OneThatIsAlwaysBehindStillKnowsHowFar) {
  receive(6);
  for (std::uint64_t tid = 6; tid < 20; ++tid) {
    const std::uint64_t asked = question();
    hear(asked, tid);
    pass(milliseconds(100));
    // More is visible before that is shown.
    receive(tid + 1);
    hear(question(), tid + 1);
    append(tid);
    EXPECT_EQ(follower_.shown_as_of(), asked_at_.at(asked)) << tid;
    pass(milliseconds(100));
  }
}

TEST_F(FreshnessTest, WhatAStandbyOfAStandbyShowsIsOlder) {
  const Instant asked = now_;
  pass(milliseconds(20));
  hear(question(), 5, 300);
  EXPECT_EQ(follower_.shown_as_of(), asked + -milliseconds(300));
}

TEST_F(FreshnessTest, QuestionsOfAnEarlierConnectionAreNotAnswered) {
  const std::uint64_t old = question();
  pass(milliseconds(100));
  follower_.disconnected();
  const Instant asked = now_;
  connect();
  pass(milliseconds(10));
  hear(old, 5);
  EXPECT_EQ(follower_.shown_as_of(), std::nullopt);
  hear(question(), 5);
  EXPECT_GE(*follower_.shown_as_of(), asked);
}

TEST_F(FreshnessTest, AnswersOfAnEarlierConnectionAreNotWaitedFor) {
  hear(question(), 7);
  connect();
  receive(7);
  append(7);
  hear(0, 7);
  EXPECT_EQ(follower_.visible(), Tid(7));
  EXPECT_EQ(follower_.shown_as_of(), std::nullopt);
}

TEST_F(FreshnessTest, AcknowledgementsInQuickSuccessionAskOneQuestion) {
  const std::uint64_t first = question();
  for (std::uint64_t tid = 6; tid < 2000; ++tid) {
    receive(tid);
    append(tid);
  }
  EXPECT_EQ(question(), first);
  pass(milliseconds(10));
  receive(2000);
  append(2000);
  EXPECT_EQ(question(), first + 1);
}

TEST_F(FreshnessTest, WhatIsUndoneIsNotKnownToBeFresh) {
  hear(question(), 5);
  ASSERT_TRUE(follower_.shown_as_of());
  follower_.disconnected();
  Follower::Actions actions;
  follower_.rolled_back(at(4), now_, actions);
  EXPECT_EQ(follower_.shown_as_of(), std::nullopt);
}

}  // namespace
}  // namespace zeolite::replication
