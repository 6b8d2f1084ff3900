#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "integration/program.h"
#include "support/raw_client.h"

namespace zeolite::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(LogFollow, PrintsWhatIsThereAndThenEveryNewTransaction) {
  const TemporaryDirectory directory;
  ServerProcess server(serve_options(directory));
  ASSERT_TRUE(server.start()) << server.standard_error();
  wire::Hello hello;
  hello.session = random_session();
  RawClient client = *RawClient::open(server.port(), hello);
  auto commit = [&, number = std::uint64_t{0}]() mutable {
    wire::Commit request;
    request.number = ++number;
    request.begun = client.welcome().visible.tid;
    request.writes = {{.oid = Oid(number), .base = {}, .data = Bytes(std::string("x"))}};
    const auto committed = client.ask<wire::Committed>(request);
    EXPECT_TRUE(committed) << committed.error().to_string();
    return committed ? to_hex(committed->tid) : std::string();
  };
  const std::string before = commit();
  ChildProcess follower({ZEOLITE_PROGRAM, "log", "--follow", "--at", server.address()});
  // That the program prints is seen in its output only.
  const auto comes = [&](const std::string& tid) {
    for (const auto until = std::chrono::steady_clock::now() + seconds(10);
         follower.standard_output().find(tid + "\t") == std::string::npos;) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(milliseconds(5));
    }
    return true;
  };
  ASSERT_TRUE(comes(before)) << follower.standard_output() << follower.standard_error();
  for (int i = 0; i < 3; ++i) {
    const std::string tid = commit();
    ASSERT_TRUE(comes(tid)) << follower.standard_output() << follower.standard_error();
  }
  EXPECT_FALSE(follower.wait(milliseconds(0))) << "it follows until it is stopped";
  server.kill();
  EXPECT_EQ(follower.wait(seconds(20)), 3) << follower.standard_error();
  EXPECT_NE(follower.standard_error(), "");
}

}  // namespace
}  // namespace zeolite::testing
