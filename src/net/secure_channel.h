#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/error.h"

namespace zeolite::net {

// The server's end of what encrypts a connection, between its bytes and its descriptor. It reads
// and writes the descriptor itself and never waits; what has to be waited for is returned. One
// implementation: tls::TlsChannel. The interface keeps its library out of the clients of this one.
//
// First handshake() until is_open(), then read() and write() in any order: an open channel may have
// to write in order to read, but does not read in order to write.
// Thread: the connection's. Owner: the connection, whose descriptor outlives this.
class SecureChannel {
 public:
  // What has to be before the call is worth repeating.
  enum class Next : std::uint8_t {
    go_on,     // nothing
    readable,  // the descriptor is readable
    writable,  // the descriptor is writable
    end,       // it is over, end_reason() says why; neither read nor written any more
  };
  struct Step {
    std::size_t bytes = 0;  // given by read(), or taken by write()
    Next next = Next::go_on;
  };

  virtual ~SecureChannel() = default;

  // Next::go_on: it is done, and the channel open.
  [[nodiscard]] virtual Next handshake() = 0;
  // After the handshake, before the end.
  [[nodiscard]] virtual bool is_open() const = 0;

  // Fills `to` as far as there is something to read. Before the end all that came is given.
  [[nodiscard]] virtual Step read(char* to, std::size_t room) = 0;
  // Takes some of `bytes`, none when it has to wait. What was not taken is to be offered again, at
  // the beginning of the next call.
  [[nodiscard]] virtual Step write(ByteView bytes) = 0;

  // Whether read() has more to say now, though the descriptor may never be readable again.
  [[nodiscard]] virtual bool has_more() const = 0;
  // Whether something came that cannot be read before the rest of it comes.
  [[nodiscard]] virtual bool has_unfinished() const = 0;

  // Tells the peer that nothing more comes, if that can be done at once. Does nothing before the
  // handshake is done or after a failure.
  virtual void say_goodbye() = 0;
  // protocol_error: the peer did not keep to the rules, and was told so. unavailable: it is gone.
  [[nodiscard]] virtual const Error& end_reason() const = 0;
};

// Makes them; any thread.
class SecureChannels {
 public:
  virtual ~SecureChannels() = default;
  // For a connection that was accepted, whose descriptor does not block.
  [[nodiscard]] virtual std::unique_ptr<SecureChannel> accept(int descriptor) const = 0;
};

}  // namespace zeolite::net
