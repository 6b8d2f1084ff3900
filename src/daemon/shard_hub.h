#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/answer_bytes.h"
#include "daemon/check_slot.h"
#include "daemon/delivery.h"
#include "daemon/hub_client.h"
#include "daemon/line_waiters.h"
#include "daemon/long_reads.h"
#include "daemon/pack_service.h"
#include "daemon/storage_engine.h"
#include "daemon/zeo_status.h"
#include "invalidation/line_history.h"
#include "net/io_shard.h"
#include "server/record_cache.h"
#include "wire/messages.h"

namespace zeolite::daemon {

class ReplicationService;

// One storage as one I/O shard sees it: the line up to which the shard has been told what became
// visible, the connections that are told, and the reads made at that line.
//
// Ordering (docs/ordering.md): deliveries arrive in the engine's order and are passed on in one
// turn: to each connection the invalidations in tid order with the answer to its own commit in its
// place, then the line moves, then all other answers. A read is made at the line, or when it had
// to wait for the disk it is corrected by what was published meanwhile; so nothing a connection is
// sent is newer than the last invalidation before it, nor "current" when it was told otherwise.
//
// Thread: the shard's, except wake(). Owner: the server.
class ShardHub {
 public:
  // What the hubs of all shards share.
  struct Environment {
    boost::asio::thread_pool* read_pool = nullptr;
    LongReads* long_reads = nullptr;                 // on the read pool
    boost::asio::thread_pool* blob_pool = nullptr;   // for what is done to files of blobs
    boost::asio::thread_pool* check_pool = nullptr;  // for verify
    CheckSlot* checks = nullptr;                     // one verify at a time
    std::size_t body_max = 0;                        // largest answer of the native protocol
    std::size_t record_cache_bytes = 0;              // of one hub
    // A ZEO client that missed more transactions than this drops its cache.
    std::size_t invalidations_max = SIZE_MAX;
    ReplicationService* replication = nullptr;  // null: this server does not replicate
    bool zeo_pack_gc = true;                    // packs that ZEO clients start collect garbage
    // What ZEO's monitoring is told of a storage, by all shards together.
    std::function<ZeoStatus(const StorageEngine& engine)> zeo_status;
    // Packs the hub's storage; `done` is called on its shard.
    std::function<void(ShardHub& hub, const PackService::Request& request, PackService::Done done)>
        pack;
    // Fills in what the server as a whole knows: node, version, clients, loads, uptime.
    std::function<void(wire::StatusReport&)> fill_status;
  };
  // `last_told`: storage::last_told_tid() of the engine's store, the same for all its hubs.
  ShardHub(net::IoShard& shard, std::size_t shard_index, StorageEngine& engine,
           const Environment& environment, Tid last_told);

  // Makes the shard take its deliveries soon. Any thread.
  void wake();
  // Runs `function` on the shard's thread. Any thread.
  template <typename F>
  void post(F function) {
    shard_.post(std::move(function));
  }
  // Carries out what waits. Before each request, so that its answer reflects all that was
  // acknowledged before it was sent.
  void take_deliveries();

  // Registers a connection: from now on it is told what becomes visible above line().
  void add(std::shared_ptr<HubClient> client);
  void remove(HubClient& client);

  // The newest revision of `oid` below `before`, as of the line, as far as it is in memory: error
  // unavailable when the disk must be asked. Counted as a load.
  [[nodiscard]] Result<storage::Loaded> load_from_memory(Oid oid, Tid before);

  // Whether a read tells what is current, and must be told what was published while it was made.
  enum class Pin : std::uint8_t {
    no,
    line
  };
  // Runs `work(store, line)` on `pool`, one of the environment's, then on the shard `done(result,
  // line)` with the line it was made at. `client` is kept until then.
  template <typename Work, typename Done>
  void run_on(boost::asio::thread_pool& pool, std::shared_ptr<HubClient> client, Pin pin, Work work,
              Done done) {
    if (pin == Pin::line) history_.pin(line_);
    client->read_began();
    std::make_shared<PoolRead<Work, Done>>(*this, pool, std::move(client), pin, std::move(work),
                                           std::move(done))
        ->post();
  }
  // The same on the pool of those that wait for the disk.
  template <typename Work, typename Done>
  void read_on_pool(std::shared_ptr<HubClient> client, Pin pin, Work work, Done done) {
    run_on(*environment_.read_pool, std::move(client), pin, std::move(work), std::move(done));
  }
  // The same for what may take long: in turns (LongReads). `work(store, line)` does a part, and
  // gives nothing until it has the result, which then waits until there is room for it. When
  // `client` closes before, `done` is not called.
  template <typename Work, typename Done>
  void read_in_turns(std::shared_ptr<HubClient> client, Pin pin, Work work, Done done) {
    if (pin == Pin::line) history_.pin(line_);
    client->read_began();
    const commit::OwnerId owner = client->owner();
    const auto read = std::make_shared<TurnRead<Work, Done>>(*this, std::move(client), pin,
                                                             std::move(work), std::move(done));
    environment_.long_reads->add(owner, [read] { return read->take_turn(); });
  }

  // In `done` of a pinned read of `line`: what it called current may have ended since.
  void correct_end(Oid oid, Tid line, storage::Loaded& loaded) const;
  // The same: an object that it did not find was created since; read it again.
  [[nodiscard]] bool created_since(Oid oid, Tid line, storage::LoadStatus status) const;
  // The same: what was published since, added to `oids`; the number of transactions that did it.
  std::size_t published_since(Tid line, std::vector<Oid>& oids) const {
    return history_.collect_after(line, oids);
  }
  // Remembers a record that was read at `line` and is current as of line().
  void remember(Oid oid, const storage::Loaded& loaded, Tid line);

  // Calls `done(true)` once line() is at least `at_least`, `done(false)` if it is not in time. Not
  // at all when `client` is removed before. `client` is kept until then.
  void await(std::shared_ptr<HubClient> client, Tid at_least, Duration timeout,
             LineWaiters::Done done);

  // Connections registered with this hub. Any thread.
  [[nodiscard]] std::size_t clients() const { return clients_.load(std::memory_order_relaxed); }
  // Records were packed away: the connections are told. Any thread.
  void packed();

  void count_loads(std::size_t n) { loads_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] wire::StatusReport status() const;
  [[nodiscard]] const Environment& environment() const { return environment_; }

  [[nodiscard]] Tid line() const { return line_; }
  // What ZEO clients are told is the last transaction (storage/last_told.h), at or below the line;
  // kNoTid when there is none.
  [[nodiscard]] Tid last_told() const { return last_told_; }
  [[nodiscard]] StorageEngine& engine() const { return engine_; }
  // Objects asked for since the start. Any thread.
  [[nodiscard]] std::uint64_t loads() const { return loads_.load(std::memory_order_relaxed); }

 private:
  using Published = std::vector<commit::CommitEffects::Publish>;

  void forget(commit::OwnerId owner);
  void set_attended(bool attended);
  // Calls `tell(connection)` for each; what that does may close connections.
  template <typename Tell>
  void for_each_connection(Tell tell) {
    walking_ = true;
    for (const auto& [owner, connection] : connections_) tell(*connection);
    walking_ = false;
    for (const commit::OwnerId owner : std::exchange(closed_while_walking_, {})) forget(owner);
  }

  void carry_out(Delivery delivery);
  void publish(const Published& published, std::vector<commit::CommitEffects::Reply>& replies);
  // What of the server's own records matters here.
  void note_own(const commit::CommitEffects::Publish& published);
  void answer(commit::CommitEffects::Reply reply);
  static void answer_committed(HubClient& client, Tid tid,
                               const std::vector<commit::CommitEffects::Reply*>& committed);

  // A read made elsewhere. When there is no room for its answer it is dropped, and made again when
  // there is: so little is held for a client that asks for much.
  template <typename Work, typename Done>
  struct PoolRead : std::enable_shared_from_this<PoolRead<Work, Done>> {
    PoolRead(ShardHub& of, boost::asio::thread_pool& on, std::shared_ptr<HubClient> by, Pin how,
             Work what, Done then)
        : hub(of),
          pool(on),
          client(std::move(by)),
          pin(how),
          line(of.line_),
          work(std::move(what)),
          done(std::move(then)) {}

    void post() {
      boost::asio::post(pool, [self = this->shared_from_this()] { self->run(); });
    }
    void run() {
      if (!waited && client->crowded()) {
        wait();
        return;
      }
      auto result = work(hub.engine_.store(), line);
      const std::size_t bytes = answer_bytes(result);
      if (bytes > 0 && !client->take_room(bytes)) {
        wait();
        return;
      }
      hub.shard_.post(
          [self = this->shared_from_this(), bytes, result = std::move(result)]() mutable {
            self->done(std::move(result), self->line);
            if (self->pin == Pin::line) self->hub.history_.unpin(self->line);
            self->client->read_ended(bytes);
          });
    }
    void wait() {
      waited = true;
      hub.shard_.post(
          [self = this->shared_from_this()] { self->client->when_room([self] { self->post(); }); });
    }

    ShardHub& hub;
    boost::asio::thread_pool& pool;
    std::shared_ptr<HubClient> client;
    Pin pin;
    Tid line;
    Work work;
    Done done;
    bool waited = false;
  };

  // A read made in turns. Its work may have state, so what it found is kept.
  template <typename Work, typename Done>
  struct TurnRead : std::enable_shared_from_this<TurnRead<Work, Done>> {
    TurnRead(ShardHub& of, std::shared_ptr<HubClient> by, Pin how, Work what, Done then)
        : hub(of),
          client(std::move(by)),
          pin(how),
          line(of.line_),
          work(std::move(what)),
          done(std::move(then)) {}

    LongReads::Turn take_turn() {
      if (client->gone()) {
        end(0, false);
        return LongReads::Turn::done;
      }
      if (!found) found = work(hub.engine_.store(), line);
      if (!found) return LongReads::Turn::more;
      const std::size_t bytes = answer_bytes(*found);
      if (bytes > 0 && !client->take_room(bytes)) {
        hub.shard_.post([self = this->shared_from_this()] {
          self->client->when_room(
              [self] { self->hub.environment_.long_reads->resume(self->client->owner()); });
        });
        return LongReads::Turn::paused;
      }
      end(bytes, true);
      return LongReads::Turn::done;
    }
    void end(std::size_t room, bool tell) {
      hub.shard_.post([self = this->shared_from_this(), room, tell] {
        if (tell) self->done(*std::move(self->found), self->line);
        if (self->pin == Pin::line) self->hub.history_.unpin(self->line);
        self->client->read_ended(room);
      });
    }

    ShardHub& hub;
    std::shared_ptr<HubClient> client;
    Pin pin;
    Tid line;
    Work work;
    Done done;
    std::invoke_result_t<Work&, const storage::ObjectStore&, Tid> found;
  };

  net::IoShard& shard_;
  std::size_t shard_index_;
  StorageEngine& engine_;
  const Environment& environment_;
  Tid line_;
  Tid last_told_;
  invalidation::LineHistory history_;
  server::RecordCache records_;  // all current at line_
  Tid packed_line_{};            // where the last pack ended: what was read before may be gone
  LineWaiters waiters_;
  std::unordered_map<commit::OwnerId, std::shared_ptr<HubClient>> connections_;
  std::size_t subscribers_ = 0;  // of connections_, those that want invalidations
  // for_each_connection() is walking connections_, and these closed meanwhile.
  bool walking_ = false;
  bool removed_ = false;  // the pack that is under way has removed something
  std::vector<commit::OwnerId> closed_while_walking_;
  std::atomic<std::uint64_t> loads_ = 0;
  std::atomic<std::size_t> clients_ = 0;
};

}  // namespace zeolite::daemon
