#include "sim/simulation.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string>

namespace zeolite::sim {
namespace {

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::stoull(text);
}

// ZEOLITE_SIM_SEED=n shows what happens in one run; ZEOLITE_SIM_FROM and ZEOLITE_SIM_SEEDS choose
// which are run.
TEST(Simulation, KeepsWhatItPromised) {
  if (const std::uint64_t seed = setting("ZEOLITE_SIM_SEED", 0); seed != 0) {
    const auto report = Simulation({.seed = seed, .shown = true}).run();
    EXPECT_FALSE(report.violation) << *report.violation << "\nfaults: " << report.faults;
    return;
  }
  const std::uint64_t from = setting("ZEOLITE_SIM_FROM", 1);
  const std::uint64_t count = setting("ZEOLITE_SIM_SEEDS", 2000);
  std::size_t commits = 0;
  std::uint64_t events = 0;
  std::uint64_t epochs = 0;
  Duration time{};
  for (std::uint64_t seed = from; seed < from + count; ++seed) {
    const auto report = Simulation({.seed = seed}).run();
    commits += report.commits;
    events += report.events;
    epochs += report.epochs;
    time += report.time;
    if (report.violation) {
      ADD_FAILURE() << "seed " << seed << ": " << *report.violation
                    << "\nfaults: " << report.faults;
    }
  }
  std::cout << count << " runs: " << events << " events, " << commits << " commits, " << epochs
            << " epochs, " << std::chrono::duration_cast<std::chrono::minutes>(time).count()
            << " simulated minutes\n";
}

TEST(Simulation, IsTheSameForTheSameSeed) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto one = Simulation({.seed = seed}).run();
    const auto other = Simulation({.seed = seed}).run();
    EXPECT_EQ(one.hash, other.hash) << "seed " << seed;
    EXPECT_EQ(one.events, other.events);
  }
}

}  // namespace
}  // namespace zeolite::sim
