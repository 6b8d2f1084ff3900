#include "net/stream_connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace zeolite::net {

namespace {

// What counts as moving on within Limits::progress_timeout.
constexpr std::uint64_t kProgressBytes = 64 * 1024;
// How long a closed connection waits for the peer to take the last words.
constexpr auto kLingerTime = std::chrono::seconds(2);
// Written output above this is given back although more waits behind it.
constexpr std::size_t kWrittenMax = 64 * 1024;
// Output buffers above this are given back when they drain.
constexpr std::size_t kKeepOutputCapacity = 4096;

bool is_tcp(int family) { return family == AF_INET || family == AF_INET6; }

std::string describe_peer(const Socket& socket) {
  boost::system::error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) return "unknown";
  if (!is_tcp(endpoint.protocol().family())) return "a local process";
  boost::asio::ip::tcp::endpoint tcp;
  tcp.resize(endpoint.size());
  std::memcpy(tcp.data(), endpoint.data(), endpoint.size());
  const std::string host = tcp.address().to_string();
  const std::string port = std::to_string(tcp.port());
  return tcp.address().is_v6() ? "[" + host + "]:" + port : host + ":" + port;
}

}  // namespace

StreamConnection::StreamConnection(IoShard& shard, Socket socket, Handler& handler,
                                   const Limits& limits)
    : shard_(shard),
      socket_(std::move(socket)),
      handler_(&handler),
      limits_(limits),
      charge_(limits.buffers_shared),
      peer_(describe_peer(socket_)) {}

void StreamConnection::start() {
  boost::system::error_code error;
  socket_.non_blocking(true, error);
  const auto local = socket_.local_endpoint(error);
  if (!error && is_tcp(local.protocol().family())) {
    socket_.set_option(boost::asio::ip::tcp::no_delay(true), error);
    if (!error) socket_.set_option(boost::asio::socket_base::keep_alive(true), error);
  }
  if (error) {
    close(Error{ErrorCode::io_error, "socket set-up failed: " + error.message()});
    return;
  }
  wait_readable();
}

void StreamConnection::wait_readable() {
  if (paused_ || closing_ || closed_) return;
  if (secure_ && secure_->has_more()) {
    // The socket may be silent from now on. In a turn of its own, as others have a claim, too.
    shard_.post([self = shared_from_this()] { self->on_readable(); });
    return;
  }
  if (waiting_readable_) return;
  waiting_readable_ = true;
  socket_.async_wait(Socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_readable_ = false;
                       if (self->closed_ || self->closing_) return;
                       if (error) {
                         self->close(Error{ErrorCode::unavailable, error.message()});
                       } else {
                         self->on_readable();
                       }
                     });
}

void StreamConnection::wait_writable() {
  if (waiting_writable_) return;
  waiting_writable_ = true;
  socket_.async_wait(Socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& failed) {
                       self->waiting_writable_ = false;
                       if (self->closed_) return;
                       if (failed) {
                         self->close(Error{ErrorCode::unavailable, failed.message()});
                       } else {
                         self->on_writable();
                       }
                     });
}

void StreamConnection::on_writable() {
  flush();
  if (secure_) on_readable_secure();  // it may be what waited
}

void StreamConnection::on_readable() {
  if (secure_) {
    on_readable_secure();
    return;
  }
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
  take_input(received);
  wait_readable();
}

// The same for what comes through the channel, and before that its handshake.
void StreamConnection::on_readable_secure() {
  if (paused_ || closing_ || closed_) return;
  if (!secure_->is_open()) {
    const SecureChannel::Next next = secure_->handshake();
    if (next != SecureChannel::Next::go_on) {
      wait_for(next);
      return;
    }
    flush();  // what has waited for it; then what the peer sent right behind it
    if (paused_ || closing_ || closed_) return;
  }
  const SecureChannel::Step step = secure_->read(shard_.scratch(), IoShard::kScratchSize);
  if (step.bytes > 0) take_input(step.bytes);
  wait_for(step.next);
}

void StreamConnection::wait_for(SecureChannel::Next next) {
  switch (next) {
    case SecureChannel::Next::go_on:
    case SecureChannel::Next::readable:
      wait_readable();
      return;
    case SecureChannel::Next::writable:
      if (!closed_) wait_writable();
      return;
    case SecureChannel::Next::end:
      break;
  }
  const Error& why = secure_->end_reason();
  if (why.code == ErrorCode::protocol_error) {
    close_after_flush(why);  // lingers: the peer is to hear what the channel told it
  } else {
    close(why);
  }
}

// So many bytes in the shard's buffer.
void StreamConnection::take_input(std::size_t received) {
  received_.bytes += received;
  feed(Bytes::copy_of(ByteView(shard_.scratch(), received)));
  deliver_messages();
  account_buffers();
}

void StreamConnection::deliver_messages() {
  const std::shared_ptr<StreamConnection> self = shared_from_this();
  while (!closed_ && !closing_ && !paused_) {
    Result<bool> delivered = deliver_one();
    if (!delivered) {
      // Tell the peer why before hanging up; it may be a person with the wrong program.
      say_why(delivered.error());
      close_after_flush(std::move(delivered).error());
      return;
    }
    if (!*delivered) return;
    received_.moved_at = Instant{};  // a whole message is progress, however small
  }
}

// What is left of the longest message.
std::size_t StreamConnection::longest_unsent() const {
  return longest_end_ > written_ ? std::min(longest_, longest_end_ - written_) : 0;
}

void StreamConnection::output_added() {
  const std::size_t added = output_.size() - known_;
  known_ = output_.size();
  if (added >= longest_unsent()) {
    longest_ = added;
    longest_end_ = known_;
  }
  if (outbound() - longest_unsent() > limits_.outbound_max) {
    close(Error{ErrorCode::timeout, "the peer does not read: " + std::to_string(outbound()) +
                                        " bytes are waiting to be sent"});
    return;
  }
  if (written_ > kWrittenMax && written_ > output_.size() / 2) {
    const std::size_t given_back = written_ & ~std::size_t{7};  // frames stay aligned
    output_.erase(0, given_back);
    written_ -= given_back;
    known_ -= given_back;
    longest_end_ -= std::min(longest_end_, given_back);
  }
  if (dirty_) return;
  dirty_ = true;
  shard_.flush_at_end_of_turn(shared_from_this());
}

void StreamConnection::flush() {
  dirty_ = false;
  if (!closed_ && !waiting_writable_) write_some();
  account_buffers();
}

// Counts what the socket did not take and what of a frame is there; most connections are never seen
// here with anything.
void StreamConnection::account_buffers() {
  const std::size_t held = closed_ ? 0 : outbound() + buffered();
  if (charge_.settle(held)) return;
  if (longest_unsent() > held / 2 && charge_.settle_beyond(held)) return;
  close(Error{ErrorCode::timeout,
              "the peer is slow, and there is little room left for what waits for it"});
}

void StreamConnection::write_some() {
  if (secure_ ? !write_out_secure() : !write_out()) return;
  output_.clear();
  written_ = known_ = longest_end_ = 0;
  sent_.moved_at = Instant{};  // all has left, which is progress, however little it was
  if (output_.capacity() > kKeepOutputCapacity) std::string().swap(output_);
  if (closing_) {
    linger();
  } else if (handler_ != nullptr) {
    handler_->on_drained();
  }
}

// Whether all is written. If not, it waits until it can go on, or the connection is closed.
bool StreamConnection::write_out() {
  while (outbound() > 0) {
    boost::system::error_code error;
    const std::size_t sent = socket_.write_some(
        boost::asio::buffer(output_.data() + written_, output_.size() - written_), error);
    written_ += sent;
    sent_.bytes += sent;
    if (error == boost::asio::error::would_block) {
      wait_writable();
      return false;
    }
    if (error) {
      close(Error{ErrorCode::unavailable, "writing failed: " + error.message()});
      return false;
    }
  }
  return true;
}

// The same through the channel; until it is open, on_readable_secure() sees to what waits.
bool StreamConnection::write_out_secure() {
  if (!secure_->is_open()) return false;
  while (outbound() > 0) {
    const SecureChannel::Step step = secure_->write(ByteView(output_).substr(written_));
    written_ += step.bytes;
    sent_.bytes += step.bytes;
    if (step.next == SecureChannel::Next::go_on) continue;
    if (step.next == SecureChannel::Next::end) {
      close(secure_->end_reason());
    } else {
      wait_writable();
    }
    return false;
  }
  return true;
}

void StreamConnection::close(const Error& why) { shutdown_socket(why); }

void StreamConnection::close_after_flush(Error why) {
  if (closed_ || closing_) return;
  closing_ = true;
  closing_why_ = std::move(why);
  if (!established()) drop_output();
  if (outbound() == 0) {
    linger();
  } else if (!dirty_ && !waiting_writable_) {
    dirty_ = true;
    shard_.flush_at_end_of_turn(shared_from_this());
  }
}

// Closing a socket with unread input resets the connection, and a reset destroys what the peer has
// not read yet: our last words. So only our side is closed, and input is thrown away until the peer
// closes its own or the time is over.
void StreamConnection::linger() {
  if (closed_) return;
  closed_ = true;
  if (secure_) secure_->say_goodbye();
  boost::system::error_code ignored;
  socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  auto deadline = std::make_shared<boost::asio::steady_timer>(socket_.get_executor(), kLingerTime);
  deadline->async_wait([self = shared_from_this()](const boost::system::error_code&) {
    boost::system::error_code ignored_too;
    self->socket_.close(ignored_too);
  });
  discard_input(deadline);
  account_buffers();
  if (handler_ != nullptr) std::exchange(handler_, nullptr)->on_closed(closing_why_);
}

void StreamConnection::discard_input(const std::shared_ptr<boost::asio::steady_timer>& deadline) {
  socket_.async_wait(Socket::wait_read, [self = shared_from_this(),
                                         deadline](const boost::system::error_code& error) {
    boost::system::error_code ended = error;
    if (!ended) {
      self->socket_.read_some(boost::asio::buffer(self->shard_.scratch(), IoShard::kScratchSize),
                              ended);
    }
    if (ended && ended != boost::asio::error::would_block) {
      deadline->cancel();
      return;
    }
    self->discard_input(deadline);
  });
}

void StreamConnection::drop_output() {
  std::string().swap(output_);
  written_ = known_ = longest_end_ = 0;
}

void StreamConnection::shutdown_socket(const Error& why) {
  if (closed_) return;
  closed_ = true;
  if (secure_) secure_->say_goodbye();
  boost::system::error_code ignored;
  // A graceful end first, so that bytes the peer has not read are not destroyed by a reset.
  socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  drop_output();
  account_buffers();
  if (handler_ != nullptr) std::exchange(handler_, nullptr)->on_closed(why);
}

Result<Socket> socket_from(boost::asio::io_context& context, int released) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(released, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    ::close(released);
    return make_error(ErrorCode::io_error, "a socket is closed already");
  }
  Socket socket(context);
  boost::system::error_code error;
  socket.assign({address.ss_family, 0}, released, error);
  if (!error) return socket;
  ::close(released);
  return make_error(ErrorCode::io_error, "a socket cannot be used: " + error.message());
}

Result<int> StreamConnection::release() {
  CHECK(!secure_, "what a channel has read ahead cannot be given away");
  CHECK(outbound() == 0, "what was sent before has left");
  boost::system::error_code error;
  const int released = socket_.release(error);
  if (error) return make_error(ErrorCode::io_error, "a socket is not given: " + error.message());
  handler_ = nullptr;
  closed_ = true;
  account_buffers();
  return released;
}

void StreamConnection::detach() {
  handler_ = nullptr;
  close(Error{ErrorCode::shutting_down, "detached"});
  boost::system::error_code ignored;
  socket_.close(ignored);  // also one that lingers: its context may end before it does
}

void StreamConnection::pause_reading() { paused_ = true; }

void StreamConnection::resume_reading() {
  if (!paused_ || closed_ || closing_) return;
  paused_ = false;
  // Frames that arrived with the last read may be waiting; deliver them in a turn of their own, so
  // that the caller's is not re-entered.
  shard_.post([self = shared_from_this()] {
    self->deliver_messages();
    self->wait_readable();
  });
}

bool StreamConnection::Progress::stalled(bool waits, Instant now, Duration timeout) {
  if (!waits || bytes - seen >= kProgressBytes || moved_at == Instant{}) {
    seen = bytes;
    moved_at = now;
  }
  return now - moved_at >= timeout && waits;
}

void StreamConnection::check_progress(Instant now) {
  if (closed_) return;
  if (sent_.stalled(outbound() > 0, now, limits_.progress_timeout)) {
    close(Error{ErrorCode::timeout, "the peer does not read what was sent to it"});
    return;
  }
  // While we do not read, the peer cannot go on.
  const bool begun = buffered() > 0 || (secure_ && secure_->has_unfinished());
  const bool unfinished = begun && !paused_;
  if (received_.stalled(unfinished, now, limits_.progress_timeout)) {
    Error why{ErrorCode::timeout, "a message was begun and not completed in time"};
    say_why(why);
    close_after_flush(std::move(why));
  }
}

}  // namespace zeolite::net
