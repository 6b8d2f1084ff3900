#include "net/framed_connection.h"

#include <boost/asio/buffer.hpp>
#include <utility>

namespace zeolite::net {

namespace {

// Output buffers above this are given back when they drain.
constexpr std::size_t kKeepOutputCapacity = 4096;

std::string describe_peer(const boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) return "unknown";
  const std::string host = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

}  // namespace

FramedConnection::FramedConnection(IoShard& shard, boost::asio::ip::tcp::socket socket,
                                   Handler& handler, const Limits& limits)
    : shard_(shard),
      socket_(std::move(socket)),
      handler_(&handler),
      limits_(limits),
      decoder_(limits.body_max),
      peer_(describe_peer(socket_)) {}

void FramedConnection::start() {
  boost::system::error_code error;
  socket_.non_blocking(true, error);
  if (!error) socket_.set_option(boost::asio::ip::tcp::no_delay(true), error);
  if (!error) socket_.set_option(boost::asio::socket_base::keep_alive(true), error);
  if (error) {
    close(Error{ErrorCode::io_error, "socket set-up failed: " + error.message()});
    return;
  }
  wait_readable();
}

void FramedConnection::wait_readable() {
  if (waiting_readable_ || paused_ || closing_ || closed_) return;
  waiting_readable_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_readable_ = false;
                       if (self->closed_ || self->closing_) return;
                       if (error) {
                         self->close(Error{ErrorCode::unavailable, error.message()});
                       } else {
                         self->on_readable();
                       }
                       self->shard_.end_turn();
                     });
}

void FramedConnection::on_readable() {
  if (paused_) return;  // resume_reading() waits again
  boost::system::error_code error;
  const std::size_t received =
      socket_.read_some(boost::asio::buffer(shard_.scratch(), IoShard::kScratchSize), error);
  if (error == boost::asio::error::would_block) {
    wait_readable();
    return;
  }
  if (error) {
    const bool ended = error == boost::asio::error::eof;
    close(Error{ErrorCode::unavailable,
                ended ? "the peer closed the connection" : "reading failed: " + error.message()});
    return;
  }
  decoder_.feed(Bytes::copy_of(ByteView(shard_.scratch(), received)));
  deliver_frames();
  wait_readable();
}

void FramedConnection::deliver_frames() {
  while (!closed_ && !closing_ && !paused_) {
    Result<std::optional<wire::Frame>> frame = decoder_.next();
    if (!frame) {
      // Tell the peer why before hanging up; it may be a person with the wrong program.
      send(wire::ErrorReply{frame.error()}, 0);
      close_after_flush(std::move(frame).error());
      return;
    }
    if (!frame->has_value()) return;
    ++progress_;
    handler_->on_frame(*std::move(*frame));
  }
}

void FramedConnection::output_added() {
  if (outbound() > limits_.outbound_max) {
    close(Error{ErrorCode::unavailable, "the peer does not read: " + std::to_string(outbound()) +
                                            " bytes are waiting to be sent"});
    return;
  }
  if (dirty_ || waiting_writable_) return;
  dirty_ = true;
  shard_.flush_at_end_of_turn(shared_from_this());
}

void FramedConnection::flush() {
  dirty_ = false;
  if (!closed_ && !waiting_writable_) write_some();
}

void FramedConnection::write_some() {
  while (outbound() > 0) {
    boost::system::error_code error;
    const std::size_t sent = socket_.write_some(
        boost::asio::buffer(output_.data() + written_, output_.size() - written_), error);
    written_ += sent;
    progress_ += sent;
    if (error == boost::asio::error::would_block) {
      waiting_writable_ = true;
      socket_.async_wait(boost::asio::ip::tcp::socket::wait_write,
                         [self = shared_from_this()](const boost::system::error_code& failed) {
                           self->waiting_writable_ = false;
                           if (self->closed_) return;
                           if (failed) {
                             self->close(Error{ErrorCode::unavailable, failed.message()});
                           } else {
                             self->write_some();
                           }
                           self->shard_.end_turn();
                         });
      return;
    }
    if (error) {
      close(Error{ErrorCode::unavailable, "writing failed: " + error.message()});
      return;
    }
  }
  output_.clear();
  written_ = 0;
  if (output_.capacity() > kKeepOutputCapacity) std::string().swap(output_);
  if (closing_) shutdown_socket(closing_why_);
}

void FramedConnection::close(Error why) { shutdown_socket(why); }

void FramedConnection::close_after_flush(Error why) {
  if (closed_ || closing_) return;
  closing_ = true;
  closing_why_ = std::move(why);
  if (outbound() == 0) {
    shutdown_socket(closing_why_);
  } else if (!dirty_ && !waiting_writable_) {
    dirty_ = true;
    shard_.flush_at_end_of_turn(shared_from_this());
  }
}

void FramedConnection::shutdown_socket(const Error& why) {
  if (closed_) return;
  closed_ = true;
  boost::system::error_code ignored;
  // A graceful end first, so that bytes the peer has not read are not destroyed by a reset.
  socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  std::string().swap(output_);
  written_ = 0;
  if (handler_ != nullptr) std::exchange(handler_, nullptr)->on_closed(why);
}

void FramedConnection::detach() {
  handler_ = nullptr;
  close(Error{ErrorCode::shutting_down, "detached"});
}

void FramedConnection::pause_reading() { paused_ = true; }

void FramedConnection::resume_reading() {
  if (!paused_ || closed_ || closing_) return;
  paused_ = false;
  // Frames that arrived with the last read may be waiting; deliver them in a turn of their own, so
  // that the caller's is not re-entered.
  shard_.post([self = shared_from_this()] {
    self->deliver_frames();
    self->wait_readable();
  });
}

void FramedConnection::check_progress(Instant now) {
  if (closed_) return;
  const bool stalled = outbound() > 0 || decoder_.buffered() > 0;
  if (!stalled || progress_ != progress_seen_ || !stall_seen_) {
    progress_seen_ = progress_;
    stall_seen_ = stalled;
    stalled_since_ = now;
    return;
  }
  if (now - stalled_since_ < limits_.progress_timeout) return;
  close(Error{ErrorCode::timeout, outbound() > 0 ? "the peer does not read what was sent to it"
                                                 : "a frame was begun and not completed in time"});
}

}  // namespace zeolite::net
