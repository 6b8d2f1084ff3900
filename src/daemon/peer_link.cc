#include "daemon/peer_link.h"

#include <type_traits>
#include <utility>
#include <variant>

namespace zeolite::daemon {
namespace {

// Standbys send nothing that is long.
constexpr std::size_t kBodyMax = 64 * 1024;
// Above what a feed leaves unsent, with room for its largest group.
constexpr std::size_t kOutboundMax = std::size_t{4} << 30;

}  // namespace

PeerLink::PeerLink(LogFeed::Environment feed, CheckpointSender::Environment checkpoint,
                   net::Socket socket, Events events)
    : feed_environment_(std::move(feed)),
      checkpoint_environment_(std::move(checkpoint)),
      events_(std::move(events)) {
  net::FramedConnection::Limits limits;
  limits.body_max = kBodyMax;
  limits.outbound_max = kOutboundMax;
  socket_ = std::make_shared<net::FramedConnection>(
      *feed_environment_.shard, std::move(socket),
      static_cast<net::FramedConnection::Handler&>(*this), limits);
}

PeerLink::~PeerLink() {
  stop_sending();
  socket_->detach();
}

void PeerLink::start() { socket_->start(); }

void PeerLink::feed(Tid after) {
  stop_sending();
  feed_ = std::make_shared<LogFeed>(feed_environment_, socket_, after,
                                    [this](const Error& why) { fail(why.detail); });
  feed_->pump();
}

void PeerLink::pump() {
  if (feed_) feed_->pump();
}

std::optional<int> PeerLink::copied_percent() const {
  return checkpoint_ ? std::optional(checkpoint_->percent()) : std::nullopt;
}

void PeerLink::check_progress(Instant now) { socket_->check_progress(now); }

void PeerLink::on_frame(wire::Frame frame) {
  const std::shared_ptr<PeerLink> self = shared_from_this();
  Result<wire::Message> message = wire::decode(frame);
  if (!message) {
    fail(message.error().detail);
    return;
  }
  std::visit(
      [&]<typename T>(T& content) {
        if constexpr (std::is_same_v<T, wire::ReplicaHello>) {
          stop_sending();
          events_.hello(std::move(content));
        } else if constexpr (std::is_same_v<T, wire::ReplicaAck>) {
          events_.ack(content);
        } else if constexpr (std::is_same_v<T, wire::StaleEpoch>) {
          events_.stale(std::move(content));
        } else if constexpr (std::is_same_v<T, wire::CheckpointRequest>) {
          stop_sending();
          checkpoint_ = std::make_shared<CheckpointSender>(
              checkpoint_environment_, socket_, [this](const Error& why) { fail(why.detail); });
          checkpoint_->start(content);
        } else if constexpr (std::is_same_v<T, wire::CheckpointAck>) {
          if (checkpoint_) checkpoint_->on_ack(content);
        } else {
          fail("a standby sent a message that is not for it to send");
        }
      },
      *message);
}

void PeerLink::on_drained() {
  pump();
  if (checkpoint_) checkpoint_->pump();
}

void PeerLink::stop_sending() {
  if (feed_) feed_->stop();
  feed_.reset();
  if (checkpoint_) checkpoint_->stop();
  checkpoint_.reset();
}

void PeerLink::on_closed(const Error& why) {
  stop_sending();
  if (over_) return;
  over_ = true;
  events_.lost(why.detail, Fault::connection);
}

void PeerLink::fail(std::string why) {
  if (over_) return;
  over_ = true;
  stop_sending();
  const Error error{ErrorCode::unavailable, why};
  socket_->send(wire::ErrorReply{error}, 0);
  socket_->close_after_flush(error);
  events_.lost(why, Fault::here);
}

void PeerLink::close(const std::string& why) {
  if (over_) return;
  over_ = true;
  stop_sending();
  socket_->close_after_flush(Error{ErrorCode::unavailable, why});
}

}  // namespace zeolite::daemon
