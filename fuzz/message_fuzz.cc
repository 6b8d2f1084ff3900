// Every message decoder against any body. The first byte of the input is the frame's type, the rest
// its body. What decodes must come back the same after being encoded.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "wire/codec.h"
#include "wire/frame.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zeolite;
  if (size < 1) return 0;
  const ByteView body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Result<wire::Message> message = wire::decode({data[0], 1, Bytes::copy_of(body)});
  if (!message) {
    CHECK(message.error().code == ErrorCode::protocol_error, "another error than the contract's");
    return 0;
  }
  std::string bytes;
  wire::encode(*message, 1, bytes);
  wire::FrameDecoder decoder(wire::kBodyMaxDefault);
  decoder.feed(Bytes(std::move(bytes)));
  const auto frame = decoder.next();
  CHECK(frame && *frame, "our own frame does not decode");
  const Result<wire::Message> again = wire::decode(**frame);
  CHECK(again && *again == *message, "a message changed on its way");
  return 0;
}
