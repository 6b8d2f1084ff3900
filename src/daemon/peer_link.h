#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/checkpoint_sender.h"
#include "daemon/log_feed.h"
#include "net/framed_connection.h"
#include "replication/node_actions.h"

namespace zeolite::daemon {

// A standby's connection at the node it follows: its frames, and the log or the copy it is sent.
// Thread: the replication shard's. Owner: shared by the ReplicationService and its own operations.
class PeerLink final : public net::FramedConnection::Handler,
                       public std::enable_shared_from_this<PeerLink> {
 public:
  // What ended it: its connection, or that this server cannot serve it, which it was told.
  enum class Fault : std::uint8_t {
    connection,
    here,
  };
  struct Events {
    std::function<void(wire::ReplicaHello)> hello;
    std::function<void(wire::ReplicaAck)> ack;
    std::function<void(wire::StaleEpoch)> stale;
    std::function<void(const std::string& why, Fault fault)> lost;  // once
  };
  PeerLink(LogFeed::Environment feed, CheckpointSender::Environment checkpoint, net::Socket socket,
           Events events);
  ~PeerLink() override;

  void start();
  template <typename M>
  void send(const M& message) {
    socket_->send(message, 0);
  }
  // Has the system send at once, as far as it takes it, what would leave at the end of the turn.
  void flush() { socket_->flush(); }
  // From now on everything after `after` is sent.
  void feed(Tid after);
  // There may be more to send.
  void pump();
  [[nodiscard]] bool fed() const { return feed_ != nullptr; }
  // How much of a copy of the database was confirmed, of a hundred; nothing: none is being sent.
  [[nodiscard]] std::optional<int> copied_percent() const;
  void check_progress(Instant now);
  // Closes when what was sent is written; no event is told any more.
  void close(const std::string& why);

 private:
  void on_frame(wire::Frame frame) override;
  void on_drained() override;
  void on_closed(const Error& why) override;
  void stop_sending();
  void fail(std::string why);

  const LogFeed::Environment feed_environment_;
  const CheckpointSender::Environment checkpoint_environment_;
  Events events_;
  bool over_ = false;
  std::shared_ptr<net::FramedConnection> socket_;
  std::shared_ptr<LogFeed> feed_;
  std::shared_ptr<CheckpointSender> checkpoint_;
};

}  // namespace zeolite::daemon
