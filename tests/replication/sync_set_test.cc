#include "replication/sync_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace zeolite::replication {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

NodeId node(char name) { return NodeId{static_cast<std::uint8_t>(name)}; }

using Names = std::string;  // one letter per standby

Names names_of(const std::vector<NodeId>& nodes) {
  Names names;
  for (const NodeId& each : nodes) names += static_cast<char>(each[0]);
  return names;
}

// Plays the primary that owns the set: carries out its effects, knows what was really acknowledged,
// and holds publications back until told. After each step: S, before and after a publication under
// way, is within Q, and everybody in it has what was acknowledged.
class Primary {
 public:
  static constexpr std::uint64_t kBegin = 10;  // the epoch record

  explicit Primary(SyncSet::Options options = {}) : set_(options, Tid(kBegin)) {
    waiting_ = set_.waiting();
    if (!waiting_) acked_ = kBegin;
  }

  void write(std::uint64_t tid) {
    durable_ = tid;
    // Where nobody is waited for it is acknowledged before the set hears of it.
    if (!waiting_) acked_ = durable_;
    step([&](auto& effects) { set_.durable(Tid(tid), now_, effects); });
  }
  // What the set is not told of yet, because the owner need not.
  void write_quietly(std::uint64_t tid) {
    ASSERT_FALSE(waiting_);
    acked_ = durable_ = tid;
  }
  void connect(char name, std::uint64_t flushed) {
    claims_[name] = flushed;
    step([&](auto& effects) { set_.connected(node(name), Tid(flushed), now_, effects); });
  }
  void flush(char name, std::uint64_t tid) {
    claims_[name] = std::max(claims_[name], tid);
    step([&](auto& effects) { set_.flushed(node(name), Tid(tid), now_, effects); });
  }
  void lose(char name) {
    step([&](auto& effects) { set_.disconnected(node(name), now_, effects); });
  }
  void tick(Duration after = milliseconds(100)) {
    now_ = now_ + after;
    step([&](auto& effects) { set_.tick(now_, effects); });
  }
  // The coordination service did what was asked for last.
  void publish() {
    ASSERT_TRUE(publishing_);
    published_ = *std::exchange(publishing_, std::nullopt);
    step([&](auto& effects) { set_.published(now_, effects); });
  }
  void publish_all() {
    while (publishing_) publish();
  }
  // A standby that is in Q and S, with all there is.
  void join(char name) {
    connect(name, durable_);
    tick();
    publish_all();
    ASSERT_TRUE(set_.in_sync(node(name)));
  }

  [[nodiscard]] std::uint64_t acked() const { return acked_; }
  [[nodiscard]] bool waiting() const { return waiting_; }
  [[nodiscard]] Names q() const { return names_of(set_.waited_for()); }
  [[nodiscard]] Names s() const { return names_of(published_); }
  [[nodiscard]] std::optional<Names> publishing() const {
    if (!publishing_) return std::nullopt;
    return names_of(*publishing_);
  }
  [[nodiscard]] const std::string& last_why() const { return last_why_; }
  SyncSet& set() { return set_; }

 private:
  template <typename Call>
  void step(Call call) {
    SyncSet::Effects effects;
    call(effects);
    carry_out(std::move(effects));
    check();
  }
  void carry_out(SyncSet::Effects effects) {
    for (const SyncSet::Change& change : effects.changes) {
      if (!change.why.empty()) last_why_ = change.why;
    }
    if (effects.set_waiting) {
      waiting_ = *effects.set_waiting;
      if (waiting_) {
        step([&](auto& more) { set_.waiting_from(Tid(acked_), now_, more); });
      } else {
        acked_ = durable_;
      }
    }
    if (effects.acknowledge) {
      EXPECT_TRUE(waiting_) << "told to acknowledge while it need not be told";
      EXPECT_GT(effects.acknowledge->value(), acked_) << "said once";
      EXPECT_LE(effects.acknowledge->value(), durable_);
      acked_ = effects.acknowledge->value();
    }
    if (effects.publish) {
      EXPECT_FALSE(publishing_) << "one publication at a time";
      publishing_ = std::move(effects.publish);
    }
  }
  void check() const {
    std::vector<NodeId> may_lead = published_;
    if (publishing_) may_lead.insert(may_lead.end(), publishing_->begin(), publishing_->end());
    const std::vector<NodeId> q = set_.waited_for();
    for (const NodeId& each : may_lead) {
      EXPECT_TRUE(std::ranges::find(q, each) != q.end()) << "S within Q";
      const char name = static_cast<char>(each[0]);
      if (!forgetful_.contains(name)) {
        EXPECT_GE(claims_.at(name), acked_) << "what was acknowledged is on " << name;
      }
    }
    EXPECT_EQ(waiting_, set_.waiting());
    EXPECT_LE(set_.acknowledged().value(), acked_) << "knows of no more than was acknowledged";
    EXPECT_TRUE(waiting_ || q.empty());
  }

 public:
  // Whose disk lost something: what it had acknowledged may be missing there.
  Names forgetful_;

 private:
  SyncSet set_;
  Instant now_{seconds(1000)};
  std::uint64_t durable_ = kBegin;
  std::uint64_t acked_ = 0;
  bool waiting_ = false;
  std::map<char, std::uint64_t> claims_;  // what each said last to have
  std::vector<NodeId> published_;
  std::optional<std::vector<NodeId>> publishing_;
  std::string last_why_;
};

SyncSet::Options strict() {
  SyncSet::Options options;
  options.strict = true;
  return options;
}

// ---- coming in ----------------------------------------------------------------------------------

TEST(SyncSet, AlonePrimaryAcknowledgesWhatIsDurableHere) {
  Primary primary;
  primary.write(11);
  EXPECT_FALSE(primary.waiting());
  EXPECT_EQ(primary.acked(), 11U);
  EXPECT_EQ(primary.q(), "");
}

TEST(SyncSet, WaitsForAStandbyOnceItHasCaughtUp) {
  Primary primary;
  primary.write(20);
  primary.tick();
  primary.connect('b', 12);
  primary.tick();
  EXPECT_EQ(primary.q(), "") << "far behind";
  primary.flush('b', 20);
  primary.tick();
  EXPECT_EQ(primary.q(), "b");
  EXPECT_TRUE(primary.waiting());
  primary.publish();
  EXPECT_EQ(primary.s(), "b");
  primary.write(21);
  EXPECT_EQ(primary.acked(), 20U);
  primary.flush('b', 21);
  EXPECT_EQ(primary.acked(), 21U);
}

TEST(SyncSet, PublishesAStandbyOnlyWhenItHasAllThatWasAcknowledged) {
  Primary primary;
  primary.connect('b', 10);
  primary.write_quietly(15);  // acknowledged before waiting takes effect
  primary.tick();
  EXPECT_EQ(primary.q(), "b");
  EXPECT_EQ(primary.publishing(), std::nullopt);
  primary.flush('b', 14);
  EXPECT_EQ(primary.publishing(), std::nullopt);
  primary.flush('b', 15);
  EXPECT_EQ(primary.publishing(), "b");
  EXPECT_FALSE(primary.set().in_sync(node('b'))) << "only when it is published";
}

TEST(SyncSet, PublishesAStandbyOnlyWhenItHasWhatTheReignBeganWith) {
  Primary primary(strict());  // nothing is acknowledged, so that alone would not keep it out
  primary.connect('b', 9);
  primary.tick();
  EXPECT_EQ(primary.q(), "");
  primary.flush('b', 10);
  primary.tick();
  EXPECT_EQ(primary.q(), "b");
  EXPECT_EQ(primary.publishing(), "b");
}

TEST(SyncSet, AcknowledgesWhatIsDurableHereAndOnAllThatAreWaitedFor) {
  Primary primary;
  primary.join('b');
  primary.join('c');
  primary.flush('b', 12);
  primary.flush('c', 12);
  EXPECT_EQ(primary.acked(), 10U) << "not durable here yet";
  primary.write(11);
  EXPECT_EQ(primary.acked(), 11U);
  primary.write(14);
  primary.flush('b', 14);
  EXPECT_EQ(primary.acked(), 12U);
  primary.flush('c', 13);
  EXPECT_EQ(primary.acked(), 13U);
}

TEST(SyncSet, OneMoreIsWaitedForBeforeItIsPublished) {
  Primary primary;
  primary.join('b');
  primary.connect('c', 10);
  primary.tick();
  EXPECT_EQ(primary.q(), "bc");
  EXPECT_EQ(primary.s(), "b");
  EXPECT_EQ(primary.publishing(), "bc");
  primary.write(11);
  primary.flush('b', 11);
  EXPECT_EQ(primary.acked(), 10U);
}

TEST(SyncSet, WithDurabilityLocalNobodyIsWaitedFor) {
  SyncSet::Options options = strict();
  options.durability = Durability::local;
  Primary primary(options);
  primary.connect('b', 10);
  primary.tick();
  primary.write(11);
  EXPECT_EQ(primary.acked(), 11U);
  EXPECT_EQ(primary.q(), "");
}

// ---- leaving ------------------------------------------------------------------------------------

TEST(SyncSet, ALostStandbyIsWaitedForUntilItsRemovalIsPublished) {
  Primary primary;
  primary.join('b');
  primary.write(11);
  primary.lose('b');
  primary.tick(milliseconds(900));
  EXPECT_EQ(primary.publishing(), std::nullopt) << "it may be back at once";
  primary.tick();
  EXPECT_EQ(primary.publishing(), "");
  EXPECT_EQ(primary.q(), "b");
  EXPECT_EQ(primary.acked(), 10U);
  primary.publish();
  EXPECT_EQ(primary.q(), "");
  EXPECT_FALSE(primary.waiting());
  EXPECT_EQ(primary.acked(), 11U) << "relaxed: goes on alone";
  EXPECT_THAT(primary.last_why(), HasSubstr("connection is lost"));
}

TEST(SyncSet, ALostStandbyThatIsBackInTimeStays) {
  Primary primary;
  primary.join('b');
  primary.write(11);
  primary.lose('b');
  primary.tick(milliseconds(500));
  primary.connect('b', 10);
  primary.tick(seconds(1));
  EXPECT_EQ(primary.s(), "b");
  primary.flush('b', 11);
  EXPECT_EQ(primary.acked(), 11U);
}

TEST(SyncSet, AStandbyThatGetsNowhereLeaves) {
  Primary primary;
  primary.join('b');
  primary.write(11);
  primary.tick(milliseconds(2900));
  EXPECT_EQ(primary.publishing(), std::nullopt);
  primary.tick();
  EXPECT_EQ(primary.publishing(), "");
  primary.publish();
  EXPECT_EQ(primary.acked(), 11U);
  EXPECT_THAT(primary.last_why(), HasSubstr("does not keep up"));
  primary.flush('b', 11);
  primary.tick();
  EXPECT_EQ(primary.q(), "b") << "comes in again when it has caught up";
}

TEST(SyncSet, AStandbyThatIsAlwaysALittleBehindStays) {
  Primary primary;
  primary.join('b');
  for (std::uint64_t tid = 11; tid < 60; ++tid) {
    primary.write(tid);
    primary.flush('b', tid - 1);
    primary.tick(milliseconds(500));
  }
  EXPECT_EQ(primary.s(), "b");
  EXPECT_EQ(primary.publishing(), std::nullopt);
}

TEST(SyncSet, AStandbyThatWasLetInWhileItHungIsLetGo) {
  Primary primary;
  primary.connect('b', 10);
  primary.write(11);  // beyond what the last tick found, so it is still close enough
  primary.tick();
  EXPECT_EQ(primary.q(), "b");
  primary.tick(seconds(3));
  EXPECT_EQ(primary.q(), "") << "it never had what was acknowledged, so nobody need be told";
  EXPECT_EQ(primary.publishing(), std::nullopt);
}

TEST(SyncSet, OneThatIsLostBeforeItIsPublishedIsLetGoAtOnce) {
  Primary primary;
  primary.connect('b', 10);
  primary.write_quietly(11);
  primary.tick();
  EXPECT_EQ(primary.q(), "b");
  primary.lose('b');
  EXPECT_EQ(primary.q(), "");
  EXPECT_FALSE(primary.waiting());
}

TEST(SyncSet, OneThatLeavesDuringAPublicationThatNamesItIsWaitedForUntilTheNext) {
  Primary primary;
  primary.join('b');
  primary.connect('c', 10);
  primary.tick();
  ASSERT_EQ(primary.publishing(), "bc");
  primary.lose('b');
  primary.tick(seconds(1));
  primary.write(11);
  primary.flush('c', 11);
  primary.publish();
  EXPECT_EQ(primary.s(), "bc");
  EXPECT_EQ(primary.q(), "bc") << "it may still be promoted";
  EXPECT_EQ(primary.acked(), 10U);
  ASSERT_EQ(primary.publishing(), "c");
  primary.publish();
  EXPECT_EQ(primary.q(), "c");
  EXPECT_EQ(primary.acked(), 11U);
}

TEST(SyncSet, OneThatComesInKeepsThePrimaryFromGoingAlone) {
  Primary primary;
  primary.connect('b', 10);
  primary.write_quietly(11);
  primary.tick();
  ASSERT_EQ(primary.q(), "b");
  primary.write(12);
  primary.connect('c', 12);
  primary.tick(milliseconds(1));
  primary.tick(seconds(3));  // b is late
  EXPECT_EQ(primary.q(), "c");
  EXPECT_TRUE(primary.waiting());
  EXPECT_EQ(primary.acked(), 12U);
}

TEST(SyncSet, OneThatLeftReturns) {
  Primary primary;
  primary.join('b');
  primary.join('c');
  primary.lose('b');
  primary.tick(seconds(1));
  primary.publish();
  EXPECT_EQ(primary.s(), "c");
  primary.write(11);
  primary.flush('c', 11);
  primary.tick();
  primary.connect('b', 10);
  primary.tick();
  EXPECT_EQ(primary.q(), "c") << "behind";
  primary.flush('b', 11);
  primary.tick();
  primary.publish();
  EXPECT_EQ(primary.s(), "bc");
}

// ---- strict -------------------------------------------------------------------------------------

TEST(SyncSet, StrictAcknowledgesNothingBeforeAStandbyHasIt) {
  Primary primary(strict());
  primary.write(11);
  EXPECT_TRUE(primary.waiting());
  EXPECT_EQ(primary.acked(), 0U);
  primary.connect('b', 11);
  primary.tick();
  EXPECT_EQ(primary.acked(), 11U);
}

TEST(SyncSet, StrictIsNotTalkedIntoMoreByTheAnswerToItsFirstWish) {
  Primary primary(strict());
  SyncSet::Effects effects;
  primary.set().waiting_from(Tid(Primary::kBegin), Instant{}, effects);
  EXPECT_EQ(primary.set().acknowledged(), kNoTid);
}

TEST(SyncSet, StrictKeepsTheLastStandby) {
  Primary primary(strict());
  primary.join('b');
  primary.write(11);
  primary.lose('b');
  primary.tick(seconds(60));
  EXPECT_EQ(primary.q(), "b");
  EXPECT_EQ(primary.s(), "b");
  EXPECT_EQ(primary.acked(), 10U);
  primary.connect('b', 11);
  EXPECT_EQ(primary.acked(), 11U);
}

TEST(SyncSet, StrictKeepsOneOfTwoThatAreLostTogether) {
  Primary primary(strict());
  primary.join('b');
  primary.join('c');
  primary.write(11);
  primary.lose('b');
  primary.lose('c');
  primary.tick(seconds(60));
  primary.publish_all();
  EXPECT_EQ(primary.s().size(), 1U);
  EXPECT_EQ(primary.q(), primary.s());
  EXPECT_EQ(primary.acked(), 10U);
}

TEST(SyncSet, StrictRatherKeepsOneThatIsThere) {
  for (const char slow : {'b', 'c'}) {
    const char lost = slow == 'b' ? 'c' : 'b';
    Primary primary(strict());
    primary.join('b');
    primary.join('c');
    primary.write(11);
    primary.lose(lost);
    primary.tick(seconds(60));
    primary.publish_all();
    EXPECT_EQ(primary.s(), Names(1, slow));
  }
}

TEST(SyncSet, StrictLetsTheLastGoWhenAnotherTakesItsPlace) {
  Primary primary(strict());
  primary.join('b');
  primary.write(11);
  primary.lose('b');
  primary.tick(seconds(60));
  primary.connect('c', 11);
  primary.tick();
  EXPECT_EQ(primary.publishing(), "bc");
  primary.publish();
  EXPECT_EQ(primary.s(), "bc");
  primary.tick();
  EXPECT_EQ(primary.publishing(), "c");
  primary.publish();
  EXPECT_EQ(primary.acked(), 11U);
}

// ---- disks that forget --------------------------------------------------------------------------

TEST(SyncSet, OneThatLostWhatItHadAcknowledgedLeaves) {
  for (const SyncSet::Options& options : {SyncSet::Options{}, strict()}) {
    Primary primary(options);
    primary.join('b');
    primary.write(11);
    primary.flush('b', 11);
    primary.forgetful_ = "b";
    primary.lose('b');
    primary.connect('b', 5);
    primary.tick();
    EXPECT_EQ(primary.publishing(), "") << "also with strict: it must not be promoted";
    EXPECT_THAT(primary.q(), "b");
    primary.publish();
    EXPECT_EQ(primary.q(), "");
  }
}

TEST(SyncSet, OneThatComesBackTwiceWithoutItLeavesAllTheSame) {
  Primary primary;
  primary.join('b');
  primary.forgetful_ = "b";
  for (int i = 0; i < 2; ++i) {
    primary.lose('b');
    primary.connect('b', 5);
  }
  primary.tick();
  EXPECT_EQ(primary.publishing(), "");
}

// ---- in every stage -----------------------------------------------------------------------------

void bring_to(const std::string& stage, Primary& primary) {
  primary.connect('b', 10);
  if (stage == "following") return;
  if (stage == "joining") primary.write_quietly(11);
  primary.tick();
  if (stage == "joining" || stage == "publishing") return;
  primary.publish();
  if (stage == "synchronous") return;
  primary.lose('b');
  primary.tick(seconds(1));
}

TEST(SyncSet, AConnectionMayEndAndReturnInEveryStage) {
  for (const char* stage : {"following", "joining", "publishing", "synchronous", "leaving"}) {
    for (const std::uint64_t has : {4U, 10U, 12U}) {
      SCOPED_TRACE(testing::Message() << stage << " has " << has);
      Primary primary;
      bring_to(stage, primary);
      if (has < 10) primary.forgetful_ = "b";
      primary.lose('b');
      primary.connect('b', has);
      primary.tick();
      primary.publish_all();
      primary.write(12);
      primary.forgetful_ = "";
      primary.flush('b', 12);
      primary.tick();
      primary.publish_all();
      primary.tick();
      primary.publish_all();
      EXPECT_EQ(primary.s(), "b");
      EXPECT_EQ(primary.acked(), 12U);
    }
  }
}

TEST(SyncSet, KeepsItsPromisesInRandomOrders) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Primary primary(seed % 2 == 0 ? SyncSet::Options{} : strict());
    std::uint64_t tid = Primary::kBegin;
    std::map<char, std::uint64_t> has;
    for (int i = 0; i < 400; ++i) {
      const char name = static_cast<char>('b' + random() % 3);
      const bool there = has.contains(name);
      switch (random() % 8) {
        case 0:
        case 1:
          primary.write(++tid);
          break;
        case 2:
          if (there) primary.lose(name);
          has.erase(name);
          break;
        case 3:
        case 4:
          if (there) primary.flush(name, has[name] = std::min(tid, has[name] + random() % 4));
          break;
        case 5:
          primary.tick(milliseconds(random() % 1500));
          break;
        case 6:
          if (primary.publishing()) primary.publish();
          break;
        default:
          if (!there) primary.connect(name, has[name] = tid);
      }
      if (testing::Test::HasFailure()) return;
    }
    for (const char name : {'b', 'c', 'd'}) {
      primary.connect(name, tid);
    }
    for (int i = 0; i < 3; ++i) {
      primary.tick();
      primary.publish_all();
    }
    EXPECT_EQ(primary.s(), "bcd") << "all come in when all is well";
    EXPECT_EQ(primary.acked(), tid);
  }
}

}  // namespace
}  // namespace zeolite::replication
