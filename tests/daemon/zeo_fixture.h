#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <latch>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/hub_fixture.h"
#include "daemon/zeo_connection.h"
#include "support/temporary_directory.h"
#include "zeo/client_messages.h"
#include "zeo/sized_message_decoder.h"

namespace zeolite::daemon {

using zeo::Exception;
using zeo::Value;

// A ZEO client, spoken for by the test's own thread. All reads wait.
class ZeoPeer {
 public:
  ZeoPeer(boost::asio::ip::tcp::socket socket, zeo::Encoding encoding, std::size_t shard)
      : socket_(std::move(socket)), encoding_(encoding), shard_(shard) {}

  // The one its connection is on.
  [[nodiscard]] std::size_t shard() const { return shard_; }

  void send_bytes(ByteView bytes) {
    boost::system::error_code ignored;  // the other side may have hung up
    boost::asio::write(socket_, boost::asio::buffer(bytes.data(), bytes.size()), ignored);
  }
  void say(ByteView message) { send_bytes(zeo::sized(message)); }
  void call(const Value& id, std::string_view method, std::vector<Value> arguments = {}) {
    say(zeo::client_message(encoding_, id, false, method, std::move(arguments)).view());
  }
  void call(std::int64_t id, std::string_view method, std::vector<Value> arguments = {}) {
    call(Value(id), method, std::move(arguments));
  }
  void one_way(std::string_view method, std::vector<Value> arguments = {}) {
    say(zeo::client_message(encoding_, Value(std::int64_t{0}), true, method, std::move(arguments))
            .view());
  }

  // The next message without its length; nothing when the connection has ended.
  std::optional<Bytes> hear() {
    while (true) {
      auto message = decoder_.next();
      if (!message) {
        ADD_FAILURE() << message.error().detail;
        return std::nullopt;
      }
      if (message->has_value()) return *std::move(message);
      std::string buffer(64 * 1024, '\0');
      boost::system::error_code error;
      const std::size_t n =
          socket_.read_some(boost::asio::buffer(buffer.data(), buffer.size()), error);
      if (error) return std::nullopt;
      buffer.resize(n);
      decoder_.feed(Bytes(std::move(buffer)));
    }
  }
  zeo::ServerMessage next() {
    const std::optional<Bytes> message = hear();
    if (!message) {
      ADD_FAILURE() << "the connection has ended";
      return {};
    }
    return zeo::read_server_message(encoding_, *message);
  }
  // The next message, which must be the answer to call `id`.
  Value result(const Value& id) {
    const zeo::ServerMessage message = next();
    EXPECT_EQ(message.name, ".reply");
    EXPECT_EQ(message.id, id);
    if (message.error) ADD_FAILURE() << zeo::describe(zeo::exception_in(message));
    return message.value;
  }
  Value result(std::int64_t id) { return result(Value(id)); }
  Value ask(std::string_view method, std::vector<Value> arguments = {}) {
    call(55, method, std::move(arguments));
    return result(55);
  }
  Exception error(std::int64_t id) {
    const zeo::ServerMessage message = next();
    EXPECT_EQ(message.id, Value(id));
    return zeo::exception_in(message);
  }
  Exception ask_error(std::string_view method, std::vector<Value> arguments = {}) {
    call(56, method, std::move(arguments));
    return error(56);
  }
  // The next message, which must be this one-way message; its arguments.
  std::vector<Value> told(std::string_view name) {
    const zeo::ServerMessage message = next();
    EXPECT_EQ(message.name, name);
    EXPECT_TRUE(message.one_way);
    const auto* arguments = message.value.get<pickle::Tuple>();
    return arguments == nullptr ? std::vector<Value>() : arguments->items;
  }
  void expect_invalidation(Tid tid, const std::vector<Oid>& oids) {
    pickle::List list;
    for (const Oid oid : oids) list.items.push_back(zeo::value_of(oid));
    EXPECT_EQ(told("invalidateTransaction"),
              (std::vector<Value>{zeo::value_of(tid), Value(std::move(list))}));
  }
  bool at_end() { return !hear(); }
  void close() { socket_.close(); }
  boost::asio::ip::tcp::socket& socket() { return socket_; }

  // A transaction up to its vote.
  void begin(std::string_view user = "user", std::string_view description = "description",
             const Value& extension = zeo::dict({})) {
    one_way("tpc_begin", {kTransaction, zeo::bytes(user), zeo::bytes(description), extension,
                          zeo::none(), zeo::text(" ")});
  }
  void store(std::uint64_t oid, Tid base, std::string_view data) {
    one_way("storea", {zeo::oid(oid), zeo::value_of(base), zeo::bytes(data), kTransaction});
  }
  Value vote() { return ask("vote", {kTransaction}); }
  void send_finish() { call(57, "tpc_finish", {kTransaction}); }
  Tid finished() {
    told("info");
    const Value tid = result(57);
    const auto* bytes = tid.get<Bytes>();
    return bytes == nullptr ? kNoTid : Tid(get_u64(bytes->view().data()));
  }
  Tid finish() {
    send_finish();
    return finished();
  }
  Tid commit(std::uint64_t oid, Tid base, std::string_view data) {
    begin();
    store(oid, base, data);
    EXPECT_EQ(vote(), zeo::list({}));
    return finish();
  }

  static const inline Value kTransaction{std::int64_t{140'213'372'036'854}};

 private:
  boost::asio::ip::tcp::socket socket_;
  zeo::Encoding encoding_;
  std::size_t shard_;
  zeo::SizedMessageDecoder decoder_{std::size_t{1} << 30};
};

// A storage with blobs, to which native clients and those of the ZEO port connect.
class ZeoHubTest : public HubTest {
 protected:
  // `blobs`: without a path it is in the test's directory.
  explicit ZeoHubTest(std::size_t record_cache_bytes = 0, blobs::BlobDirectoryOptions blobs = {},
                      std::size_t shards = 1)
      : HubTest(record_cache_bytes, shards) {
    config_.storages = {{.name = "main", .directory = {}, .blobs = {}}};
    environment_.monitoring = [] { return std::string("{}"); };
    environment_.ended = [this](std::size_t, commit::OwnerId owner) {
      const std::lock_guard lock(connections_mutex_);
      connections_.erase(owner);
      zeo_connections_.erase(owner);
      closed_.pass();
    };
    environment_.log = [this](LogLevel level, std::string_view line) {
      const std::lock_guard lock(log_mutex_);
      if (level >= LogLevel::warning) warnings_.emplace_back(line);
    };
    hub_environment_.zeo_status = [this](const StorageEngine& engine) {
      ZeoStatus status;
      status.storage = engine.name();
      status.counters = engine.counters();
      status.last_transaction = engine_->store().last_transaction();
      return status;
    };
    hub_environment_.pack = [this](ShardHub& hub, const PackService::Request& request,
                                   PackService::Done done) {
      packed_ = request;
      hub.post([done = std::move(done)] { done(maintenance::PackReport{}); });
    };
    hub_.reset();
    more_hubs_.clear();
    engine_.reset();
    StorageEngine::Options options;
    options.name = "main";
    options.shards = shards;
    if (blobs.path.empty()) blobs.path = directory_ / "blobs";
    options.blobs = blobs::BlobDirectory::open(std::move(blobs)).value();
    engine_ = StorageEngine::start(
                  std::move(options), std::make_unique<ControlledStore>(control_), clock_,
                  [this](std::size_t shard) { wake(shard); },
                  [](Error why) { ADD_FAILURE() << why.detail; })
                  .value();
    make_hubs();
  }
  ~ZeoHubTest() override {
    control_->append.open();
    control_->disk_read.open();
    control_->log_read.open();
    control_->log_back.open();
    control_->revision.open();
    pool_gate_.open();
    pool_.join();
    close_all(zeo_connections_);
    blob_pool_.join();
    run([] {});
  }

  // A connection that has said nothing yet.
  ZeoPeer dial_zeo(zeo::Encoding encoding = zeo::Encoding::pickle, int far_buffer = 0) {
    ZeoPeer peer = dial_unheard(encoding, far_buffer);
    EXPECT_EQ(peer.hear()->view(), "Z5");
    return peer;
  }
  // The same, without waiting for the greeting.
  ZeoPeer dial_unheard(zeo::Encoding encoding = zeo::Encoding::pickle, int far_buffer = 0) {
    const commit::OwnerId owner = ++opened_;
    const std::size_t i = shard_of(owner);
    net::SocketPair pair = net::SocketPair::make(shard(i).context(), peer_context_, far_buffer);
    run_on(i, [&] {
      auto connection =
          std::make_shared<ZeoConnection>(environment_, shard(i), i, owner, std::move(pair.near));
      {
        const std::lock_guard lock(connections_mutex_);
        zeo_connections_.emplace(owner, connection);
      }
      connection->start();
    });
    return {std::move(pair.far), encoding, i};
  }
  ZeoPeer connect_zeo(zeo::Encoding encoding = zeo::Encoding::pickle, bool read_only = false) {
    ZeoPeer peer = dial_zeo(encoding);
    peer.say(encoding == zeo::Encoding::pickle ? "Z5" : "M5");
    peer.call(1, "register", {zeo::text("1"), Value(read_only)});
    run([] {});
    EXPECT_TRUE(peer.result(1).is<Bytes>());
    return peer;
  }

  // What becomes visible from now on is not told to the peer's shard, until a request makes it
  // look.
  void hold_wakes(const ZeoPeer& peer) { held_wakes_ = peer.shard(); }
  void release_wakes() {
    held_wakes_ = SIZE_MAX;
    for (std::size_t i = 0; i < shards(); ++i) hub(i).wake();
  }
  // The pool's threads wait: what is to be read from the disk is not read yet.
  void hold_pool() { hold(pool_); }
  // What is to be done to files of blobs is not done yet.
  void hold_blob_pool() { hold(blob_pool_); }
  void hold(boost::asio::thread_pool& pool) {
    const std::size_t before = pool_gate_.arrived();
    pool_gate_.shut();
    for (int thread = 0; thread < 2; ++thread) {
      boost::asio::post(pool, [this] { pool_gate_.pass(); });
    }
    pool_gate_.wait_for(before + 2);
  }
  // Nothing that was given to the pools before is under way any more.
  void rest_pool() {
    for (boost::asio::thread_pool* pool : {&pool_, &blob_pool_}) {
      const auto all_here = std::make_shared<std::latch>(3);  // its two threads, and this one
      for (int thread = 0; thread < 2; ++thread) {
        boost::asio::post(*pool, [all_here] { all_here->arrive_and_wait(); });
      }
      all_here->arrive_and_wait();
    }
  }

  testing::TemporaryDirectory directory_;
  std::map<commit::OwnerId, std::shared_ptr<ZeoConnection>> zeo_connections_;  // as connections_
  std::optional<PackService::Request> packed_;
  Gate pool_gate_;
  std::mutex log_mutex_;
  std::vector<std::string> warnings_;
};

}  // namespace zeolite::daemon
