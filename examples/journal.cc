// Adds entries to a journal without a pause and prints each when it is acknowledged, whatever
// becomes of the servers meanwhile; afterwards it is shown that each of them is there.
// Usage: journal add ADDRESS,... WRITERS     until standard input ends; a line for each entry:
//                                            monotonic microseconds, its oid, its tid
//        journal check ADDRESS,...           reads such lines; prints how many are missing
// Exit code: 0 done, 1 failed or entries are missing, 2 usage.

#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "zeolite/zeolite.h"

namespace zdb = zeolite::client;

namespace {

zdb::Options options(const char* addresses) {
  zdb::Options options;
  options.addresses = {addresses};
  options.label = "journal";
  return options;
}

std::string text_of(zdb::Oid entry) { return "entry " + to_string(entry); }

// [add]
// False: nobody can tell whether the entry was added.
bool add(zdb::Client& client) {
  const zdb::Oid entry = client.new_oid();
  try {
    const zdb::Tid tid = zdb::run_transaction(
        client, [&](zdb::Transaction& transaction) { transaction.store(entry, text_of(entry)); });
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    // One write of one line: the threads' lines do not mix.
    std::printf("%" PRId64 " %s %s\n",
                std::int64_t{std::chrono::duration_cast<std::chrono::microseconds>(now).count()},
                to_string(entry).c_str(), to_string(tid).c_str());
    std::fflush(stdout);
    return true;
  } catch (const zdb::OutcomeUnknownError&) {
    return false;
  }
}
// [add]

int add_entries(const char* addresses, int writers) {
  zdb::Client client(options(addresses));
  std::atomic<bool> stopping{false};
  std::atomic<int> unknown{0};
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < writers; ++i) {
    threads.emplace_back([&] {
      try {
        while (!stopping) unknown += add(client) ? 0 : 1;
      } catch (const zdb::Error& error) {
        std::fprintf(stderr, "journal: %s\n", error.what());
        ++failures;
      }
    });
  }
  while (std::getchar() != EOF) {
  }
  stopping = true;
  for (std::thread& thread : threads) thread.join();
  const zdb::Stats stats = client.stats();
  std::fprintf(stderr, "journal: %" PRIu64 " answers were lost and found out, %d were not\n",
               stats.outcomes_asked, unknown.load());
  return failures == 0 ? 0 : 1;
}

int check_entries(const char* addresses) {
  zdb::Client client(options(addresses));
  int checked = 0;
  int missing = 0;
  char oid[17] = {};
  while (std::scanf("%*d %16s %*s", oid) == 1) {
    const auto entry = zdb::parse_oid(oid);
    if (!entry) {
      std::fprintf(stderr, "journal: %s is no oid\n", oid);
      return 2;
    }
    const auto found = client.begin().find(*entry);
    ++checked;
    if (found && found->view() == text_of(*entry)) continue;
    ++missing;
    std::fprintf(stderr, "journal: entry %s is %s\n", oid, found ? "wrong" : "missing");
  }
  std::printf("%d entries looked up, %d missing\n", checked, missing);
  return missing == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const int writers = argc == 4 ? std::atoi(argv[3]) : 0;
  try {
    if (what == "add" && writers > 0) return add_entries(argv[2], writers);
    if (what == "check" && argc == 3) return check_entries(argv[2]);
  } catch (const zdb::Error& error) {
    std::fprintf(stderr, "journal: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr, "usage: journal add ADDRESS,... WRITERS | journal check ADDRESS,...\n");
  return 2;
}
