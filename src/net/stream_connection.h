#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "net/io_shard.h"
#include "net/secure_channel.h"
#include "net/shared_budget.h"

namespace zeolite::net {

// A connected stream socket: TCP, or a Unix one.
using Socket = boost::asio::generic::stream_protocol::socket;

// A connected socket for `context`, from what release() gave.
[[nodiscard]] Result<Socket> socket_from(boost::asio::io_context& context, int released);

// A connection that carries messages in both directions. Thin: reads bytes, has them cut into
// messages for its handler, gathers output and writes it when the socket takes it. How messages
// are told apart is the derived class's: FramedConnection, SizedConnection.
//
// Memory of an idle connection: this object and its socket; buffers exist only while bytes are
// under way.
//
// Thread: the shard's. Owner: shared by its pending operations; the handler keeps a reference and
// must outlive the connection or call detach().
class StreamConnection : public std::enable_shared_from_this<StreamConnection> {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // All output was taken by the socket. May send or resume.
    virtual void on_drained() {}
    // The connection is closed, for this reason. Called exactly once, and nothing after it.
    virtual void on_closed(const Error& why) = 0;
  };

  struct Limits {
    // Longest message that is taken.
    std::size_t body_max = 64 * 1024 * 1024;
    // Unsent output above this, beside the longest message in it, closes the connection with
    // timeout: the peer does not read. One message may have any length, for it is to arrive.
    std::size_t outbound_max = 64 * 1024 * 1024;
    // Unsent output and unfinished messages of many connections together; null: not counted. A
    // connection that finds no room is closed with timeout, but one at a time goes on that has one
    // long message to send.
    SharedBudget* buffers_shared = nullptr;
    // A message that has begun must come at least 64 KiB further in this time, and so must output
    // that waits; or be complete.
    Duration progress_timeout = std::chrono::seconds(30);
  };

  virtual ~StreamConnection() = default;
  StreamConnection(const StreamConnection&) = delete;
  StreamConnection& operator=(const StreamConnection&) = delete;

  // From now on all goes through a channel. To be called before start(), by who accepted the
  // socket. Messages sent before the handshake is done wait for it.
  void secure(const SecureChannels& channels) {
    secure_ = channels.accept(socket_.native_handle());
  }
  // Begins to read. Call once, on the shard's thread.
  void start();

  // Adds messages that are encoded already; they leave at the end of the shard's turn.
  void send_encoded(ByteView messages) {
    if (!accepts_output()) return;
    output_.append(messages);
    output_added();
  }

  // Writes what is waiting, as far as the socket takes it; the rest follows when it is writable.
  void flush();

  // Closes at once: on_closed(why) is called, later sends are ignored.
  void close(const Error& why);
  // Closes when what was sent so far is written (or after the progress timeout); reads no more.
  void close_after_flush(Error why);
  // The handler is going away: no call of it is made any more, and the socket is closed.
  void detach();

  // Gives the socket away, to whoever makes another connection of it (socket_from); the handler is
  // not called any more. To be called for a message that the peer waits for the answer of, so that
  // nothing received or unsent is left behind. Not of a secure one. Error io_error.
  [[nodiscard]] Result<int> release();

  // While paused no message is delivered and no byte read: back-pressure on a busy peer.
  void pause_reading();
  void resume_reading();

  // To be called about every second: closes a peer that does not move on (Limits).
  void check_progress(Instant now);

  [[nodiscard]] bool closed() const { return closed_; }
  // Whether messages travel: there is nothing that has to be agreed with the peer before.
  [[nodiscard]] bool established() const { return secure_ == nullptr || secure_->is_open(); }
  // A message has begun and is not complete.
  [[nodiscard]] bool receiving() const { return buffered() > 0; }
  // All that came so far, messages or parts of them: whether the peer is heard of at all.
  [[nodiscard]] std::uint64_t received_bytes() const { return received_.bytes; }
  [[nodiscard]] std::size_t outbound() const { return output_.size() - written_; }
  // "host:port" of the peer, for messages; kept after closing.
  [[nodiscard]] const std::string& peer() const { return peer_; }

 protected:
  StreamConnection(IoShard& shard, Socket socket, Handler& handler, const Limits& limits);

  // For a derived class that encodes in place: when accepts_output(), append to output() and call
  // output_added().
  [[nodiscard]] bool accepts_output() const { return !closed_ && !closing_; }
  [[nodiscard]] std::string& output() { return output_; }
  void output_added();

 private:
  // Takes received bytes. All complete messages are taken with deliver_one() before the next call,
  // unless the connection is paused or ends.
  virtual void feed(Bytes input) = 0;
  // Hands the next complete message to the handler; false when there is none. An error ends the
  // connection.
  [[nodiscard]] virtual Result<bool> deliver_one() = 0;
  // Bytes held for an incomplete message.
  [[nodiscard]] virtual std::size_t buffered() const = 0;
  // Sends the peer its last words, if the protocol has any.
  virtual void say_why(const Error& /*why*/) {}

  void wait_readable();
  void wait_writable();
  void wait_for(SecureChannel::Next next);
  void on_readable();
  void on_writable();
  void on_readable_secure();
  void take_input(std::size_t received);
  void deliver_messages();
  void write_some();
  [[nodiscard]] bool write_out();
  [[nodiscard]] bool write_out_secure();
  void account_buffers();
  void drop_output();
  [[nodiscard]] std::size_t longest_unsent() const;
  void shutdown_socket(const Error& why);
  void linger();
  void discard_input(const std::shared_ptr<boost::asio::steady_timer>& deadline);

  IoShard& shard_;
  Socket socket_;
  std::unique_ptr<SecureChannel> secure_;  // null: bytes travel as they are
  Handler* handler_;                       // null after on_closed or detach
  Limits limits_;
  BudgetCharge charge_;  // of outbound() and buffered()
  std::string output_;
  std::size_t written_ = 0;  // of output_
  std::size_t known_ = 0;    // of output_, before what is being added
  // The longest message of output_: where it ends there, and its length.
  std::size_t longest_end_ = 0;
  std::size_t longest_ = 0;
  std::string peer_;
  Error closing_why_{ErrorCode::unavailable, {}};
  // How far one direction has come, and when check_progress last saw it move on.
  struct Progress {
    std::uint64_t bytes = 0;
    std::uint64_t seen = 0;
    Instant moved_at{};
    // Whether it has stood still for `timeout`, given that something waits to move.
    bool stalled(bool waits, Instant now, Duration timeout);
  };
  Progress received_;
  Progress sent_;
  bool dirty_ = false;  // queued for flush at the end of the turn
  bool waiting_readable_ = false;
  bool waiting_writable_ = false;
  bool paused_ = false;
  bool closing_ = false;  // close_after_flush was called
  bool closed_ = false;
};

}  // namespace zeolite::net
