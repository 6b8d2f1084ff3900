#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace zeolite::zeo {

// Cuts received bytes into messages: each is its length in 4 bytes, most significant first, then
// that many bytes. Push parser without I/O. Memory: at most one incomplete message, allocated as
// its bytes arrive, never ahead of them.
class SizedMessageDecoder {
 public:
  explicit SizedMessageDecoder(std::size_t message_max) : message_max_(message_max) {}

  void set_message_max(std::size_t message_max) { message_max_ = message_max; }

  // Adds received bytes. Messages that lie wholly in one input share its memory. All messages must
  // be taken with next() before the next feed().
  void feed(Bytes input);

  // The next complete message without its length; nothing when more bytes are needed. Error
  // protocol_error: a message longer than the limit; the connection must end.
  [[nodiscard]] Result<std::optional<Bytes>> next();

  // Bytes held for an incomplete message.
  [[nodiscard]] std::size_t buffered() const { return partial_.size(); }

 private:
  // Moves input to partial_ until that has `size` bytes (not less than it has); false when the
  // input ended before.
  [[nodiscard]] bool complete_to(std::size_t size);
  [[nodiscard]] Result<std::size_t> length_at(ByteView bytes) const;

  std::size_t message_max_;
  // The beginning of a message with its length. While it is not complete, input_ is empty.
  std::string partial_;
  Bytes input_;
};

}  // namespace zeolite::zeo
