#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/delivery.h"
#include "daemon/storage_engine.h"
#include "invalidation/line_history.h"
#include "net/io_shard.h"
#include "server/native_session.h"
#include "server/record_cache.h"

namespace zeolite::daemon {

class NativeConnection;

// Appends the invalidate frame of a batch; several for one with very many oids.
void encode_invalidation(const invalidation::InvalidationBatch& batch, std::string& out);

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
    boost::asio::thread_pool* check_pool = nullptr;  // for verify
    const std::atomic<bool>* stop_checks = nullptr;  // ends a running verify
    std::size_t body_max = 0;                        // largest answer
    std::size_t record_cache_bytes = 0;              // of one hub
    // Fills in what the server as a whole knows: node, version, clients, loads, uptime.
    std::function<void(wire::StatusReport&)> fill_status;
  };
  ShardHub(net::IoShard& shard, std::size_t shard_index, StorageEngine& engine,
           const Environment& environment);

  // Makes the shard take its deliveries soon. Any thread.
  void wake();
  // Carries out what waits. Before each request, so that its answer reflects all that was
  // acknowledged before it was sent.
  void take_deliveries();

  // Registers a connection: from now on it is told what becomes visible above line().
  void add(std::shared_ptr<NativeConnection> connection);
  void remove(NativeConnection& connection);

  // Answers a read request of `connection`, now or when the disk has answered.
  void read(const std::shared_ptr<NativeConnection>& connection, server::SessionEffects::Read read);

  // Brings a cache at `from` up to the present line: sends the invalidations in between to the
  // connection, then calls its caught_up(). Reads the log on the pool.
  void catch_up(const std::shared_ptr<NativeConnection>& connection, const Position& from);

  [[nodiscard]] Tid line() const { return line_; }
  [[nodiscard]] StorageEngine& engine() { return engine_; }
  // Objects asked for since the start. Any thread.
  [[nodiscard]] std::uint64_t loads() const { return loads_.load(std::memory_order_relaxed); }

 private:
  using Published = std::vector<commit::CommitEffects::Publish>;

  void carry_out(Delivery delivery);
  void publish(const Published& published, std::vector<commit::CommitEffects::Reply>& replies);
  void answer(commit::CommitEffects::Reply reply);
  static void answer_committed(NativeConnection& connection, Tid tid,
                               const std::vector<commit::CommitEffects::Reply*>& committed);
  void read_on_pool(const std::shared_ptr<NativeConnection>& connection,
                    server::SessionEffects::Read read);
  [[nodiscard]] Result<wire::Message> read_from_disk(const server::SessionEffects::Read& read,
                                                     Tid line) const;
  void finish_read(NativeConnection& connection, Tid line, const server::SessionEffects::Read& read,
                   Result<wire::Message> answer);
  // The answer to a load as far as memory has it; else error unavailable.
  [[nodiscard]] Result<wire::Loaded> load_from_memory(const wire::Load& load);
  [[nodiscard]] wire::StatusReport status() const;

  net::IoShard& shard_;
  std::size_t shard_index_;
  StorageEngine& engine_;
  const Environment& environment_;
  Tid line_;
  invalidation::LineHistory history_;
  server::RecordCache records_;  // all current at line_
  std::unordered_map<commit::OwnerId, std::shared_ptr<NativeConnection>> connections_;
  std::size_t subscribers_ = 0;  // of connections_, those that want invalidations
  // publish() is walking connections_, and these closed meanwhile.
  bool publishing_ = false;
  std::vector<commit::OwnerId> closed_while_publishing_;
  std::atomic<std::uint64_t> loads_ = 0;
};

}  // namespace zeolite::daemon
