// Prints the storage's transactions, oldest first, and then each new one as it is committed.
// Usage: log_follow [--once] [ADDRESS,ADDRESS...]      --once: stop at the end of the log

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "zeolite/zeolite.h"

namespace zdb = zeolite::client;

namespace {

void print(const zdb::LogEntry& entry) {
  std::printf("%s  %3zu objects  %s  %s\n", to_string(entry.tid).c_str(), entry.objects.size(),
              entry.user.c_str(), entry.description.c_str());
}

// [follow]
void follow(zdb::Client& client, bool once) {
  zdb::Tid after;
  while (true) {
    const zdb::Tid seen = client.snapshot();
    const zdb::LogPage page = client.read_log(after);
    for (const zdb::LogEntry& entry : page.entries) print(entry);
    after = page.next_after;
    if (!page.end) continue;
    if (once) return;
    // The server tells every commit, so waiting costs nothing. What was committed after `seen` may
    // be in the page already, or not: then there is no wait.
    while (!client.wait_for(zdb::Tid{seen.value + 1}, std::chrono::minutes(1))) {
    }
  }
}
// [follow]

}  // namespace

int main(int argc, char** argv) {
  zdb::Options options;
  options.label = "log_follow";
  options.cache_bytes = 0;
  bool once = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--once") == 0) {
      once = true;
    } else {
      options.addresses = {argv[i]};
    }
  }
  try {
    zdb::Client client(options);
    client.sync();
    follow(client, once);
    return 0;
  } catch (const zdb::Error& error) {
    std::fprintf(stderr, "log_follow: %s\n", error.what());
    return 1;
  }
}
