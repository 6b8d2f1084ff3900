#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "wire/codec.h"

namespace zeolite::wire {

// The one frame in `bytes`.
inline Result<Frame> only_frame(const std::string& bytes) {
  FrameDecoder decoder(kBodyMaxDefault);
  decoder.feed(Bytes::copy_of(bytes));
  ASSIGN_OR_RETURN(const auto frame, decoder.next());
  if (!frame) return make_error(ErrorCode::timeout, "not a whole frame");
  return *frame;
}

inline Frame frame_of(const Message& message, std::size_t compress_from = SIZE_MAX) {
  std::string bytes;
  encode(message, 17, bytes, compress_from);
  return only_frame(bytes).value();
}

inline Result<Message> decode_body(MessageType type, std::string body) {
  return decode({static_cast<std::uint8_t>(type), 0, Bytes(std::move(body))});
}

}  // namespace zeolite::wire
