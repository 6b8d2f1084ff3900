// FrameDecoder against any bytes in pieces of any size. The first byte of the input chooses the
// size of the pieces (0: all at once). Whatever comes out must not depend on how the bytes were
// cut.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "wire/frame.h"

namespace zeolite::wire {
namespace {

constexpr std::size_t kBodyMax = 1 << 20;

// All frames of `stream`, one after the other as text, and how it ended.
std::string decode_in_pieces(ByteView stream, std::size_t piece) {
  FrameDecoder decoder(kBodyMax);
  std::string got;
  for (std::size_t at = 0; at < stream.size(); at += piece) {
    decoder.feed(Bytes::copy_of(stream.substr(at, piece)));
    while (true) {
      const auto frame = decoder.next();
      if (!frame) return got + "failed";
      if (!*frame) break;
      CHECK((*frame)->body.size() <= kBodyMax, "a body over the limit");
      got += std::to_string((*frame)->type) + ' ' + std::to_string((*frame)->request_id) + ' ';
      got += (*frame)->body.view();
    }
    CHECK(decoder.buffered() <= at + piece, "more is held than was received");
  }
  return got;
}

}  // namespace
}  // namespace zeolite::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zeolite;
  if (size < 2) return 0;
  const ByteView stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = data[0] == 0 ? stream.size() : data[0];
  CHECK(wire::decode_in_pieces(stream, piece) == wire::decode_in_pieces(stream, stream.size()),
        "frames depend on how the bytes were cut");
  return 0;
}
