#include "pickle/codec.h"

#include "pickle/decoder.h"
#include "pickle/writer.h"

namespace zeolite::pickle {

Result<Value> decode(const Bytes& pickle, const DecodeLimits& limits, Python2Strings strings) {
  return Decoder(pickle, limits, strings).run();
}

void encode(const Value& value, std::string& out) {
  put_protocol(out);
  put_value(out, value);
  put_op(out, Op::stop);
}

}  // namespace zeolite::pickle
