#include "pickle/inflate.h"

// Input is not written to.
#define ZLIB_CONST
#include <zlib.h>

#include <algorithm>
#include <limits>

namespace zeolite::pickle {
namespace {

constexpr std::size_t kFirstBytesMin = 512;

// Ends the stream whichever way the function is left.
class InflateStream {
 public:
  explicit InflateStream(ByteView input) {
    stream_.next_in = reinterpret_cast<const Bytef*>(input.data());
    stream_.avail_in = static_cast<uInt>(input.size());
    ready_ = inflateInit(&stream_) == Z_OK;
  }
  ~InflateStream() {
    if (ready_) inflateEnd(&stream_);
  }
  InflateStream(const InflateStream&) = delete;
  InflateStream& operator=(const InflateStream&) = delete;

  // Fills `room` as far as there is something; Z_STREAM_END when that was all.
  int read(char* room, std::size_t size, std::size_t& filled) {
    if (!ready_) return Z_MEM_ERROR;
    stream_.next_out = reinterpret_cast<Bytef*>(room);
    stream_.avail_out = static_cast<uInt>(size);
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    filled = size - stream_.avail_out;
    return status;
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

}  // namespace

Result<std::string> inflate(ByteView stream, std::size_t size_max) {
  constexpr std::size_t kInputMax = std::numeric_limits<uInt>::max();
  if (stream.size() > kInputMax)
    return make_error(ErrorCode::corruption, "zlib data are too large");
  InflateStream input(stream);
  // One byte more than allowed tells too much from just enough.
  const std::size_t room_max = size_max + 1;
  std::string out(std::min(room_max, stream.size() * 4 + kFirstBytesMin), '\0');
  std::size_t size = 0;
  while (true) {
    std::size_t filled = 0;
    const int status = input.read(out.data() + size, out.size() - size, filled);
    size += filled;
    if (size > size_max) return make_error(ErrorCode::corruption, "zlib data unfold to too much");
    if (status == Z_STREAM_END) break;
    if (status != Z_OK) {
      return make_error(ErrorCode::corruption, "zlib data are damaged or cut short");
    }
    if (size == out.size()) out.resize(std::min(room_max, out.size() * 2));
  }
  out.resize(size);
  return out;
}

}  // namespace zeolite::pickle
