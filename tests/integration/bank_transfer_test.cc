#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "integration/program.h"
#include "support/raw_client.h"

namespace zeolite::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

void wait_for_commits(std::uint16_t port, std::uint64_t count) {
  RawClient client = *RawClient::open(port, {});
  while (true) {
    const auto status = client.ask<wire::StatusReport>(wire::StatusQuery{});
    ASSERT_TRUE(status) << status.error().to_string();
    if (status->commits >= count) return;
    std::this_thread::sleep_for(milliseconds(1));
  }
}

TEST(BankTransfer, KeepsItsSumThroughKillsOfTheServer) {
  const TemporaryDirectory directory;
  ServerProcess::Options options = serve_options(directory);
  ServerProcess first(options);
  ASSERT_TRUE(first.start()) << first.standard_error();
  options.port = first.port();  // where the clients look for it again
  first.kill();
  ServerProcess server(options);
  ASSERT_TRUE(server.start()) << server.standard_error();

  ChildProcess bank(
      {BANK_TRANSFER_PROGRAM, "--at", server.address(), "--threads", "4", "--transfers", "2500"});
  wait_for_commits(server.port(), 100);  // its accounts are open
  std::mt19937 random(7);
  int kills = 0;
  std::optional<int> ended;
  while (!(ended = bank.wait(milliseconds(300 + random() % 400))) && kills < 4) {
    ++kills;
    server.kill();
    ASSERT_TRUE(server.start()) << server.standard_error();
  }
  if (!ended) ended = bank.wait(seconds(200));  // ten thousand commits, also on a slow disk
  EXPECT_EQ(ended, 0) << bank.standard_output() << bank.standard_error();
  EXPECT_GT(kills, 0);
  EXPECT_EQ(server.stop(), 0) << server.standard_error();
  EXPECT_EQ(verify(directory / "data").exit_code, 0);
}

}  // namespace
}  // namespace zeolite::testing
