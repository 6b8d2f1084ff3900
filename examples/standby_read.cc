// Commits at the primary, and reads what was committed from a standby.
// Usage: standby_read [ADDRESS,ADDRESS...]      of the servers of one cluster

#include <chrono>
#include <cstdio>
#include <string>

#include "zeolite/zeolite.h"

namespace zdb = zeolite::client;

int main(int argc, char** argv) {
  try {
    zdb::Options options;
    options.addresses = {argc > 1 ? argv[1] : "127.0.0.1:8090"};
    options.label = "standby_read";
    zdb::Client writer(options);
    // [standby]
    options.read_preference = zdb::ReadPreference::standby;
    options.max_staleness = std::chrono::seconds(10);
    zdb::Client reader(options);
    // [standby]

    zdb::Transaction transaction = writer.begin();
    const zdb::Oid note = transaction.new_oid();
    transaction.store(note, std::string("written at the primary"));
    // [sync]
    const zdb::Tid written = transaction.commit();
    reader.sync(written);  // waits until the server it reads from has that
    std::printf("%s\n", reader.begin().load(note).str().c_str());
    // [sync]
    return 0;
  } catch (const zdb::Error& error) {
    std::fprintf(stderr, "standby_read: %s\n", error.what());
    return 1;
  }
}
