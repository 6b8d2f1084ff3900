#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "net/io_shard.h"
#include "net/shared_budget.h"
#include "wire/codec.h"
#include "wire/frame.h"

namespace zeolite::net {

// A TCP connection that carries native frames. Thin: reads bytes, cuts them into frames for its
// handler, gathers output and writes it when the socket takes it.
//
// Memory of an idle connection: this object and its socket; buffers exist only while bytes are
// under way.
//
// Thread: the shard's. Owner: shared by its pending operations; the handler keeps a reference and
// must outlive the connection or call detach().
class FramedConnection : public std::enable_shared_from_this<FramedConnection> {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // One complete frame. May send, close, or pause.
    virtual void on_frame(wire::Frame frame) = 0;
    // All output was taken by the socket. May send or resume.
    virtual void on_drained() {}
    // The connection is closed, for this reason. Called exactly once, and nothing after it.
    virtual void on_closed(const Error& why) = 0;
  };

  struct Limits {
    std::size_t body_max = wire::kBodyMaxDefault;
    // Unsent output above this closes the connection: the peer does not read.
    std::size_t outbound_max = 64 * 1024 * 1024;
    // Unsent output and unfinished frames of many connections together; null: not counted.
    SharedBudget* buffers_shared = nullptr;
    // A frame that has begun must come at least 64 KiB further in this time, and so must output
    // that waits; or be complete.
    Duration progress_timeout = std::chrono::seconds(30);
  };

  FramedConnection(IoShard& shard, boost::asio::ip::tcp::socket socket, Handler& handler,
                   const Limits& limits);

  // Begins to read. Call once, on the shard's thread.
  void start();

  // Encodes `message` into the output; it leaves at the end of the shard's turn.
  template <typename M>
  void send(const M& message, std::uint32_t request_id) {
    if (closed_ || closing_) return;
    wire::encode(message, request_id, output_, compress_from_);
    output_added();
  }

  // Adds frames that are encoded already.
  void send_encoded(ByteView frames) {
    if (closed_ || closing_) return;
    output_.append(frames);
    output_added();
  }

  // Writes what is waiting, as far as the socket takes it; the rest follows when it is writable.
  void flush();

  // Closes at once: on_closed(why) is called, later sends are ignored.
  void close(Error why);
  // Closes when what was sent so far is written (or after the progress timeout); reads no more.
  void close_after_flush(Error why);
  // The handler is going away: no call of it is made any more, and the socket is closed.
  void detach();

  // While paused no frame is delivered and no byte read: back-pressure on a busy peer.
  void pause_reading();
  void resume_reading();

  void set_body_max(std::size_t body_max) { decoder_.set_body_max(body_max); }
  // Bodies from this size on are compressed when that helps; SIZE_MAX: never.
  void set_compress_from(std::size_t bytes) { compress_from_ = bytes; }

  // To be called about every second: closes a peer that does not move on (Limits).
  void check_progress(Instant now);

  [[nodiscard]] bool closed() const { return closed_; }
  [[nodiscard]] std::size_t outbound() const { return output_.size() - written_; }
  // "host:port" of the peer, for messages; kept after closing.
  [[nodiscard]] const std::string& peer() const { return peer_; }

 private:
  void wait_readable();
  void on_readable();
  void deliver_frames();
  void write_some();
  void output_added();
  void account_buffers();
  void shutdown_socket(const Error& why);
  void linger();
  void discard_input(const std::shared_ptr<boost::asio::steady_timer>& deadline);

  IoShard& shard_;
  boost::asio::ip::tcp::socket socket_;
  Handler* handler_;  // null after on_closed or detach
  Limits limits_;
  wire::FrameDecoder decoder_;
  std::string output_;
  std::size_t written_ = 0;  // of output_
  std::size_t compress_from_ = SIZE_MAX;
  std::string peer_;
  Error closing_why_{ErrorCode::unavailable, {}};
  std::size_t accounted_ = 0;  // of outbound(), in limits_.outbound_shared
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
