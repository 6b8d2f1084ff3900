#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace zeolite::cluster_test {

// The command line of history_client.
struct Arguments {
  std::string connect;  // host:port,...
  std::string storage = "main";
  std::string out;
  std::string workload;  // append, bank or fork; empty with `final`
  bool final = false;    // dump what is there
  bool init = false;     // make the workload's objects first
  bool reads_standby = false;
  std::uint64_t seconds = 10;
  std::uint64_t clients = 4;
  std::uint64_t seed = 1;
};

// Nothing when it cannot be understood.
[[nodiscard]] std::optional<Arguments> parse_arguments(int argc, char** argv);

}  // namespace zeolite::cluster_test
