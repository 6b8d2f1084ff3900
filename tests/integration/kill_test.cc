#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>

#include "integration/commit_load.h"
#include "integration/program.h"

namespace zeolite::testing {
namespace {

constexpr int kRoundsByDefault = 8;  // ZEOLITE_KILL_ROUNDS for more
constexpr int kClients = 8;

int rounds() {
  const char* const text = std::getenv("ZEOLITE_KILL_ROUNDS");
  return text == nullptr ? kRoundsByDefault : std::atoi(text);
}

unsigned seed() {
  const char* const text = std::getenv("ZEOLITE_KILL_SEED");
  return text == nullptr ? std::random_device()()
                         : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

TEST(Kill, LosesNothingAcknowledgedAndKeepsNoHalfTransaction) {
  const unsigned seed_used = seed();
  SCOPED_TRACE("ZEOLITE_KILL_SEED=" + std::to_string(seed_used));
  std::mt19937 random(seed_used);
  const auto within = [&](int low, int high) {
    return std::chrono::microseconds(
        std::uniform_int_distribution<int>(low * 1000, high * 1000)(random));
  };
  const TemporaryDirectory directory;
  ServerProcess::Options options = serve_options(directory);
  options.config = "[memory]\nmemtable = \"1 MiB\"\n";  // so that files are changed often
  ServerProcess server(options);
  CommitLoad load(kClients, 1500);
  const int count = rounds();
  for (int round = 0; round < count && !HasFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    ASSERT_TRUE(server.start()) << server.standard_error();
    load.check(server.port());
    load.start(server.port());
    // The moment of the kill is what the test is about: there is nothing to wait for.
    std::this_thread::sleep_for(within(20, 900));
    server.kill();
    load.join();
    if (round % 3 == 1) {
      // Again, while it opens.
      server.launch();
      std::this_thread::sleep_for(within(0, 120));
      server.kill();
    }
  }
  ASSERT_TRUE(server.start()) << server.standard_error();
  load.check_everything(server.port());
  EXPECT_GT(load.acknowledged(), static_cast<std::uint64_t>(count));
  server.kill();
  const ProgramResult verified = verify(directory / "data");
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.error;
}

}  // namespace
}  // namespace zeolite::testing
