#include "cli/client_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cli/fake_server.h"

namespace zeolite::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;

// Two transactions, two a reply at most; object 1 exists, 2 is deleted, 3 came later.
void answer(FakeServer::Peer& peer, std::uint32_t id, const wire::Message& message) {
  if (std::holds_alternative<wire::Hello>(message)) {
    peer.send(welcome_of(wire::NodeRole::primary), id);
  } else if (std::holds_alternative<wire::StatusQuery>(message)) {
    wire::StatusReport status;
    status.role = wire::NodeRole::primary;
    peer.send(status, id);
  } else if (const auto* load = std::get_if<wire::Load>(&message)) {
    wire::Loaded loaded;
    loaded.status = load->oid == Oid(1)   ? wire::LoadedStatus::found
                    : load->oid == Oid(2) ? wire::LoadedStatus::deleted
                    : load->oid == Oid(3) ? wire::LoadedStatus::not_yet
                                          : wire::LoadedStatus::unknown;
    loaded.data = Bytes::copy_of(load->oid == Oid(1) ? ByteView("a\0b", 3) : ByteView());
    loaded.tid = Tid(5);
    peer.send(loaded, id);
  } else if (const auto* log = std::get_if<wire::ReadLog>(&message)) {
    wire::LogReply reply;
    const std::uint64_t next = log->after.value() + 1;
    if (next <= 2) {
      reply.items.push_back({.tid = Tid(next), .metadata = {}, .objects = {}});
      reply.next_after = Tid(next);
    } else {
      reply.next_after = log->after;
      reply.end = true;
    }
    peer.send(reply, id);
  }
}

class ClientCommandsTest : public ::testing::Test {
 protected:
  ClientCommandsTest() { target_.at = {server_.address()}; }

  // Standard error of a load that does not find its object.
  std::string failed_load(Oid oid, Tid before) {
    CaptureStderr();
    EXPECT_EQ(run_load({.target = target_, .oid = oid, .before = before}), ExitCode::failed);
    return GetCapturedStderr();
  }

  FakeServer server_{answer};
  Target target_;
};

TEST_F(ClientCommandsTest, StatusPrintsTextOrJson) {
  CaptureStdout();
  EXPECT_EQ(run_status({.target = target_}), ExitCode::done);
  EXPECT_EQ(run_status({.target = target_, .json = true}), ExitCode::done);
  const std::string printed = GetCapturedStdout();
  EXPECT_THAT(printed, HasSubstr("role         primary\n"));
  EXPECT_THAT(printed, HasSubstr(R"({"role":"primary")"));
}

TEST_F(ClientCommandsTest, LoadPrintsTheBytesAlone) {
  CaptureStdout();
  EXPECT_EQ(run_load({.target = target_, .oid = Oid(1)}), ExitCode::done);
  EXPECT_EQ(GetCapturedStdout(), std::string("a\0b", 3));
}

TEST_F(ClientCommandsTest, LoadSaysWhyThereIsNothing) {
  EXPECT_THAT(failed_load(Oid(2), kMaxTid),
              HasSubstr("object 0000000000000002 was deleted by 0000000000000005"));
  EXPECT_THAT(failed_load(Oid(3), Tid(4)), HasSubstr("did not exist yet before 0000000000000004"));
  EXPECT_THAT(failed_load(Oid(4), kMaxTid), HasSubstr("object 0000000000000004 does not exist\n"));
}

TEST_F(ClientCommandsTest, LogPrintsAllRepliesInOrder) {
  CaptureStdout();
  EXPECT_EQ(run_log({.target = target_, .since = {}}), ExitCode::done);
  const std::string printed = GetCapturedStdout();
  EXPECT_LT(printed.find("0000000000000001\t"), printed.find("\n0000000000000002\t"));
  CaptureStdout();
  EXPECT_EQ(run_log({.target = target_, .since = Tid(1)}), ExitCode::done);
  EXPECT_TRUE(GetCapturedStdout().starts_with("0000000000000002\t"));
}

TEST(ClientCommands, BenchWithNothingAcknowledgedSaysWhy) {
  const FakeServer server(
      [](FakeServer::Peer& peer, std::uint32_t id, const wire::Message& message) {
        if (std::holds_alternative<wire::Ping>(message)) {
          peer.send(wire::ErrorReply{{ErrorCode::read_only, "no pings today"}}, id);
        } else {
          answer(peer, id, message);
        }
      });
  Target target;
  target.at = {server.address()};
  CaptureStdout();
  CaptureStderr();
  EXPECT_EQ(run_bench_command({.kind = BenchKind::ping, .target = target, .seconds = 0.2}),
            ExitCode::failed);
  EXPECT_THAT(GetCapturedStdout(), HasSubstr(" 0 acknowledged"));
  EXPECT_EQ(GetCapturedStderr(),
            "zeolite bench: nothing was acknowledged: read_only: no pings today\n");
}

TEST(ClientCommands, NobodyThereIsUnreachable) {
  Target target;
  {
    const FakeServer gone(answer);
    target.at = {gone.address()};
  }
  CaptureStderr();
  EXPECT_EQ(run_status({.target = target}), ExitCode::unreachable);
  EXPECT_EQ(run_bench_command({.target = target}), ExitCode::unreachable);
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("zeolite status: cannot connect to "));
}

}  // namespace
}  // namespace zeolite::cli
