// Stores a greeting, reads it back, and shows what a second reader sees.
// Usage: hello [ADDRESS,ADDRESS...]      a server: zeolite serve --data var/hello

#include <cstdio>
#include <string>

#include "zeolite/zeolite.h"

namespace zdb = zeolite::client;

int main(int argc, char** argv) {
  try {
    // [connect]
    zdb::Options options;
    options.addresses = {argc > 1 ? argv[1] : "127.0.0.1:8090"};
    options.label = "hello";
    zdb::Client client(options);  // connects in the background
    client.wait_connected();
    // [connect]

    // [write]
    zdb::Transaction transaction = client.begin();
    const zdb::Oid greeting = transaction.new_oid();
    transaction.store(greeting, std::string("Hello, world"));
    transaction.set_description("say hello");
    const zdb::Tid tid = transaction.commit();
    // [write]
    std::printf("object %s committed at %s\n", to_string(greeting).c_str(), to_string(tid).c_str());

    // [snapshot]
    zdb::Transaction reader = client.begin();
    zdb::run_transaction(client, [&](zdb::Transaction& other) {
      other.store(greeting, other.load(greeting).str() + "!");
    });
    // The reader's snapshot is from before that; a new transaction sees it.
    std::printf("reader: %s\n", reader.load(greeting).str().c_str());
    std::printf("now:    %s\n", client.begin().load(greeting).str().c_str());
    // [snapshot]
    return 0;
  } catch (const zdb::Error& error) {
    std::fprintf(stderr, "hello: %s\n", error.what());
    return 1;
  }
}
