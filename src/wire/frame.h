#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace zeolite::wire {

// A frame on the native port, little-endian, docs/wire-protocol.md:
//   0  u32 body_length   bytes that follow the header, without padding
//   4  u32 crc32c        over header bytes 8..15 and the body as sent (without padding)
//   8  u8  type          MessageType
//   9  u8  flags         bit 0: body is u32 raw length, then an lz4 block
//  10  u16 reserved      0
//  12  u32 request_id    chosen by the asker, echoed in the reply; 0 for what is not asked for
//  16  body, then zero bytes up to a multiple of 8 (Cap'n Proto reads aligned words)
inline constexpr std::size_t kFrameHeaderSize = 16;
inline constexpr std::uint8_t kFlagLz4 = 1;
// Largest body (after decompression) that a server accepts before the handshake is done, and that
// either side accepts otherwise. What a server sends before its welcome (catch-up invalidations)
// may be long already.
inline constexpr std::size_t kHandshakeBodyMax = 16 * 1024;
inline constexpr std::size_t kBodyMaxDefault = 64 * 1024 * 1024;
// What clients accept of their server: a record that some other protocol brought may be long.
inline constexpr std::size_t kBodyMaxOfServer = std::size_t{1} << 30;

struct FrameHeader {
  std::uint32_t body_length = 0;
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t request_id = 0;
};

// A received frame with its checksum verified and its body decompressed.
struct Frame {
  std::uint8_t type = 0;
  std::uint32_t request_id = 0;
  Bytes body;  // starts at a multiple of 8
};

// Appends a frame to `out`, which holds whole frames only (so that bodies stay aligned). The body,
// shorter than 2 GiB, is compressed when it is at least `compress_from` bytes and lz4 makes it
// smaller; SIZE_MAX never compresses.
void append_frame(std::uint8_t type, std::uint32_t request_id, ByteView body,
                  std::size_t compress_from, std::string& out);

// The same for a body that is written in place: begin_frame makes room for the header and returns
// where the frame starts, the caller appends the body, finish_frame does the rest.
[[nodiscard]] std::size_t begin_frame(std::string& out);
void finish_frame(std::size_t start, std::uint8_t type, std::uint32_t request_id,
                  std::size_t compress_from, std::string& out);

// Cuts received bytes into frames. Push parser without I/O. Memory: at most one incomplete frame,
// allocated as its bytes arrive, never ahead of them.
class FrameDecoder {
 public:
  explicit FrameDecoder(std::size_t body_max) : body_max_(body_max) {}

  void set_body_max(std::size_t body_max) { body_max_ = body_max; }

  // Adds received bytes. `input` should start at a multiple of 8 in memory, or, when buffered() is
  // not 0, at an address that is buffered() more than one: then frames that lie wholly in one input
  // share its memory. Input that lies otherwise is copied. All frames must be taken with next()
  // before the next feed().
  void feed(Bytes input);

  // The next complete frame; nothing when more bytes are needed. Error protocol_error: the bytes
  // are not our protocol (with the reason); the decoder stays failed and the connection must end.
  [[nodiscard]] Result<std::optional<Frame>> next();

  // Bytes held for an incomplete frame.
  [[nodiscard]] std::size_t buffered() const { return partial_.size(); }

 private:
  [[nodiscard]] Result<FrameHeader> parse_header(ByteView bytes) const;
  [[nodiscard]] Result<std::optional<Frame>> next_unless_failed();
  // `frame`: a whole frame with its padding.
  [[nodiscard]] Result<std::optional<Frame>> open(const FrameHeader& header,
                                                  const Bytes& frame) const;

  std::size_t body_max_;
  // The beginning of a frame. While it is not complete, input_ is empty.
  std::string partial_;
  Bytes input_;
  std::optional<Error> failed_;
};

}  // namespace zeolite::wire
