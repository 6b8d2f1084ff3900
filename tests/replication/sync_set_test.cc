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

#include "replication/sync_set_harness.h"

namespace zeolite::replication {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

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

TEST(SyncSet, StrictTellsWhenNobodyIsThereAndWhenSomebodyIsAgain) {
  Primary primary(strict());
  primary.tick();
  EXPECT_TRUE(primary.blocked()) << "from the beginning";
  primary.join('b');
  primary.tick();
  EXPECT_FALSE(primary.blocked());
  primary.lose('b');
  EXPECT_FALSE(primary.blocked()) << "it may be back at once";
  primary.tick();
  EXPECT_TRUE(primary.blocked());
  primary.connect('b', 10);
  primary.tick();
  EXPECT_FALSE(primary.blocked());
}

TEST(SyncSet, RelaxedIsNeverBlocked) {
  Primary primary;
  primary.tick();
  EXPECT_FALSE(primary.blocked());
}

TEST(SyncSet, TellsForHowLongCommitsWaitedForOneThatIsLetGo) {
  Primary primary;
  primary.join('b');
  primary.tick(seconds(5));
  primary.lose('b');
  primary.tick(seconds(5));
  primary.publish_all();
  EXPECT_EQ(primary.q(), "");
  EXPECT_EQ(primary.delayed(), Duration(0)) << "there were no commits";
  primary.join('c');
  primary.write(11);
  primary.tick(milliseconds(2999));
  EXPECT_EQ(primary.publishing(), std::nullopt);
  primary.tick(milliseconds(1));
  primary.publish_all();
  EXPECT_EQ(primary.q(), "");
  EXPECT_EQ(primary.delayed(), seconds(3));
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

TEST(SyncSet, OfOneThatComesBackCountsWhatItHasNow) {
  Primary primary;
  primary.join('b');
  primary.join('c');
  primary.write(20);
  primary.flush('b', 18);
  primary.flush('c', 12);
  primary.lose('b');
  primary.connect('b', 14);
  primary.flush('c', 20);
  EXPECT_EQ(primary.acked(), 14U);
}

TEST(SyncSet, StrictDoesNotGoOnAloneWhenTheLastLostWhatItHad) {
  Primary primary(strict());
  primary.join('b');
  primary.write(20);
  primary.flush('b', 20);
  primary.lose('b');
  primary.forgetful_ = "b";
  primary.connect('b', 15);
  primary.tick();
  primary.publish_all();
  ASSERT_EQ(primary.s(), "");
  EXPECT_TRUE(primary.waiting());
  primary.write(21);
  EXPECT_EQ(primary.acked(), 20U);
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
