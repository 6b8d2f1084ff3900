// Copies objects in coroutines: many loads are under way at once, on one thread.
// Usage: coroutine_load [ADDRESS,ADDRESS...]

#include <cstdio>
#include <string>
#include <vector>

#include "zeolite/zeolite.h"

#ifdef ZEOLITE_HAS_COROUTINES

#include <coroutine>
#include <exception>
#include <latch>

namespace zdb = zeolite::client;

namespace {

// The smallest coroutine type: it runs by itself and is never waited for. Use your framework's.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

// [coroutine]
// After the first co_await this runs on the client's own thread: it must not block there.
Detached append_mark(zdb::Client& client, zdb::Oid oid, std::latch& done) {
  try {
    zdb::Transaction transaction = client.begin();
    const zdb::Bytes bytes = co_await zdb::co_load(transaction, oid);
    transaction.store(oid, bytes.str() + "*");
    co_await zdb::co_commit(transaction);
  } catch (const zdb::Error& error) {
    std::fprintf(stderr, "%s: %s\n", to_string(oid).c_str(), error.what());
  }
  done.count_down();
}
// [coroutine]

}  // namespace

int main(int argc, char** argv) {
  try {
    zdb::Options options;
    options.addresses = {argc > 1 ? argv[1] : "127.0.0.1:8090"};
    options.label = "coroutine_load";
    options.cache_bytes = 0;  // so that every load goes over the network
    zdb::Client client(options);

    std::vector<zdb::Oid> oids;
    for (int i = 0; i < 100; ++i) oids.push_back(client.new_oid());
    zdb::run_transaction(client, [&](zdb::Transaction& transaction) {
      for (const zdb::Oid oid : oids) transaction.store(oid, std::string("object "));
    });

    std::latch done(static_cast<std::ptrdiff_t>(oids.size()));
    for (const zdb::Oid oid : oids) append_mark(client, oid, done);
    done.wait();

    client.sync();
    zdb::Transaction reader = client.begin();
    std::size_t marked = 0;
    for (const std::optional<zdb::Bytes>& bytes : reader.find_many(oids)) {
      marked += bytes && bytes->view() == "object *";
    }
    std::printf("%zu of %zu objects marked\n", marked, oids.size());
    return marked == oids.size() ? 0 : 1;
  } catch (const zdb::Error& error) {
    std::fprintf(stderr, "coroutine_load: %s\n", error.what());
    return 1;
  }
}

#else

int main() {
  std::puts("this compiler has no coroutines");
  return 0;
}

#endif
