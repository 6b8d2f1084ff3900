// Any bytes as a client's message, in the encoding that the first byte names: a call or an error. A
// call's values can be written in both encodings, and what is written can be read.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "zeo/message.h"
#include "zeo/msgpack_message.h"
#include "zeo/pickle_message.h"

namespace {

using namespace zeolite;

void check_writable(zeo::Encoding encoding, const zeo::Call& call) {
  std::string out;
  // Not under its own name: that may be bytes which are no text.
  zeo::encode_one_way(encoding, "method", call.arguments, out);
  const std::size_t one_way_bytes = out.size();
  CHECK(get_u32(out.data()) == one_way_bytes - 4, "the length is that of the message");
  const auto again = zeo::decode_call(encoding, Bytes::copy_of(ByteView(out).substr(4)));
  CHECK(again, "our own message does not decode");
  CHECK(again->one_way && again->method == "method", "a call changed on its way");
  CHECK(again->arguments.size() == call.arguments.size(), "an argument was lost");
  zeo::encode_loaded(encoding, call.id, "data", Tid(1), kNoTid, out);
  CHECK(get_u32(out.data() + one_way_bytes) == out.size() - one_way_bytes - 4,
        "as long as it says");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const auto encoding = data[0] == 'Z' ? zeo::Encoding::pickle : zeo::Encoding::msgpack;
  const Bytes body = Bytes::copy_of({reinterpret_cast<const char*>(data) + 1, size - 1});
  const Result<zeo::Call> call = zeo::decode_call(encoding, body);
  if (!call) {
    CHECK(call.error().code == ErrorCode::protocol_error, "another error than the contract's");
    return 0;
  }
  check_writable(zeo::Encoding::pickle, *call);
  check_writable(zeo::Encoding::msgpack, *call);
  return 0;
}
