#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <future>
#include <map>
#include <memory>
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

namespace zeolite::daemon {

// One storage on one shard with real connections to it; the test's thread plays the clients.
class HubTest : public ::testing::Test {
 protected:
  // `record_cache_bytes`: of the hub; zero: it keeps no records.
  explicit HubTest(std::size_t record_cache_bytes = 0) {
    config_.node_name = "alpha";
    environment_.config = &config_;
    environment_.clock = &clock_;
    environment_.log = [](LogLevel, std::string_view) {};
    environment_.staged = &*staged_;
    environment_.buffers = &buffers_;
    environment_.find_hub = [this](std::size_t, const std::string& storage) {
      return storage == "main" ? hub_.get() : nullptr;
    };
    environment_.ended = [this](std::size_t, commit::OwnerId owner) {
      connections_.erase(owner);
      closed_.pass();
    };
    hub_environment_.read_pool = &pool_;
    hub_environment_.check_pool = &pool_;
    hub_environment_.stop_checks = &stop_checks_;
    hub_environment_.body_max = 1 << 20;
    hub_environment_.record_cache_bytes = record_cache_bytes;
    hub_environment_.fill_status = [](wire::StatusReport& report) { report.node = "alpha"; };
    StorageEngine::Options options;
    options.name = "main";
    engine_ =
        StorageEngine::start(
            std::move(options), std::make_unique<ControlledStore>(control_), clock_,
            [this](std::size_t) { hub_->wake(); }, [](Error why) { ADD_FAILURE() << why.detail; })
            .value();
    hub_ = std::make_unique<ShardHub>(shard_, 0, *engine_, hub_environment_);
  }
  ~HubTest() override {
    control_->append.open();
    control_->disk_read.open();
    control_->log_read.open();
    pool_.join();
    run([this] {
      for (const auto& [owner, connection] : std::map(connections_)) {
        connection->close(Error{ErrorCode::shutting_down, "the test is over"});
      }
    });
    shard_.stop();
    shard_.join();
    engine_.reset();
  }

  // One turn of the shard; all that was posted before it has run when this returns.
  template <typename F>
  void run(F function) {
    std::promise<void> done;
    shard_.post([&] {
      function();
      shard_.post([&] { done.set_value(); });
    });
    done.get_future().wait();
  }

  // Before anything is staged.
  void limit_staged(std::uint64_t bytes) {
    staged_.emplace(bytes);
    environment_.staged = &*staged_;
  }

  // A connection that has said nothing yet.
  net::Peer dial() {
    net::SocketPair pair = net::SocketPair::make(shard_.context(), peer_context_);
    run([&] {
      const commit::OwnerId owner = ++opened_;
      auto connection =
          std::make_shared<NativeConnection>(environment_, shard_, 0, owner, std::move(pair.near));
      connections_.emplace(owner, connection);
      connection->start();
    });
    return net::Peer(std::move(pair.far));
  }
  static wire::Hello hello() {
    wire::Hello hello;
    hello.session.fill(1);
    return hello;
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
  std::atomic<bool> stop_checks_ = false;
  boost::asio::thread_pool pool_{2};
  boost::asio::io_context peer_context_;
  net::IoShard shard_{"hub-test"};
  std::unique_ptr<StorageEngine> engine_;
  std::unique_ptr<ShardHub> hub_;
  std::map<commit::OwnerId, std::shared_ptr<NativeConnection>> connections_;  // the shard's
  commit::OwnerId opened_ = 0;
};

}  // namespace zeolite::daemon
