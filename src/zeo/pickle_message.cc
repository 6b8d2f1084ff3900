#include "zeo/pickle_message.h"

#include <array>

#include "pickle/codec.h"
#include "pickle/writer.h"
#include "zeo/message_format.h"

namespace zeolite::zeo::pickle_message {
namespace {

using pickle::Op;
using pickle::put_op;

constexpr pickle::DecodeLimits kLimits{.depth = kCallDepthMax, .values = kCallValuesMax};

// An oid or tid.
void put_id(std::string& out, std::uint64_t id) {
  pickle::put_bytes_header(out, sizeof id);
  put_u64(out, id);
}

void begin_reply(const Value& id, std::int64_t flag, std::string& out) {
  pickle::put_protocol(out);
  put_op(out, Op::mark);
  pickle::put_value(out, id);
  pickle::put_integer(out, flag);
  pickle::put_text(out, kReplyName);
}

void begin_one_way(std::string_view method, std::string& out) {
  pickle::put_protocol(out);
  put_op(out, Op::mark);
  pickle::put_integer(out, kOneWayId);
  put_op(out, Op::newtrue);
  pickle::put_text(out, method);
}

void end_message(std::string& out) {
  put_op(out, Op::tuple);
  put_op(out, Op::stop);
}

}  // namespace

Result<Value> decode(const Bytes& body) { return pickle::decode(body, kLimits); }

void encode_reply(const Value& id, bool is_error, const Value& value, std::string& out) {
  begin_reply(id, is_error ? kErrorFlag : kResultFlag, out);
  pickle::put_value(out, value);
  end_message(out);
}

void encode_one_way(std::string_view method, std::span<const Value> arguments, std::string& out) {
  static constexpr std::array kEnds = {Op::empty_tuple, Op::tuple1, Op::tuple2, Op::tuple3};
  begin_one_way(method, out);
  const bool is_short = arguments.size() < kEnds.size();
  if (!is_short) put_op(out, Op::mark);
  for (const Value& argument : arguments) pickle::put_value(out, argument);
  put_op(out, is_short ? kEnds[arguments.size()] : Op::tuple);
  end_message(out);
}

void encode_loaded(const Value& id, ByteView data, Tid tid, Tid end, std::string& out) {
  begin_reply(id, kResultFlag, out);
  pickle::put_bytes(out, data);
  put_id(out, tid.value());
  if (end.is_zero()) {
    put_op(out, Op::none);
  } else {
    put_id(out, end.value());
  }
  put_op(out, Op::tuple3);
  end_message(out);
}

void encode_invalidation(Tid tid, std::span<const Oid> oids, std::string& out) {
  begin_one_way(kInvalidateName, out);
  put_id(out, tid.value());
  pickle::put_list(out, oids.size(), [&](std::size_t i) { put_id(out, oids[i].value()); });
  put_op(out, Op::tuple2);
  end_message(out);
}

std::size_t begin_invalidations(const Value& id, std::span<const Oid> oids, std::string& out) {
  begin_reply(id, kResultFlag, out);
  put_id(out, 0);
  const std::size_t tid_at = out.size() - sizeof(std::uint64_t);
  pickle::put_list(out, oids.size(), [&](std::size_t i) { put_id(out, oids[i].value()); });
  return tid_at;
}

void end_invalidations(std::span<const Oid> more, std::string& out) {
  for (const Oid oid : more) {
    put_id(out, oid.value());
    put_op(out, Op::append);
  }
  put_op(out, Op::tuple2);
  end_message(out);
}

}  // namespace zeolite::zeo::pickle_message
