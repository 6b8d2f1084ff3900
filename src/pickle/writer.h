#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "pickle/opcode_reader.h"
#include "pickle/value.h"

// Instructions as zodbpickle's Pickler with protocol 3 and `fast` set writes them. Each function
// appends to `out`. For those who write a pickle without building its value first.
namespace zeolite::pickle {

// Python's pickler gives items to a list, dict or set in batches of as many.
inline constexpr std::size_t kBatchItems = 1000;

void put_op(std::string& out, Op op);
void put_protocol(std::string& out);  // the first instruction
void put_integer(std::string& out, std::int64_t number);
void put_bytes(std::string& out, ByteView bytes);
// All of put_bytes but the bytes themselves.
void put_bytes_header(std::string& out, std::size_t size);
void put_text(std::string& out, std::string_view utf8);
// Any value, without the protocol before it and STOP after it.
void put_value(std::string& out, const Value& value);

// A list of `count` items: `put_item(i)` appends one.
template <typename PutItem>
void put_list(std::string& out, std::size_t count, PutItem put_item) {
  put_op(out, Op::empty_list);
  if (count == 1) {
    put_item(std::size_t{0});
    put_op(out, Op::append);
    return;
  }
  for (std::size_t i = 0; i < count;) {
    put_op(out, Op::mark);
    for (std::size_t batch = 0; batch < kBatchItems && i < count; ++batch) put_item(i++);
    put_op(out, Op::appends);
  }
}

}  // namespace zeolite::pickle
