#include "cli/native_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

#include "cli/fake_server.h"

namespace zeolite::cli {
namespace {

using ::testing::HasSubstr;

// Welcomes everyone in a role, answers pings, hangs up on a status query, ignores the rest.
FakeServer::OnMessage in_role(wire::NodeRole role) {
  return [role](FakeServer::Peer& peer, std::uint32_t id, const wire::Message& message) {
    if (std::holds_alternative<wire::Hello>(message)) {
      peer.send(welcome_of(role), id);
    } else if (const auto* ping = std::get_if<wire::Ping>(&message)) {
      peer.send(wire::Pong{ping->payload, {}}, id);
    } else if (std::holds_alternative<wire::StatusQuery>(message)) {
      peer.hang_up();
    } else if (std::holds_alternative<wire::NewOids>(message)) {
      peer.send(wire::ErrorReply{{ErrorCode::read_only, "no"}}, id);
    } else if (std::holds_alternative<wire::Load>(message)) {
      peer.send(wire::Invalidate{.tid = Tid(7), .oids = {}}, 0);
    }
  };
}

Target target_of(const std::vector<const FakeServer*>& servers) {
  Target target;
  target.at.clear();
  for (const FakeServer* server : servers) target.at.push_back(server->address());
  return target;
}

TEST(NativeSession, AsksAndAnswers) {
  const FakeServer server(in_role(wire::NodeRole::primary));
  const auto session = NativeSession::open(target_of({&server}), {});
  ASSERT_TRUE(session) << session.error().detail;
  EXPECT_EQ((*session)->welcome().node, "fake");
  const auto pong = (*session)->ask<wire::Pong>(wire::Ping{Bytes::copy_of("x")});
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->payload.view(), "x");
}

TEST(NativeSession, SeveralRequestsCanBeUnderWay) {
  const FakeServer server(in_role(wire::NodeRole::primary));
  const auto session = NativeSession::open(target_of({&server}), {});
  ASSERT_TRUE(session);
  const std::uint32_t one = (*session)->start(wire::Ping{Bytes::copy_of("one")});
  const std::uint32_t two = (*session)->start(wire::Ping{Bytes::copy_of("two")});
  const auto asked = (*session)->ask<wire::Pong>(wire::Ping{Bytes::copy_of("three")});
  const auto second = (*session)->finish<wire::Pong>(two);
  const auto first = (*session)->finish<wire::Pong>(one);
  ASSERT_TRUE(asked && second && first);
  EXPECT_EQ(first->payload.view(), "one");
  EXPECT_EQ(second->payload.view(), "two");
  EXPECT_EQ(asked->payload.view(), "three");
}

TEST(NativeSession, FindsThePrimaryAmongSeveral) {
  const FakeServer standby(in_role(wire::NodeRole::standby));
  const FakeServer primary(in_role(wire::NodeRole::primary));
  const auto session = NativeSession::open(target_of({&standby, &primary}), {});
  ASSERT_TRUE(session);
  EXPECT_EQ((*session)->welcome().role, wire::NodeRole::primary);
}

// Refuses those that do not read from a standby, and names a primary.
FakeServer::OnMessage standby_of(std::string leader) {
  return [leader = std::move(leader)](FakeServer::Peer& peer, std::uint32_t id,
                                      const wire::Message& message) {
    const auto* hello = std::get_if<wire::Hello>(&message);
    if (hello != nullptr && hello->accepts_standby) {
      peer.send(welcome_of(wire::NodeRole::standby), id);
    } else if (hello != nullptr) {
      peer.send(wire::ErrorReply{{ErrorCode::not_primary, "a standby"}, leader}, id);
    }
  };
}

TEST(NativeSession, GoesWhereAStandbySaysThePrimaryIs) {
  const FakeServer primary(in_role(wire::NodeRole::primary));
  const FakeServer standby(standby_of(primary.address().to_string()));
  const auto session = NativeSession::open(target_of({&standby}), {.primary_only = true});
  ASSERT_TRUE(session) << session.error().detail;
  EXPECT_EQ((*session)->welcome().role, wire::NodeRole::primary);
}

TEST(NativeSession, AskedAloneAStandbyAnswersForItself) {
  const FakeServer primary(in_role(wire::NodeRole::primary));
  const FakeServer standby(standby_of(primary.address().to_string()));
  const auto session = NativeSession::open(target_of({&standby}), {});
  ASSERT_TRUE(session) << session.error().detail;
  EXPECT_EQ((*session)->welcome().role, wire::NodeRole::standby);
}

TEST(NativeSession, StandbysThatNameEachOtherAreNotFollowedForEver) {
  // Neither can name the other before it has a port: both name a third that is gone.
  std::string gone;
  {
    const FakeServer third(in_role(wire::NodeRole::primary));
    gone = third.address().to_string();
  }
  const FakeServer a(standby_of(gone));
  const FakeServer b(standby_of(a.address().to_string()));
  const auto refused = NativeSession::open(target_of({&b, &a}), {.primary_only = true});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::not_primary);
  const auto session = NativeSession::open(target_of({&b, &a}), {});
  ASSERT_TRUE(session) << session.error().detail;
  EXPECT_EQ((*session)->welcome().role, wire::NodeRole::standby);
}

TEST(NativeSession, AHintThatLeadsNowhereIsLeft) {
  for (const char* hint : {"", "nowhere:at all", "127.0.0.1:1"}) {
    const FakeServer standby(standby_of(hint));
    const auto refused = NativeSession::open(target_of({&standby}), {.primary_only = true});
    ASSERT_FALSE(refused);
  }
}

TEST(NativeSession, TakesAStandbyWhenNoneIsPrimary) {
  const FakeServer a(in_role(wire::NodeRole::standby));
  const FakeServer b(in_role(wire::NodeRole::starting));
  EXPECT_TRUE(NativeSession::open(target_of({&a, &b}), {}));
  EXPECT_TRUE(NativeSession::open(target_of({&a}), {}));
  const auto refused = NativeSession::open(target_of({&a, &b}), {.primary_only = true});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::not_primary);
}

TEST(NativeSession, NobodyThereIsUnreachableAndSaysWhere) {
  Target target;
  {
    const FakeServer gone(in_role(wire::NodeRole::primary));
    target = target_of({&gone});
  }
  const auto session = NativeSession::open(target, {});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::unavailable);
  EXPECT_THAT(session.error().detail, HasSubstr(target.at[0].to_string()));
  EXPECT_THAT(session.error().detail, HasSubstr("is the server running there?"));
}

TEST(NativeSession, AServerThatDoesNotGreetTimesOut) {
  const FakeServer mute([](auto&&...) {});
  Target target = target_of({&mute});
  target.timeout = std::chrono::milliseconds(20);
  const auto session = NativeSession::open(target, {});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::timeout);
  EXPECT_THAT(session.error().detail, HasSubstr(target.at[0].to_string()));
}

TEST(NativeSession, ARefusalKeepsItsReason) {
  const FakeServer server([](FakeServer::Peer& peer, std::uint32_t id, const wire::Message&) {
    peer.send(wire::ErrorReply{{ErrorCode::not_found, "no such storage"}}, id);
  });
  const auto session = NativeSession::open(target_of({&server}), {});
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::not_found);
  EXPECT_THAT(session.error().detail, HasSubstr("no such storage"));
}

TEST(NativeSession, ErrorsTimeoutsAndLossesAreTold) {
  const FakeServer server(in_role(wire::NodeRole::primary));
  const auto session = NativeSession::open(target_of({&server}), {});
  ASSERT_TRUE(session);
  EXPECT_EQ((*session)->ask<wire::Oids>(wire::NewOids{}).error().code, ErrorCode::read_only);
  EXPECT_EQ((*session)->ask<wire::Pong>(wire::Walk{}, std::chrono::milliseconds(5)).error().code,
            ErrorCode::timeout);
  EXPECT_EQ((*session)->ask<wire::Oids>(wire::Ping{}).error().code, ErrorCode::protocol_error);
  EXPECT_EQ((*session)->ask<wire::StatusReport>(wire::StatusQuery{}).error().code,
            ErrorCode::unavailable);
  EXPECT_EQ((*session)->wait_for_news({}).error().code, ErrorCode::unavailable);
}

TEST(NativeSession, NewsWakeWhoWaitsForThem) {
  const FakeServer server(in_role(wire::NodeRole::primary));
  const auto session = NativeSession::open(target_of({&server}), {.wants_invalidations = true});
  ASSERT_TRUE(session);
  EXPECT_FALSE((*session)->ask<wire::Loaded>(wire::Load{}, std::chrono::milliseconds(1)));
  EXPECT_EQ((*session)->wait_for_news(Tid(6)), Tid(7));
}

}  // namespace
}  // namespace zeolite::cli
