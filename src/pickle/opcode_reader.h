#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace zeolite::pickle {

// The instructions of a pickle, protocols 0 to 5, by the names of CPython's Lib/pickle.py.
enum class Op : std::uint8_t {
  mark = '(',
  stop = '.',
  pop = '0',
  pop_mark = '1',
  dup = '2',
  float_line = 'F',
  int_line = 'I',
  binint = 'J',
  binint1 = 'K',
  long_line = 'L',
  binint2 = 'M',
  none = 'N',
  persid = 'P',
  binpersid = 'Q',
  reduce = 'R',
  string_line = 'S',
  binstring = 'T',
  short_binstring = 'U',
  unicode_line = 'V',
  binunicode = 'X',
  append = 'a',
  build = 'b',
  global = 'c',
  dict = 'd',
  empty_dict = '}',
  appends = 'e',
  get = 'g',
  binget = 'h',
  inst = 'i',
  long_binget = 'j',
  list = 'l',
  empty_list = ']',
  obj = 'o',
  put = 'p',
  binput = 'q',
  long_binput = 'r',
  setitem = 's',
  tuple = 't',
  empty_tuple = ')',
  setitems = 'u',
  binfloat = 'G',
  proto = 0x80,
  newobj = 0x81,
  ext1 = 0x82,
  ext2 = 0x83,
  ext4 = 0x84,
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  newtrue = 0x88,
  newfalse = 0x89,
  long1 = 0x8a,
  long4 = 0x8b,
  binbytes = 'B',
  short_binbytes = 'C',
  short_binunicode = 0x8c,
  binunicode8 = 0x8d,
  binbytes8 = 0x8e,
  empty_set = 0x8f,
  additems = 0x90,
  frozenset = 0x91,
  newobj_ex = 0x92,
  stack_global = 0x93,
  memoize = 0x94,
  frame = 0x95,
  bytearray8 = 0x96,
  next_buffer = 0x97,
  readonly_buffer = 0x98,
};

struct Instruction {
  Op op = Op::stop;
  // binint*: the integer. get*, put*: the memo index. proto, frame, ext*: what it says.
  std::int64_t number = 0;
  // Counted strings, long1, long4, binfloat: the bytes. *_line and persid: the line without its
  // end. global and inst: both lines, the first with its end.
  ByteView argument;
};

// Cuts a pickle into its instructions; knows nothing of their meaning. Both the value decoder and
// the reference scanner stand on it. Every length is checked before it is followed.
// Borrows the pickle, which may be followed by anything. A value: a copy reads on from there.
class OpcodeReader {
 public:
  explicit OpcodeReader(ByteView pickle)
      : begin_(pickle.data()), next_(begin_), end_(begin_ + pickle.size()) {}

  // The next instruction; false when the bytes end before it does or are none. Then fault() says
  // what was wrong, and the reader stays where it is.
  [[nodiscard]] bool next(Instruction& out);

  // Bytes read, that is, the offset of the next instruction.
  [[nodiscard]] std::size_t offset() const { return static_cast<std::size_t>(next_ - begin_); }
  // One clause for people, without the offset; empty as long as next() was true.
  [[nodiscard]] const char* fault() const { return fault_; }

 private:
  [[nodiscard]] bool fail(const char* fault) {
    fault_ = fault;
    return false;
  }
  [[nodiscard]] bool take_counted(const char* at, std::uint64_t count, Instruction& out);
  [[nodiscard]] bool take_line(const char* at, Instruction& out);
  [[nodiscard]] bool take_index_line(const char* at, Instruction& out);
  [[nodiscard]] bool take_two_lines(const char* at, Instruction& out);

  const char* begin_;
  const char* next_;
  const char* end_;
  const char* fault_ = "";
};

}  // namespace zeolite::pickle
