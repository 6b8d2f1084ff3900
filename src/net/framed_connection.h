#pragma once

#include <memory>

#include "net/stream_connection.h"
#include "wire/codec.h"
#include "wire/frame.h"

namespace zeolite::net {

// A connection that carries native frames.
class FramedConnection final : public StreamConnection {
 public:
  class Handler : public StreamConnection::Handler {
   public:
    // One complete frame. May send, close, or pause.
    virtual void on_frame(wire::Frame frame) = 0;
  };

  FramedConnection(IoShard& shard, Socket socket, Handler& handler, const Limits& limits)
      : StreamConnection(shard, std::move(socket), handler, limits),
        frames_(handler),
        decoder_(limits.body_max) {}

  // Encodes `message` into the output; it leaves at the end of the shard's turn.
  template <typename M>
  void send(const M& message, std::uint32_t request_id) {
    if (!accepts_output()) return;
    wire::encode(message, request_id, output(), compress_from_);
    output_added();
  }

  void set_body_max(std::size_t body_max) { decoder_.set_body_max(body_max); }
  // Bodies from this size on are compressed when that helps; SIZE_MAX: never.
  void set_compress_from(std::size_t bytes) { compress_from_ = bytes; }

 private:
  void feed(Bytes input) override { decoder_.feed(std::move(input)); }
  [[nodiscard]] Result<bool> deliver_one() override;
  [[nodiscard]] std::size_t buffered() const override { return decoder_.buffered(); }
  void say_why(const Error& why) override { send(wire::ErrorReply{why}, 0); }

  Handler& frames_;  // not called after the connection is closed or detached
  wire::FrameDecoder decoder_;
  std::size_t compress_from_ = SIZE_MAX;
};

}  // namespace zeolite::net
