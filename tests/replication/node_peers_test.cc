// The standbys that connect to a node.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "replication/node_fixture.h"

namespace zeolite::replication {
namespace {

using Decision = wire::ReplicaWelcome::Decision;
using Kind = Comparison::Kind;

class NodePeers : public NodeTest {
 protected:
  // It is told why, and the connection ends.
  void expect_reason(PeerId peer, const std::string& words) {
    const auto answer = told<wire::ReplicaWelcome>(peer);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->decision, Decision::reject);
    EXPECT_NE(answer->reason.find(words), std::string::npos) << answer->reason;
  }
  [[nodiscard]] std::size_t notes_with(const std::string& words) const {
    return static_cast<std::size_t>(std::ranges::count_if(actions, [&](const Action& action) {
      const auto* note = std::get_if<action::Note>(&action);
      return note != nullptr && note->warning && note->text.find(words) != std::string::npos;
    }));
  }
  void expect_rejected(PeerId peer, const std::string& leader) {
    const auto answer = told<wire::ReplicaWelcome>(peer);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->decision, Decision::reject);
    EXPECT_FALSE(answer->reason.empty());
    EXPECT_EQ(answer->leader, leader);
    EXPECT_TRUE(closed(peer));
    EXPECT_EQ(count<action::Compare>(), 0U);
  }
  std::optional<Decision> decision(PeerId peer) {
    const auto answer = told<wire::ReplicaWelcome>(peer);
    return answer ? std::optional(answer->decision) : std::nullopt;
  }
};

// ---- who is not fed -----------------------------------------------------------------------------

TEST_F(NodePeers, AreNotFedByWhoFollowsNobody) {
  start();
  greet(1, hello_of(kOther, at(2, 20)));
  expect_rejected(1, "");
}

TEST_F(NodePeers, AreNotFedByAStandbyThatDoesNotStream) {
  options.upstream = "h:9";
  start();
  greet(1, hello_of(kOther, at(2, 20)));
  expect_rejected(1, "h:9");
}

TEST_F(NodePeers, AreNotFedBeforeTheReignHasBegun) {
  options.leads = true;
  start();
  greet(1, hello_of(kOther, at(2, 20)));
  expect_rejected(1, "");
}

TEST_F(NodePeers, OfAnotherClusterAreRejected) {
  lead();
  auto hello = hello_of(kOther, at(2, 20), 9);
  hello.cluster_id = Id128{0xc2};
  greet(1, hello);
  expect_rejected(1, "h:1");
  EXPECT_FALSE(stepped_down()) << "any server may be told a wrong address";
}

TEST_F(NodePeers, WithoutADatabaseAreCompared) {
  lead();
  auto hello = hello_of(kOther, {});
  hello.cluster_id = {};
  greet(1, hello);
  EXPECT_EQ(last<action::Compare>().position, Position{});
}

TEST_F(NodePeers, AreNotTheNodeItself) {
  lead();
  greet(1, hello_of(kSelf, at(2, 20)));
  expect_rejected(1, "h:1");
  expect_reason(1, "remove the file NODE");
}

// Also while it feeds nobody, as when it is told to follow itself.
TEST_F(NodePeers, AreNotTheNodeItselfWhateverItDoes) {
  options.upstream = "localhost:1";
  start();
  greet(1, hello_of(kSelf, at(2, 20)));
  expect_reason(1, "this is the node itself");
}

TEST_F(NodePeers, OfACopiedDirectoryAreRejectedWhileTheOtherIsThere) {
  lead();
  attach(1, kOther, at(2, 20));
  auto copy = hello_of(kOther, at(2, 20));
  copy.address = "h:9";
  greet(2, copy);
  expect_reason(2, "one directory is a copy of the other; stop the copy, remove its file NODE");
  EXPECT_FALSE(closed(1));
  greet(2, copy);
  EXPECT_EQ(notes_with("a standby at h:9 is refused: the standby b (h:2) is connected"), 1U);
  // It is the same one, which has moved: of where it was, nothing is heard any more.
  pass(600ms);
  greet(3, copy);
  EXPECT_TRUE(closed(1));
  EXPECT_EQ(last<action::Compare>().peer, 3U);
}

// Of one process, the end of a connection may arrive after the next one's greeting; two at one
// address would drive each other out for ever.
TEST_F(NodePeers, OfACopiedDirectoryAtTheSameAddressAreRejectedWhenTheyCameInTurn) {
  lead();
  PeerId peer = 1;
  attach(peer, kOther, at(2, 20));
  for (int times = 0; times < 3; ++times) {
    attach(++peer, kOther, at(2, 20));
    EXPECT_TRUE(closed(peer - 1)) << "it has connected again";
    pass(200ms);
    ack(peer, 3, at(2, 20));
  }
  for (int times = 0; times < 60; ++times) {
    forget();
    greet(100, hello_of(kOther, at(2, 20)));
    expect_reason(100, "and this one has the same NODE file and the same address: one directory");
    EXPECT_FALSE(closed(peer));
    pass(200ms);
    ack(peer, 3, at(2, 20));
  }
  // When the other is gone, it is let in; and it may connect again as before.
  node().peer_lost(peer, now, actions);
  attach(++peer, kOther, at(2, 20));
  pass(11s);
  attach(++peer, kOther, at(2, 20));
}

TEST_F(NodePeers, OfAStorageOfAnotherNameAreRejected) {
  options.storage = "main";
  lead();
  auto hello = hello_of(kOther, at(2, 20));
  hello.storage = "other";
  greet(1, hello);
  expect_reason(1, "the storage is called 'main' here and 'other' there");
  hello.storage = "";  // of an older version
  greet(2, hello);
  EXPECT_EQ(last<action::Compare>().peer, 2U);
  hello.storage = "main";
  greet(3, hello);
  EXPECT_EQ(last<action::Compare>().peer, 3U);
}

TEST_F(NodePeers, OfOneNameAreWarnedOfOnce) {
  lead();
  attach(1, kOther, at(2, 20));
  EXPECT_EQ(count<action::Note>(), 0U);
  auto same = hello_of(kThird, at(2, 20));
  same.name = "b";
  for (const PeerId peer : {2U, 3U}) {
    greet(peer, same);
    compared(peer, Comparison::Kind::same);
  }
  EXPECT_EQ(notes_with("two nodes are called b (h:2, h:3): give each"), 1U);
}

TEST_F(NodePeers, DoNotFollowInACircle) {
  follow();
  forget();
  greet(1, hello_of(kOther, at(2, 20)));
  expect_rejected(1, "h:2");
}

// What is beyond this node's end may be the primary's, and acknowledged.
TEST_F(NodePeers, WithMoreThanAStandbyAreNotJudgedByIt) {
  follow();
  auto hello = hello_of(kThird, at(2, 25));
  greet(1, hello);
  expect_rejected(1, "h:2");
  hello.position = at(2, 20);
  hello.last = at(2, 25);
  greet(2, hello);
  expect_rejected(2, "h:2");
}

TEST_F(NodePeers, ThatPromisedLaterAreNotFedByAStandby) {
  follow();
  forget();
  greet(1, hello_of(kThird, at(2, 20), 3));
  expect_rejected(1, "h:2");
  EXPECT_FALSE(stepped_down());
}

// ---- comparing ----------------------------------------------------------------------------------

TEST_F(NodePeers, StreamFromACommonPosition) {
  lead();
  greet(1, hello_of(kOther, at(2, 20)));
  EXPECT_EQ(last<action::Compare>().position, at(2, 20));
  compared(1, Kind::same);
  const auto answer = told<wire::ReplicaWelcome>(1);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->decision, Decision::stream);
  EXPECT_EQ(answer->position, at(2, 20));
  EXPECT_EQ(answer->epoch, Epoch(3));
  EXPECT_EQ(answer->cluster_id, kCluster);
  EXPECT_EQ(answer->node, kSelf);
  EXPECT_EQ(answer->heartbeat_ms, 100U);
  EXPECT_EQ(last<action::Feed>().after, at(2, 20));
  EXPECT_LT(place<action::Feed>(), place<action::ToPeer>()) << "it is fed before it is told more";
  EXPECT_TRUE(node().peers().at(0).streaming);
}

// Else the primary would call for the undoing of what it is still syncing, and count on it.
TEST_F(NodePeers, AreComparedWhenWhatTheyWereSentIsDurableHere) {
  lead();
  greet(1, hello_of(kOther, at(3, 33), 3));
  durable_up_to(at(3, 32));
  EXPECT_EQ(count<action::Compare>(), 0U);
  durable_up_to(at(3, 33));
  ASSERT_EQ(count<action::Compare>(), 1U);
  EXPECT_EQ(last<action::Compare>().position, at(3, 33));
  durable_up_to(at(3, 34));
  EXPECT_EQ(count<action::Compare>(), 1U);
}

TEST_F(NodePeers, WithMoreOfAnEarlierReignAreComparedAtOnce) {
  lead();
  greet(1, hello_of(kOther, at(2, 33)));
  EXPECT_EQ(count<action::Compare>(), 1U);
}

TEST_F(NodePeers, AreToldTheAncestorAndGreetAgain) {
  lead();
  greet(1, hello_of(kOther, at(2, 25)));
  compared(1, Kind::ancestor, at(2, 20));
  EXPECT_EQ(decision(1), Decision::ancestor);
  EXPECT_EQ(told<wire::ReplicaWelcome>(1)->position, at(2, 20));
  EXPECT_EQ(count<action::Feed>(), 0U);
  attach(1, kOther, at(2, 20));
  EXPECT_EQ(count<action::Feed>(), 1U);
}

TEST_F(NodePeers, AreAskedForAnEarlierEpoch) {
  lead();
  greet(1, hello_of(kOther, at(2, 25)));
  compared(1, Kind::probe, at(1, 0));
  EXPECT_EQ(decision(1), Decision::probe);
  EXPECT_EQ(told<wire::ReplicaWelcome>(1)->position.epoch, Epoch(1));
  EXPECT_EQ(count<action::Feed>(), 0U);
}

// A copy would take it away without a trace.
TEST_F(NodePeers, ArchiveAndUndoWhatIsTheirOwnBeforeTheyCopyTheDatabase) {
  lead();
  greet(1, hello_of(kOther, at(2, 25)));
  compared(1, Kind::ancestor, at(2, 20), false);
  EXPECT_EQ(decision(1), Decision::ancestor);
  wire::ReplicaHello beyond = hello_of(kOther, at(2, 20));
  beyond.last = at(2, 25);
  greet(1, beyond);
  compared(1, Kind::same, at(2, 20), false);
  EXPECT_EQ(decision(1), Decision::stream) << "of what it has more it is to say that it is undone";
  EXPECT_EQ(count<action::Feed>(), 0U);
  greet(1, hello_of(kOther, at(2, 20)));
  compared(1, Kind::same, at(2, 20), false);
  EXPECT_EQ(decision(1), Decision::checkpoint);
}

TEST_F(NodePeers, CopyTheDatabaseWhenTheLogIsNotComplete) {
  lead();
  greet(1, hello_of(kOther, at(2, 20)));
  compared(1, Kind::same, at(2, 20), false);
  EXPECT_EQ(decision(1), Decision::checkpoint);
  EXPECT_EQ(count<action::Feed>(), 0U);
  EXPECT_FALSE(node().peers().at(0).streaming);
}

// The position is common, but more is to be undone first: it greets again.
TEST_F(NodePeers, AreNotFedBeyondWhatTheyHaveToUndo) {
  lead();
  auto hello = hello_of(kOther, at(2, 20));
  hello.last = at(2, 25);
  greet(1, hello);
  compared(1, Kind::same);
  EXPECT_EQ(decision(1), Decision::stream);
  EXPECT_EQ(count<action::Feed>(), 0U);
  ack(1, 3, at(3, 30));
  tick();
  EXPECT_EQ(count<action::SetWaiting>(), 0U) << "what it says before it streams does not count";
}

TEST_F(NodePeers, AreNotComparedAfterTheyLeft) {
  lead();
  greet(1, hello_of(kOther, at(2, 20)));
  node().peer_lost(1, now, actions);
  forget();
  compared(1, Kind::same);
  EXPECT_TRUE(actions.empty());
}

TEST_F(NodePeers, AreRejectedWhenTheUpstreamIsLostMeanwhile) {
  follow();
  greet(1, hello_of(kThird, at(2, 20)));
  node().upstream_lost("closed", now, actions);
  forget();
  compared(1, Kind::same);
  expect_rejected(1, "h:2");
}

TEST_F(NodePeers, WaitForTheAnswerToTheirGreeting) {
  lead();
  greet(1, hello_of(kOther, at(2, 20)));
  greet(1, hello_of(kOther, at(2, 20)));
  EXPECT_TRUE(closed(1));
  EXPECT_TRUE(node().peers().empty());
}

TEST_F(NodePeers, ThatConnectAgainReplaceTheirFormerConnection) {
  lead();
  attach(1, kOther, at(3, 30));
  greet(2, hello_of(kOther, at(3, 30)));
  EXPECT_TRUE(closed(1));
  ASSERT_EQ(node().peers().size(), 1U);
  EXPECT_EQ(node().peers()[0].peer, 2U);
}

// ---- streaming ----------------------------------------------------------------------------------

TEST_F(NodePeers, AreToldHowFarThePrimaryIs) {
  lead();
  attach_in_sync(3, at(3, 30));
  const std::uint64_t before = told<wire::ReplicaHeartbeat>(1)->sequence;
  durable_up_to(at(3, 31));
  pass(kBeat);
  const auto beat = told<wire::ReplicaHeartbeat>(1);
  EXPECT_EQ(beat->epoch, Epoch(3));
  EXPECT_EQ(beat->last, Tid(31));
  EXPECT_EQ(beat->visible, Tid(30)) << "31 is not acknowledged";
  EXPECT_TRUE(beat->in_sync);
  EXPECT_EQ(beat->sequence, before + 1);
  forget();
  ack(1, 3, at(3, 31));
  ASSERT_TRUE(told<wire::ReplicaHeartbeat>(1)) << "at once when it is";
  EXPECT_EQ(told<wire::ReplicaHeartbeat>(1)->visible, Tid(31));
}

TEST_F(NodePeers, ThatCopyTheDatabaseHearThatThisNodeIsAlive) {
  lead();
  greet(1, hello_of(kOther, at(1, 5)));
  compared(1, Kind::same, at(1, 5), false);
  ASSERT_EQ(decision(1), Decision::checkpoint);
  forget();
  pass(kBeat);
  EXPECT_TRUE(told<wire::ReplicaHeartbeat>(1));
  EXPECT_EQ(count<action::SetWaiting>(), 0U) << "it is not counted on";
}

TEST_F(NodePeers, AreLeftWhenTheyAreSilent) {
  lead();
  attach(1, kOther, at(3, 30));
  pass(options.silence_max);
  EXPECT_FALSE(closed(1));
  pass(2 * kBeat);
  EXPECT_TRUE(closed(1));
  EXPECT_TRUE(node().peers().empty());
}

TEST_F(NodePeers, OfAStandbyAreFedAndToldWhatItsReadersSee) {
  follow();
  attach(1, kThird, at(2, 20));
  EXPECT_EQ(told<wire::ReplicaWelcome>(1)->epoch, Epoch(2));
  EXPECT_EQ(last<action::Feed>().peer, 1U);
  wire::ReplicaAppend group;
  group.epoch = Epoch(2);
  group.previous = at(2, 20);
  TransactionRecord record;
  record.epoch = Epoch(2);
  record.tid = Tid(21);
  group.records.push_back(record);
  node().from_upstream(std::move(group), now, actions);
  node().appended(at(2, 21), now, actions);
  forget();
  upstream_beat(2, 21);
  EXPECT_LT(place<action::Show>(), actions.size());
  ASSERT_TRUE(told<wire::ReplicaHeartbeat>(1));
  EXPECT_EQ(told<wire::ReplicaHeartbeat>(1)->visible, Tid(21));
  EXPECT_FALSE(told<wire::ReplicaHeartbeat>(1)->in_sync) << "only the primary's may be promoted";
}

TEST_F(NodePeers, OfAStandbyAreLeftWhenItUndoesOrCopies) {
  for (const Decision decision : {Decision::ancestor, Decision::checkpoint}) {
    options.upstream = "h:2";
    forget();
    start();
    follow();
    attach(1, kThird, at(2, 20));
    node().upstream_lost("closed", now, actions);
    pass(1s);
    connect();
    welcome(decision, 2, at(1, 15));
    EXPECT_TRUE(closed(1));
    EXPECT_TRUE(node().peers().empty());
  }
}

// ---- what an acknowledgement is worth -----------------------------------------------------------

TEST_F(NodePeers, BeforeTheyObeyTheReignOnlyTellWhatTheyHave) {
  lead();
  attach(1, kOther, at(2, 20));
  ack(1, 2, at(3, 30));
  EXPECT_EQ(node().peers()[0].flushed, Tid(20));
  tick();
  EXPECT_EQ(count<action::SetWaiting>(), 0U);
  ack(1, 3, at(3, 30));
  EXPECT_EQ(node().peers()[0].flushed, Tid(30));
}

TEST_F(NodePeers, WithAnotherHistoryAreComparedAnew) {
  lead();
  attach_in_sync(3, at(3, 30));
  durable_up_to(at(3, 31));
  Position other = at(3, 31);
  other.chain[1] = 1;
  forget();
  ack(1, 3, other);
  EXPECT_TRUE(closed(1));
  EXPECT_EQ(count<action::Acknowledge>(), 0U);
}

TEST_F(NodePeers, ThatAskAnewAreNotCountedOnUntilTheyStream) {
  lead();
  attach_in_sync(3, at(3, 30));
  durable_up_to(at(3, 31));
  forget();
  greet(1, hello_of(kOther, at(3, 30), 3));
  ack(1, 3, at(3, 31));
  EXPECT_EQ(count<action::Acknowledge>(), 0U);
  compared(1, Kind::same);
  ack(1, 3, at(3, 31));
  EXPECT_EQ(count<action::Acknowledge>(), 1U);
}

}  // namespace
}  // namespace zeolite::replication
