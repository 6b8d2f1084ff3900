#include "daemon/upstream_link.h"

#include <boost/asio/connect.hpp>
#include <type_traits>
#include <utility>
#include <variant>

namespace zeolite::daemon {
namespace {

using boost::asio::ip::tcp;

// Longest group that is taken. The largest transaction there can be (record_bytes.h) takes half of
// it, or, if all its objects are tiny, nearly all.
constexpr std::size_t kBodyMax = 2'000'000'000;
constexpr std::size_t kOutboundMax = 16 << 20;

template <typename T>
constexpr bool kIsForNode =
    std::is_same_v<T, wire::ReplicaWelcome> || std::is_same_v<T, wire::ReplicaAppend> ||
    std::is_same_v<T, wire::ReplicaHeartbeat> || std::is_same_v<T, wire::StaleEpoch> ||
    std::is_same_v<T, wire::Handover>;

}  // namespace

UpstreamLink::UpstreamLink(net::IoShard& shard, blobs::BlobDirectory* blobs, Events events)
    : shard_(shard),
      blobs_(blobs),
      events_(std::move(events)),
      resolver_(shard.context()),
      timer_(shard.context()) {}

UpstreamLink::~UpstreamLink() {
  if (socket_) socket_->detach();
}

void UpstreamLink::connect(const net::HostPort& address, Duration timeout) {
  timer_.expires_after(timeout);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& cancelled) {
    if (!cancelled && !self->socket_) self->fail("no connection in time");
  });
  resolver_.async_resolve(
      address.host, std::to_string(address.port),
      [self = shared_from_this()](const boost::system::error_code& error,
                                  const tcp::resolver::results_type& endpoints) {
        if (self->over_) return;
        if (error) {
          self->fail(error.message());
          return;
        }
        self->connecting_ = std::make_shared<tcp::socket>(self->shard_.context());
        boost::asio::async_connect(
            *self->connecting_, endpoints,
            [self](const boost::system::error_code& failed, const tcp::endpoint& /*to*/) {
              if (self->over_) return;
              if (failed) {
                self->fail(failed.message());
              } else {
                self->on_socket(std::move(*self->connecting_));
              }
            });
      });
}

void UpstreamLink::on_socket(tcp::socket socket) {
  timer_.cancel();
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  net::FramedConnection::Limits limits;
  limits.body_max = kBodyMax;
  limits.outbound_max = kOutboundMax;
  socket_ = std::make_shared<net::FramedConnection>(
      shard_, std::move(socket), static_cast<net::FramedConnection::Handler&>(*this), limits);
  socket_->start();
  if (!over_) events_.connected();
}

void UpstreamLink::on_frame(wire::Frame frame) {
  const std::shared_ptr<UpstreamLink> self = shared_from_this();
  Result<wire::Message> message = wire::decode(frame);
  if (!message) {
    fail(message.error().detail);
    return;
  }
  std::visit(
      [&]<typename T>(T& content) {
        if constexpr (kIsForNode<T>) {
          events_.message(std::move(content));
        } else if constexpr (std::is_same_v<T, wire::ReplicaBlob>) {
          on_blob(std::move(content));
        } else if constexpr (std::is_same_v<T, wire::CheckpointBegin> ||
                             std::is_same_v<T, wire::CheckpointChunk>) {
          events_.checkpoint(wire::Message(std::move(content)));
        } else if constexpr (std::is_same_v<T, wire::ErrorReply>) {
          fail(content.error.detail);
        } else {
          fail("it sent a message that is not for standbys");
        }
      },
      *message);
}

void UpstreamLink::on_blob(wire::ReplicaBlob piece) {
  if (blobs_ == nullptr) {
    fail("it has blobs, and this storage is set to keep none");
    return;
  }
  Result<> room = blobs_->check_space(piece.data.size());
  if (!room && room.error().code == ErrorCode::out_of_space) {
    // Hung up on, it would send all of the blob again, and that until there is room.
    waiting_piece_ = std::move(piece);
    socket_->pause_reading();
    events_.starved(std::move(room).error());
    return;
  }
  events_.starved(std::nullopt);
  take_in(piece);
}

// Pieces come in order, one blob after the other.
void UpstreamLink::take_in(const wire::ReplicaBlob& piece) {
  Incoming& incoming = incoming_[{piece.oid, piece.tid}];
  if (piece.offset == 0) {
    Result<blobs::StagedBlob> staged = blobs_->stage();
    if (!staged) {
      fail(staged.error().detail);
      return;
    }
    incoming = {std::make_shared<blobs::StagedBlob>(*std::move(staged)), 0, piece.size};
  }
  const bool fits = incoming.file && piece.offset == incoming.written &&
                    piece.size == incoming.size &&
                    piece.data.size() <= incoming.size - piece.offset;
  if (!fits) {
    fail("it sent a piece of a blob out of order");
    return;
  }
  if (Result<> written = incoming.file->append(piece.data.view()); !written) {
    fail(written.error().detail);
    return;
  }
  incoming.written += piece.data.size();
}

std::vector<StandbyApplier::ReceivedBlob> UpstreamLink::take_blobs(
    const wire::ReplicaAppend& group) {
  std::vector<StandbyApplier::ReceivedBlob> blobs;
  if (incoming_.empty()) return blobs;
  for (const TransactionRecord& record : group.records) {
    for (const ObjectWrite& write : record.writes) {
      const auto found = incoming_.find({write.oid, record.tid});
      if (found == incoming_.end()) continue;
      if (found->second.written == found->second.size) {
        blobs.push_back({write.oid, record.tid, std::move(found->second.file)});
      }
      incoming_.erase(found);
    }
  }
  return blobs;
}

void UpstreamLink::pause_reading() {
  paused_ = true;
  if (socket_) socket_->pause_reading();
}

void UpstreamLink::resume_reading() {
  paused_ = false;
  if (socket_ && !waiting_piece_) socket_->resume_reading();
}

bool UpstreamLink::moves() {
  if (!socket_) return false;
  const std::uint64_t received = socket_->received_bytes();
  return std::exchange(seen_bytes_, received) != received || paused_ || waiting_piece_;
}

void UpstreamLink::check_progress(Instant now) {
  const std::shared_ptr<UpstreamLink> self = shared_from_this();
  if (waiting_piece_ && !over_ && now >= try_at_) {
    try_at_ = now + kSpaceRetry;
    on_blob(*std::exchange(waiting_piece_, std::nullopt));
    if (socket_ && !waiting_piece_ && !paused_) socket_->resume_reading();
  }
  if (socket_) socket_->check_progress(now);
}

void UpstreamLink::on_closed(const Error& why) {
  if (over_) return;
  over_ = true;
  events_.lost(why.detail);
}

void UpstreamLink::fail(std::string why) {
  if (over_) return;
  over_ = true;
  timer_.cancel();
  if (socket_) {
    socket_->detach();
    socket_.reset();
  }
  boost::system::error_code ignored;
  if (connecting_) connecting_->close(ignored);
  events_.lost(why);
}

void UpstreamLink::close(const std::string& why) {
  if (over_) return;
  over_ = true;
  timer_.cancel();
  resolver_.cancel();
  boost::system::error_code ignored;
  if (connecting_) connecting_->close(ignored);
  // What was sent last, such as a refusal, still leaves.
  if (socket_) socket_->close_after_flush(Error{ErrorCode::unavailable, why});
}

}  // namespace zeolite::daemon
