#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "integration/program.h"

namespace zeolite::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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
  std::mt19937 random(7);
  int kills = 0;
  std::optional<int> ended;
  while (!(ended = bank.wait(milliseconds(300 + random() % 400))) && kills < 4) {
    ++kills;
    server.kill();
    ASSERT_TRUE(server.start()) << server.standard_error();
  }
  if (!ended) ended = bank.wait(seconds(60));
  EXPECT_EQ(ended, 0) << bank.standard_output() << bank.standard_error();
  EXPECT_GT(kills, 0);
  EXPECT_EQ(server.stop(), 0) << server.standard_error();
  EXPECT_EQ(verify(directory / "data").exit_code, 0);
}

}  // namespace
}  // namespace zeolite::testing
