#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/controlled_store.h"
#include "daemon/native_connection.h"
#include "daemon/shard_hub.h"
#include "daemon/storage_engine.h"
#include "net/loopback_peer.h"
#include "storage/last_told.h"

namespace zeolite::daemon {

// One storage on one shard, or more, with real connections to it, to one shard after the other; the
// test's thread plays the clients.
class HubTest : public ::testing::Test {
 protected:
  // `record_cache_bytes`: of each hub; zero: it keeps no records.
  explicit HubTest(std::size_t record_cache_bytes = 0, std::size_t shards = 1) {
    for (std::size_t more = 1; more < shards; ++more) {
      more_shards_.push_back(std::make_unique<net::IoShard>("hub-test"));
    }
    config_.node_name = "alpha";
    environment_.config = &config_;
    environment_.clock = &clock_;
    environment_.log = [](LogLevel, std::string_view) {};
    environment_.staged = &*staged_;
    environment_.buffers = &buffers_;
    environment_.find_hub = [this](std::size_t shard, const std::string& storage) {
      return storage == "main" ? &hub(shard) : nullptr;
    };
    environment_.ended = [this](std::size_t, commit::OwnerId owner) {
      const std::lock_guard lock(connections_mutex_);
      connections_.erase(owner);
      closed_.pass();
    };
    hub_environment_.read_pool = &pool_;
    hub_environment_.long_reads = &long_reads_;
    hub_environment_.blob_pool = &blob_pool_;
    hub_environment_.check_pool = &pool_;
    hub_environment_.checks = &checks_;
    hub_environment_.body_max = 1 << 20;
    hub_environment_.record_cache_bytes = record_cache_bytes;
    hub_environment_.fill_status = [](wire::StatusReport& report) { report.node = "alpha"; };
    StorageEngine::Options options;
    options.name = "main";
    options.shards = shards;
    engine_ = StorageEngine::start(
                  std::move(options), std::make_unique<ControlledStore>(control_), clock_,
                  [this](std::size_t shard) { wake(shard); },
                  [](Error why) { ADD_FAILURE() << why.detail; })
                  .value();
    make_hubs();
  }
  ~HubTest() override {
    control_->append.open();
    control_->disk_read.open();
    control_->log_read.open();
    control_->log_back.open();
    control_->revision.open();
    pool_.join();
    close_all(connections_);
    blob_pool_.join();
    for (std::size_t i = 0; i < shards(); ++i) shard(i).stop();
    for (std::size_t i = 0; i < shards(); ++i) shard(i).join();
    engine_.reset();
  }

  // The engine has something for the shard; held back, or before there is a hub, it is not told.
  void wake(std::size_t shard) {
    if (held_wakes_ == shard) {
      woken_.pass();
    } else if (hub_) {
      hub(shard).wake();
    }
  }
  void make_hubs() {
    const Tid last_told = storage::last_told_tid(engine_->store());
    hub_ = std::make_unique<ShardHub>(shard_, 0, *engine_, hub_environment_, last_told);
    for (std::size_t i = 1; i < shards(); ++i) {
      more_hubs_.push_back(std::make_unique<ShardHub>(*more_shards_[i - 1], i, *engine_,
                                                      hub_environment_, last_told));
    }
  }
  [[nodiscard]] std::size_t shards() const { return 1 + more_shards_.size(); }
  [[nodiscard]] net::IoShard& shard(std::size_t i) {
    return i == 0 ? shard_ : *more_shards_[i - 1];
  }
  [[nodiscard]] ShardHub& hub(std::size_t i) { return i == 0 ? *hub_ : *more_hubs_[i - 1]; }
  // The shard that the connection has to be on.
  [[nodiscard]] std::size_t shard_of(commit::OwnerId owner) const { return owner % shards(); }

  // One turn of shard number `i`; all that was posted to it before has run when this returns.
  template <typename F>
  void run_on(std::size_t i, F function) {
    shard(i).run(std::move(function));
    shard(i).run([] {});  // what that posted
  }
  // One turn of each shard, `function` on the first.
  template <typename F>
  void run(F function) {
    run_on(0, std::move(function));
    for (std::size_t i = 1; i < shards(); ++i) run_on(i, [] {});
  }

  template <typename Connection>
  void close_all(const std::map<commit::OwnerId, std::shared_ptr<Connection>>& connections) {
    std::map<commit::OwnerId, std::shared_ptr<Connection>> open;
    {
      const std::lock_guard lock(connections_mutex_);
      open = connections;
    }
    for (const auto& [owner, connection] : open) {
      run_on(shard_of(owner), [&connection] {
        connection->close(Error{ErrorCode::shutting_down, "the test is over"});
      });
    }
  }

  // Before anything is staged.
  void limit_staged(std::uint64_t bytes) {
    staged_.emplace(bytes);
    environment_.staged = &*staged_;
  }

  // A connection that has said nothing yet.
  net::Peer dial() {
    const commit::OwnerId owner = ++opened_;
    const std::size_t i = shard_of(owner);
    net::SocketPair pair = net::SocketPair::make(shard(i).context(), peer_context_);
    run_on(i, [&] {
      auto connection = std::make_shared<NativeConnection>(environment_, shard(i), i, owner,
                                                           std::move(pair.near));
      {
        const std::lock_guard lock(connections_mutex_);
        connections_.emplace(owner, connection);
      }
      connection->start();
    });
    return net::Peer(std::move(pair.far));
  }
  static wire::Hello hello() {
    wire::Hello hello;
    hello.session.fill(1);
    return hello;
  }
  // Of a client whose cache is right up to there.
  static wire::Hello hello_at(Tid tid) {
    wire::Hello warm = hello();
    warm.cache.tid = tid;
    return warm;
  }
  net::Peer connect(const wire::Hello& message = hello()) {
    net::Peer peer = dial();
    peer.send(message, 1);
    peer.expect<wire::Welcome>(1);
    return peer;
  }

  wire::Commit change(std::uint64_t number, std::uint64_t oid, Tid base = kNoTid) const {
    wire::Commit commit;
    commit.number = number;
    commit.begun = engine_->visible();
    commit.writes.push_back(
        {Oid(oid), base, RevisionKind::data, Bytes(std::to_string(number) + " of the object")});
    return commit;
  }
  // Commits and takes the answer.
  Tid commit(net::Peer& peer, std::uint64_t number, std::uint64_t oid, Tid base = kNoTid) const {
    peer.send(change(number, oid, base), 100);
    return peer.expect<wire::Committed>(100).tid;
  }
  // What was sent before has been taken when the pong comes.
  static Tid settle(net::Peer& peer) {
    peer.send(wire::Ping{}, 999);
    return peer.expect<wire::Pong>(999).visible;
  }

  std::shared_ptr<StoreControl> control_ = std::make_shared<StoreControl>();
  ManualClock clock_;
  ServerConfig config_;
  std::optional<net::SharedBudget> staged_{std::in_place, config_.staged_bytes_max};
  net::SharedBudget buffers_{config_.buffers_max};
  Gate closed_;  // counts connections that ended
  ConnectionEnvironment environment_;
  ShardHub::Environment hub_environment_;
  CheckSlot checks_;
  std::atomic<std::size_t> held_wakes_ = SIZE_MAX;  // the shard
  Gate woken_;                                      // counts wakes that are held
  boost::asio::thread_pool pool_{2};
  LongReads long_reads_{pool_};
  boost::asio::thread_pool blob_pool_{2};
  boost::asio::io_context peer_context_;
  net::IoShard shard_{"hub-test"};  // the first
  std::vector<std::unique_ptr<net::IoShard>> more_shards_;
  std::unique_ptr<StorageEngine> engine_;
  std::unique_ptr<ShardHub> hub_;  // of the first shard
  std::vector<std::unique_ptr<ShardHub>> more_hubs_;
  std::mutex connections_mutex_;
  // Changed by the shards, with the mutex.
  std::map<commit::OwnerId, std::shared_ptr<NativeConnection>> connections_;
  commit::OwnerId opened_ = 0;
};

}  // namespace zeolite::daemon
