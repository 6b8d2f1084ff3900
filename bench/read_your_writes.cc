// Commits at the primary and reads what was committed from a standby, again and again. See
// bench/README.md.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "zeolite/client.h"

namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

zeolite::client::Options options(const std::string& at) {
  zeolite::client::Options options;
  options.addresses = {at};
  options.cache_bytes = 0;
  return options;
}

// Prints the medians of the time from the primary's reply until the standby's snapshot has the
// transaction, until its record is loaded from there, and of a round trip to the standby.
void measure(const std::string& primary, const std::string& standby, int count) {
  zeolite::client::Client writer(options(primary));
  zeolite::client::Options read_options = options(standby);
  read_options.read_preference = zeolite::client::ReadPreference::standby;
  zeolite::client::Client reader(read_options);
  writer.wait_connected();
  reader.wait_connected();
  const zeolite::client::Oid oid = writer.new_oid();
  std::vector<double> synced;
  std::vector<double> loaded;
  std::vector<double> pings;
  for (int i = 0; i < count; ++i) {
    const std::string value = std::to_string(i) + std::string(300, '.');
    zeolite::client::Transaction transaction = writer.begin();
    transaction.store(oid, value);
    const zeolite::client::Tid tid = transaction.commit();
    const auto replied = Clock::now();
    reader.sync(tid);
    const auto seen = Clock::now();
    const zeolite::client::Bytes read = reader.begin().load(oid);
    loaded.push_back(Microseconds(Clock::now() - replied).count());
    synced.push_back(Microseconds(seen - replied).count());
    if (read.view() != value) throw std::runtime_error("the standby answered an old record");
    pings.push_back(Microseconds(reader.ping()).count());
  }
  std::cout << "{\"sync_p50_us\": " << median(synced) << ", \"load_p50_us\": " << median(loaded)
            << ", \"ping_p50_us\": " << median(pings) << "}\n";
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Commits at a primary and reads the same from its standby, in turns.");
  std::string primary;
  std::string standby;
  int count = 2000;
  app.add_option("--primary", primary, "HOST:PORT of its native port")->required();
  app.add_option("--standby", standby, "HOST:PORT of its native port")->required();
  app.add_option("--count", count)->check(CLI::Range(1, 1'000'000));
  CLI11_PARSE(app, argc, argv);
  try {
    measure(primary, standby, count);
  } catch (const std::exception& error) {
    std::cerr << "read_your_writes: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
