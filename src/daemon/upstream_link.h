#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "blobs/blob_directory.h"
#include "daemon/standby_applier.h"
#include "net/address.h"
#include "net/framed_connection.h"
#include "net/io_shard.h"
#include "replication/node_actions.h"

namespace zeolite::daemon {

// A standby's connection to the node it follows: connects, cuts frames, takes in blobs. While the
// disk has no room for a piece of one, nothing more is read; then it goes on with it.
// One object a try; closed by its owner or by the other side, and then done.
// Thread: the replication shard's. Owner: shared by the ReplicationService and its own operations.
class UpstreamLink final : public net::FramedConnection::Handler,
                           public std::enable_shared_from_this<UpstreamLink> {
 public:
  struct Events {
    std::function<void()> connected;
    std::function<void(replication::UpstreamMessage)> message;
    std::function<void(wire::Message)> checkpoint;  // its messages, which the node does not know
    // With each piece of a blob: that there is no room for it, and it waits; or nothing: there is.
    std::function<void(const std::optional<Error>& why)> starved;
    std::function<void(const std::string& why)> lost;  // once; also when connecting failed
  };
  // `blobs` may be null.
  UpstreamLink(net::IoShard& shard, blobs::BlobDirectory* blobs, Events events);
  ~UpstreamLink() override;

  void connect(const net::HostPort& address, Duration timeout);
  template <typename M>
  void send(const M& message) {
    if (socket_) socket_->send(message, 0);
  }
  // The blobs of the group, which came before it.
  [[nodiscard]] std::vector<StandbyApplier::ReceivedBlob> take_blobs(
      const wire::ReplicaAppend& group);
  void pause_reading();
  void resume_reading();
  // Whether bytes have come since it was asked last; also while none are read.
  [[nodiscard]] bool moves();
  // At every tick.
  void check_progress(Instant now);
  // No event is told any more.
  void close(const std::string& why);

 private:
  using Key = std::pair<Oid, Tid>;
  struct Incoming {
    std::shared_ptr<blobs::StagedBlob> file;
    std::uint64_t written = 0;
    std::uint64_t size = 0;
  };

  void on_frame(wire::Frame frame) override;
  void on_closed(const Error& why) override;
  void on_socket(boost::asio::ip::tcp::socket socket);
  void on_blob(wire::ReplicaBlob piece);
  void take_in(const wire::ReplicaBlob& piece);
  void fail(std::string why);

  net::IoShard& shard_;
  blobs::BlobDirectory* const blobs_;
  Events events_;
  bool over_ = false;
  boost::asio::ip::tcp::resolver resolver_;
  std::shared_ptr<boost::asio::ip::tcp::socket> connecting_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<net::FramedConnection> socket_;
  std::map<Key, Incoming> incoming_;
  std::optional<wire::ReplicaBlob> waiting_piece_;  // for space; nothing is read meanwhile
  Instant try_at_{};                                // whether there is some
  bool paused_ = false;                             // by pause_reading()
  std::uint64_t seen_bytes_ = 0;                    // by moves()
};

}  // namespace zeolite::daemon
