#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "model/ids.h"
#include "pickle/value.h"

// ZEO 5 messages: 4-tuples (id, flag, name, arguments), pickled or in msgpack, each with its length
// in 4 bytes before it. Sans-IO; any thread.
namespace zeolite::zeo {

using pickle::Value;

// How the messages of one connection are written; the first byte of the client's greeting.
enum class Encoding : char {
  pickle = 'Z',
  msgpack = 'M',
};

// A message from a client.
struct Call {
  // Given back as it is in the answer: a number, or for loadBefore the tuple (oid, tid).
  Value id;
  bool one_way = false;    // no answer is expected, not even an error
  bool heartbeat = false;  // nothing to do; the rest is empty
  std::string method;
  std::vector<Value> arguments;
};

// An exception as clients understand it: the dotted class name, and its arguments as a tuple or its
// attributes as a dict.
struct Exception {
  std::string class_name;
  Value state;
};

// Decodes one message without its length. Byte strings share `body`. Errors: protocol_error, with
// what was wrong; the connection is to be closed.
[[nodiscard]] Result<Call> decode_call(Encoding encoding, const Bytes& body);

// Each appends one message with its length to `out`.
void encode_result(Encoding encoding, const Value& id, const Value& result, std::string& out);
void encode_exception(Encoding encoding, const Value& id, const Exception& exception,
                      std::string& out);
void encode_one_way(Encoding encoding, std::string_view method, std::span<const Value> arguments,
                    std::string& out);
// The answer to loadBefore without building values: (data, tid, end or None). `end` zero: None.
void encode_loaded(Encoding encoding, const Value& id, ByteView data, Tid tid, Tid end,
                   std::string& out);
// invalidateTransaction(tid, [oid...]).
void encode_invalidation(Encoding encoding, Tid tid, std::span<const Oid> oids, std::string& out);

// The answer to getInvalidations, (tid, [oid...]), of which most is written where there is time.
class InvalidationsAnswer {
 public:
  InvalidationsAnswer(Encoding encoding, const Value& id, std::span<const Oid> oids);

  [[nodiscard]] std::size_t bytes() const { return message_.size(); }
  // The message with its length, with more objects. Once.
  [[nodiscard]] std::string finish(Tid tid, std::span<const Oid> more) &&;

 private:
  Encoding encoding_;
  std::string message_;     // its length and tid are missing, and its end
  std::size_t tid_at_ = 0;  // in message_
};

}  // namespace zeolite::zeo
