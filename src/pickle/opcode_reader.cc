#include "pickle/opcode_reader.h"

#include <array>
#include <charconv>
#include <cstring>

namespace zeolite::pickle {
namespace {

// What follows an opcode.
enum class Form : std::uint8_t {
  unknown,
  nothing,
  byte,         // unsigned
  two_bytes,    // unsigned, little-endian as all that follow
  signed_four,  // signed
  four_bytes,   // unsigned
  eight_bytes,  // a length
  float_bytes,  // 8 bytes, big-endian
  counted1,     // a length of one byte, then as many
  counted4,     // of four, unsigned
  counted4_signed,
  counted8,
  line,
  index_line,  // a decimal number
  two_lines,
};
// The bytes of each form that are always there, in the order of Form.
constexpr std::array<std::uint8_t, 15> kFixedBytes = {0, 0, 1, 2, 4, 4, 8, 8, 1, 4, 4, 8, 0, 0, 0};

constexpr std::array<Form, 256> make_forms() {
  std::array<Form, 256> forms{};
  const auto set = [&forms](Form form, auto... ops) {
    ((forms[static_cast<std::size_t>(ops)] = form), ...);
  };
  set(Form::nothing, Op::mark, Op::stop, Op::pop, Op::pop_mark, Op::dup, Op::none, Op::binpersid,
      Op::reduce, Op::append, Op::build, Op::dict, Op::empty_dict, Op::appends, Op::list,
      Op::empty_list, Op::obj, Op::setitem, Op::tuple, Op::empty_tuple, Op::setitems, Op::newobj,
      Op::tuple1, Op::tuple2, Op::tuple3, Op::newtrue, Op::newfalse, Op::empty_set, Op::additems,
      Op::frozenset, Op::newobj_ex, Op::stack_global, Op::memoize, Op::next_buffer,
      Op::readonly_buffer);
  set(Form::byte, Op::binint1, Op::binget, Op::binput, Op::proto, Op::ext1);
  set(Form::two_bytes, Op::binint2, Op::ext2);
  set(Form::signed_four, Op::binint, Op::ext4);
  set(Form::four_bytes, Op::long_binget, Op::long_binput);
  set(Form::eight_bytes, Op::frame);
  set(Form::float_bytes, Op::binfloat);
  set(Form::counted1, Op::short_binstring, Op::short_binbytes, Op::short_binunicode, Op::long1);
  set(Form::counted4, Op::binunicode, Op::binbytes);
  set(Form::counted4_signed, Op::binstring, Op::long4);
  set(Form::counted8, Op::binunicode8, Op::binbytes8, Op::bytearray8);
  set(Form::line, Op::float_line, Op::int_line, Op::long_line, Op::persid, Op::string_line,
      Op::unicode_line);
  set(Form::index_line, Op::get, Op::put);
  set(Form::two_lines, Op::global, Op::inst);
  return forms;
}

constexpr std::array<Form, 256> kForms = make_forms();
constexpr int kProtocolMax = 5;
constexpr const char* kCutShort = "it ends within an instruction";

std::uint32_t little16(const char* p) {
  std::uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
std::uint32_t little32(const char* p) {
  std::uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
std::uint64_t little64(const char* p) {
  std::uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

}  // namespace

bool OpcodeReader::next(Instruction& out) {
  if (next_ == end_) return fail("it ends without STOP");
  const auto code = static_cast<std::uint8_t>(*next_);
  const char* at = next_ + 1;
  const auto rest = static_cast<std::size_t>(end_ - at);
  out.op = static_cast<Op>(code);
  const Form form = kForms[code];
  if (rest < kFixedBytes[static_cast<std::size_t>(form)]) return fail(kCutShort);
  switch (form) {
    case Form::unknown:
      return fail("there is no such instruction");
    case Form::nothing:
      next_ = at;
      return true;
    case Form::byte:
      out.number = static_cast<std::uint8_t>(*at);
      if (out.op == Op::proto && out.number > kProtocolMax) return fail("its protocol is too new");
      next_ = at + 1;
      return true;
    case Form::two_bytes:
      out.number = little16(at);
      next_ = at + 2;
      return true;
    case Form::signed_four:
      out.number = static_cast<std::int32_t>(little32(at));
      next_ = at + 4;
      return true;
    case Form::four_bytes:
      out.number = little32(at);
      next_ = at + 4;
      return true;
    case Form::eight_bytes:
      if (little64(at) > rest - 8) return fail("a frame is longer than what is left");
      out.number = static_cast<std::int64_t>(little64(at));
      next_ = at + 8;
      return true;
    case Form::float_bytes:
      return take_counted(at, 8, out);
    case Form::counted1:
      return take_counted(at + 1, static_cast<std::uint8_t>(*at), out);
    case Form::counted4:
      return take_counted(at + 4, little32(at), out);
    case Form::counted4_signed:
      if (static_cast<std::int32_t>(little32(at)) < 0) return fail("a length is negative");
      return take_counted(at + 4, little32(at), out);
    case Form::counted8:
      return take_counted(at + 8, little64(at), out);
    case Form::line:
      return take_line(at, out);
    case Form::index_line:
      return take_index_line(at, out);
    case Form::two_lines:
      return take_two_lines(at, out);
  }
  return fail("there is no such instruction");
}

bool OpcodeReader::take_counted(const char* at, std::uint64_t count, Instruction& out) {
  if (count > static_cast<std::uint64_t>(end_ - at))
    return fail("a string is longer than what is left");
  out.argument = {at, static_cast<std::size_t>(count)};
  next_ = at + count;
  return true;
}

bool OpcodeReader::take_line(const char* at, Instruction& out) {
  const auto* end =
      static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end_ - at)));
  if (end == nullptr) return fail(kCutShort);
  out.argument = {at, static_cast<std::size_t>(end - at)};
  next_ = end + 1;
  return true;
}

bool OpcodeReader::take_index_line(const char* at, Instruction& out) {
  const char* const start = next_;
  if (!take_line(at, out)) return false;
  const char* const first = out.argument.data();
  const char* const last = first + out.argument.size();
  const auto [end, error] = std::from_chars(first, last, out.number);
  if (error != std::errc{} || end != last || out.number < 0) {
    next_ = start;
    return fail("a memo index is not a number");
  }
  return true;
}

bool OpcodeReader::take_two_lines(const char* at, Instruction& out) {
  const char* const start = next_;
  if (!take_line(at, out)) return false;
  const ByteView first = out.argument;
  if (!take_line(next_, out)) {
    next_ = start;
    return false;
  }
  out.argument = {first.data(), first.size() + 1 + out.argument.size()};
  return true;
}

}  // namespace zeolite::pickle
