#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/config.h"
#include "daemon/server.h"
#include "invalidation/subscription.h"
#include "net/framed_connection.h"
#include "server/native_session.h"

namespace zeolite::daemon {

class ShardHub;

// What all connections of the server share.
struct ConnectionEnvironment {
  const ServerConfig* config = nullptr;
  const Clock* clock = nullptr;
  LogSink log;
  // The hub of a storage on the calling shard; null when there is no storage of that name.
  std::function<ShardHub*(std::size_t shard, const std::string& storage)> find_hub;
  net::SharedBudget* staged = nullptr;   // held by unfinished transactions
  net::SharedBudget* buffers = nullptr;  // of slow peers: unsent output, unfinished frames
  // The connection is closed and may be forgotten.
  std::function<void(std::size_t shard, commit::OwnerId)> ended;
};

// A client on the native port: its socket, its session, and the arrows between them and the hub.
// Thread: its shard's. Owner: shared by the server's register, its hub and reads under way.
class NativeConnection final : public net::FramedConnection::Handler,
                               public std::enable_shared_from_this<NativeConnection> {
 public:
  NativeConnection(ConnectionEnvironment& environment, net::IoShard& shard, std::size_t shard_index,
                   commit::OwnerId owner, net::Socket socket);
  ~NativeConnection() override;

  void start();

  // From the hub
  // ----------------------------------------------------------------------------------- A message
  // for the client, outside of the session's state.
  template <typename M>
  void send(const M& message, std::uint32_t request_id) {
    socket_->send(message, request_id);
  }
  // An answer of the coordinator.
  void on_reply(commit::CommitEffects::Reply reply);
  // A batch became visible; `frame` is its encoding. `own`: committed by this connection, whose
  // answer follows in place of the invalidation. Only for connections that want invalidations.
  void offer(const invalidation::BatchPtr& batch, const std::string& frame, bool own);
  // Encoded frames as they are.
  void send_frames(const std::string& frames) { socket_->send_encoded(frames); }
  // A read of this connection waits for the disk, or has been answered.
  void read_began();
  void read_ended();
  // The catch-up is complete.
  void caught_up(bool cache_valid);

  // From the server
  // --------------------------------------------------------------------------------
  void close(Error why);
  // Tells the client why, then closes.
  void end(Error why);
  // About every second: closes peers that do not move on.
  void check_progress(Instant now);

  [[nodiscard]] commit::OwnerId owner() const { return session_.owner(); }
  [[nodiscard]] bool wants_invalidations() const { return session_.hello().wants_invalidations; }

 private:
  void on_frame(wire::Frame frame) override;
  void on_drained() override;
  void on_closed(const Error& why) override;
  void run(server::SessionEffects& effects);
  void attach(const std::string& storage, server::SessionEffects& effects);
  void account_held_bytes();
  void adjust_reading();

  ConnectionEnvironment& environment_;
  net::IoShard& shard_;
  std::size_t shard_index_;
  server::NativeSession session_;
  std::shared_ptr<net::FramedConnection> socket_;
  ShardHub* hub_ = nullptr;  // set once attached
  Instant opened_;
  Tid joined_at_;                      // the hub's line when it was attached
  std::uint64_t accounted_bytes_ = 0;  // of session_.held_bytes(), in environment_.staged
  std::size_t reads_waiting_ = 0;
  // The transaction that was being staged at the last look, and since when.
  std::optional<std::uint64_t> staging_;
  Instant staging_since_{};
  bool reading_paused_ = false;
  std::optional<invalidation::Subscription> subscription_;  // when it wants invalidations
};

}  // namespace zeolite::daemon
