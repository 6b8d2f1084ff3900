#include "pickle/sample_pickles.h"

#include <limits>

namespace zeolite::pickle {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

Value big(std::string_view hex) { return Value(BigInteger{from_hex(hex).value()}); }

Value tuple_up_to(int n) {
  Tuple tuple;
  for (int i = 1; i <= n; ++i) tuple.items.push_back(number(i));
  return Value(std::move(tuple));
}

}  // namespace

Value sample() {
  const Value shared = list(Value::text("shared"));
  Dict dict;
  dict.items = {
      {Value::text("none"), Value(None{})},
      {Value::text("bools"), Value::tuple(Value(true), Value(false))},
      {Value::text("ints"), list(number(0), number(255), number(256), number(65535), number(65536),
                                 number(-1), number(2147483647), number(-2147483648),
                                 number(2147483648), number(kMax), number(kMin))},
      {Value::text("big"), Value::tuple(big("000000000000008000"), big("ffffffffffffff7fff"))},
      {Value::text("floats"), list(Value(1.5), Value(-0.1))},
      {Value::text("bytes"),
       Value::tuple(Value::bytes(""), Value::bytes(std::string_view("\0\xff\n\\", 4)))},
      {Value::text("text"),
       list(Value::text(""), Value::text("é€😀\xed\xa0\x80"), Value::text("\n\\u"))},
      {Value::text("tuples"), Value::tuple(tuple_up_to(0), tuple_up_to(1), tuple_up_to(2),
                                           tuple_up_to(3), tuple_up_to(4))},
      {Value::text("dict"),
       Value(Dict{{{Value::bytes("k"), Value(Dict{})}, {number(1), Value(List{})}}})},
      {Value::text("set"), Value(Set{{number(7)}})},
      {Value::text("shared"), Value::tuple(shared, shared)},
  };
  return Value(std::move(dict));
}

}  // namespace zeolite::pickle
