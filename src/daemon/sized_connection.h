#pragma once

#include "net/stream_connection.h"
#include "zeo/sized_message_decoder.h"

namespace zeolite::daemon {

// A connection that carries messages with their length before them, as ZEO's do. There are no last
// words for a peer whose bytes make no sense: it is hung up on.
class SizedConnection final : public net::StreamConnection {
 public:
  class Handler : public net::StreamConnection::Handler {
   public:
    // One complete message without its length. May send, close, or pause.
    virtual void on_message(Bytes message) = 0;
  };

  SizedConnection(net::IoShard& shard, net::Socket socket, Handler& handler, const Limits& limits)
      : StreamConnection(shard, std::move(socket), handler, limits),
        messages_(handler),
        decoder_(limits.body_max) {}

  void set_message_max(std::size_t bytes) { decoder_.set_message_max(bytes); }

 private:
  void feed(Bytes input) override { decoder_.feed(std::move(input)); }
  [[nodiscard]] Result<bool> deliver_one() override;
  [[nodiscard]] std::size_t buffered() const override { return decoder_.buffered(); }

  Handler& messages_;  // not called after the connection is closed or detached
  zeo::SizedMessageDecoder decoder_;
};

}  // namespace zeolite::daemon
