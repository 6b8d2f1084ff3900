#include "pickle/reference_scanner.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "pickle/text_arguments.h"
#include "pickle/utf8.h"

namespace zeolite::pickle {
namespace {

constexpr std::size_t kOidBytes = 8;
// What one record can need at most; 128 MiB each.
constexpr std::size_t kSlotsMax = std::size_t{1} << 23;
// How far a memo index may run ahead, beside 4 times the values memoised.
constexpr std::size_t kMemoGap = 64;
// No longer line of protocol 0 stands for an oid: 8 characters as \U and 8 digits each.
constexpr std::size_t kOidLineMax = kOidBytes * 10;
// Up to here, looking through all oids is the cheapest way to find a repeated one.
constexpr std::size_t kFew = 32;

bool makes_bytes(ByteView module_and_name) {
  return module_and_name == "zodbpickle\nbinary" || module_and_name == "_codecs\nencode" ||
         module_and_name == "builtins\nbytes" || module_and_name == "__builtin__\nbytes";
}

// What makers of bytes are called, in parts; but for "builtins", which may be an oid.
constexpr std::array<std::string_view, 6> kNames{"zodbpickle", "binary", "_codecs",
                                                 "encode",     "bytes",  "__builtin__"};
constexpr std::size_t kNameMin = 5;
constexpr std::size_t kNameMax = 11;

bool is_ascii(std::uint64_t eight) { return (eight & 0x8080808080808080ULL) == 0; }

}  // namespace

bool ReferenceScanner::scan(OpcodeReader& reader) {
  stack_.clear();
  marks_.clear();
  floor_ = 0;
  Instruction in;
  while (reader.next(in)) {
    if (in.op == Op::stop) return drop(1);
    if (!step(in)) return false;
  }
  return fail(reader.fault());
}

bool ReferenceScanner::step(const Instruction& in) {
  switch (in.op) {
    case Op::binbytes:
    case Op::short_binbytes:
    case Op::binbytes8:
    case Op::binstring:
    case Op::short_binstring:
      return push_string(in.argument);
    case Op::binunicode:
    case Op::short_binunicode:
    case Op::binunicode8:
      return push_text(in.argument);
    case Op::none:
    case Op::newtrue:
    case Op::newfalse:
    case Op::binint:
    case Op::binint1:
    case Op::binint2:
    case Op::long1:
    case Op::long4:
    case Op::binfloat:
    case Op::bytearray8:
    case Op::empty_tuple:
    case Op::empty_list:
    case Op::empty_dict:
    case Op::empty_set:
      return push_other();
    case Op::mark:
      floor_ = stack_.size();
      marks_.push_back(floor_);
      return marks_.size() <= kSlotsMax || fail("it is nested too deep");
    case Op::tuple1:
      return push_tuple(1);
    case Op::tuple2:
      return push_tuple(2);
    case Op::tuple3:
      return push_tuple(3);
    case Op::append:
    case Op::build:
      return drop(1);
    case Op::setitem:
      return drop(2);
    case Op::proto:
    case Op::frame:
    case Op::readonly_buffer:
      return true;
    default:
      return step_from_mark(in);
  }
}

bool ReferenceScanner::step_from_mark(const Instruction& in) {
  switch (in.op) {
    case Op::appends:
    case Op::setitems:
    case Op::additems:
    case Op::pop_mark:
      return drop_to_mark();
    case Op::tuple: {
      const Slot first = stack_.size() > floor_ ? stack_[floor_] : Slot{};
      if (!drop_to_mark()) return false;
      if (first.kind == Kind::oid) return push({.oid = first.oid, .kind = Kind::with_oid});
      if (first.kind == Kind::latin1) return push({.oid = first.oid, .kind = Kind::with_latin1});
      return push_other();
    }
    case Op::list:
    case Op::dict:
    case Op::frozenset:
    case Op::inst:
    case Op::obj:
      return drop_to_mark() && push_other();
    default:
      return step_memo(in);
  }
}

bool ReferenceScanner::step_memo(const Instruction& in) {
  switch (in.op) {
    case Op::put:
    case Op::binput:
    case Op::long_binput:
      return memoise(in.number);
    case Op::memoize:
      return memoise(memoised_);
    case Op::get:
    case Op::binget:
    case Op::long_binget:
      return push(recall(in.number));
    case Op::dup: {
      Slot top;
      return pop(top) && push(top) && push(top);
    }
    case Op::pop:
      // As in Python, of a mark as well.
      return !marks_.empty() && floor_ == stack_.size() ? drop_to_mark() : drop(1);
    default:
      return step_call(in);
  }
}

bool ReferenceScanner::step_call(const Instruction& in) {
  Slot top;
  switch (in.op) {
    case Op::global:
      return push({.kind = makes_bytes(in.argument) ? Kind::bytes_maker : Kind::other});
    case Op::stack_global:
      return find_global();
    case Op::reduce:
    case Op::newobj:
      return call();
    case Op::newobj_ex:
      return drop(3) && push_other();
    case Op::binpersid:
      if (!pop(top)) return false;
      add(top);
      return push_other();
    case Op::persid:
      if (!push_string(in.argument) || !pop(top)) return false;
      add(top);
      return push_other();
    default:
      return step_text_form(in);
  }
}

bool ReferenceScanner::step_text_form(const Instruction& in) {
  const bool may_be_oid = in.argument.size() <= kOidLineMax;
  if (in.op == Op::string_line && may_be_oid) {
    const std::optional<std::string> bytes = string_from_literal(in.argument);
    return bytes ? push_string(*bytes) : fail("a string is broken");
  }
  if (in.op == Op::unicode_line && may_be_oid) {
    const std::optional<std::string> utf8 = utf8_from_raw_escapes(in.argument);
    return utf8 ? push_text(*utf8) : fail("a text is broken");
  }
  return push_other();  // numbers, extension codes and buffers
}

bool ReferenceScanner::push(Slot slot) {
  if (slot.kind == Kind::other && stack_.size() > floor_ && stack_.back().kind == Kind::other) {
    ++stack_.back().count;
    return true;
  }
  slot.count = 1;
  stack_.push_back(slot);
  return stack_.size() <= kSlotsMax || fail("it holds too many values at once");
}

bool ReferenceScanner::push_string(ByteView bytes) {
  if (bytes.size() != kOidBytes) return push_other();
  return push({.oid = get_u64(bytes.data()), .kind = Kind::oid});
}

bool ReferenceScanner::push_text(ByteView utf8) {
  if (utf8.size() >= kNameMin && utf8.size() <= kNameMax) {
    const auto name = std::ranges::find(kNames, utf8);
    const auto which = static_cast<std::uint64_t>(name - kNames.begin());
    if (name != kNames.end()) return push({.oid = which, .kind = Kind::name});
  }
  if (utf8.size() < kOidBytes || utf8.size() > kOidBytes * 2) return push_other();
  const std::optional<std::string> bytes = latin1_from_utf8(utf8);
  if (!bytes || bytes->size() != kOidBytes) return push_other();
  const std::uint64_t oid = get_u64(bytes->data());
  return push({.oid = oid, .kind = is_ascii(oid) ? Kind::oid : Kind::latin1});
}

bool ReferenceScanner::push_tuple(std::size_t size) {
  Slot first;
  if (!drop(size - 1) || !pop(first)) return false;
  if (first.kind == Kind::oid) return push({.oid = first.oid, .kind = Kind::with_oid});
  if (first.kind == Kind::latin1) return push({.oid = first.oid, .kind = Kind::with_latin1});
  return push_other();
}

bool ReferenceScanner::pop(Slot& out) {
  if (stack_.size() <= floor_) return fail("an instruction finds too few values");
  out = stack_.back();
  if (out.count > 1) {
    --stack_.back().count;
  } else {
    stack_.pop_back();
  }
  return true;
}

bool ReferenceScanner::drop(std::size_t count) {
  Slot dropped;
  for (std::size_t i = 0; i < count; ++i) {
    if (!pop(dropped)) return false;
  }
  return true;
}

bool ReferenceScanner::drop_to_mark() {
  if (marks_.empty()) return fail("an instruction finds no mark");
  stack_.resize(floor_);
  marks_.pop_back();
  floor_ = marks_.empty() ? 0 : marks_.back();
  return true;
}

// The module and the name are on the stack.
bool ReferenceScanner::find_global() {
  Slot name;
  Slot module;
  if (!pop(name) || !pop(module)) return false;
  std::string whole;
  if (module.kind == Kind::oid) put_u64(whole, module.oid);
  if (module.kind == Kind::name) whole = kNames[module.oid];
  whole += '\n';
  if (name.kind == Kind::name) whole += kNames[name.oid];
  return push({.kind = makes_bytes(whole) ? Kind::bytes_maker : Kind::other});
}

bool ReferenceScanner::call() {
  Slot arguments;
  Slot callee;
  if (!pop(arguments) || !pop(callee)) return false;
  const bool is_oid = callee.kind == Kind::bytes_maker &&
                      (arguments.kind == Kind::with_oid || arguments.kind == Kind::with_latin1);
  return push(is_oid ? Slot{.oid = arguments.oid, .kind = Kind::oid} : Slot{});
}

bool ReferenceScanner::memoise(std::int64_t index) {
  if (stack_.size() <= floor_) return fail("an instruction finds too few values");
  ++memoised_;
  const Slot& top = stack_.back();
  const auto place = static_cast<std::size_t>(index);
  if (place < memo_.size()) {
    memo_[place] = top;
    return true;
  }
  if (top.kind == Kind::other) {
    if (!far_memo_.empty()) far_memo_.erase(index);
    return true;
  }
  if (far_memo_.empty() && place < kMemoGap + static_cast<std::size_t>(memoised_) * 4) {
    memo_.resize(place + 1);
    memo_[place] = top;
  } else {
    far_memo_[index] = top;
  }
  return memo_.size() + far_memo_.size() <= kSlotsMax || fail("it memoises too many values");
}

ReferenceScanner::Slot ReferenceScanner::recall(std::int64_t index) const {
  const auto place = static_cast<std::size_t>(index);
  if (place < memo_.size()) return memo_[place];
  const auto found = far_memo_.find(index);
  return found == far_memo_.end() ? Slot{} : found->second;
}

void ReferenceScanner::add(const Slot& persistent_id) {
  switch (persistent_id.kind) {
    case Kind::oid:
    case Kind::latin1:
    case Kind::with_oid:
    case Kind::with_latin1:
      add(Oid(persistent_id.oid));
      return;
    case Kind::bytes_maker:
    case Kind::name:
    case Kind::other:
      ++out_.skipped;
  }
}

void ReferenceScanner::add(Oid oid) {
  std::vector<Oid>& oids = out_.strong;
  if (oids.size() < kFew) {
    if (std::ranges::find(oids, oid) == oids.end()) oids.push_back(oid);
    return;
  }
  oids.push_back(oid);
  if (oids.size() < unique_at_) return;
  remove_repeated(oids);
  unique_at_ = oids.size() * 2 + kFew;
}

void remove_repeated(std::vector<Oid>& oids) {
  if (oids.size() < kFew) return;
  std::vector<std::pair<Oid, std::size_t>> places;
  places.reserve(oids.size());
  for (std::size_t i = 0; i < oids.size(); ++i) places.emplace_back(oids[i], i);
  std::ranges::sort(places);
  std::vector<bool> repeated(oids.size());
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i].first == places[i - 1].first) repeated[places[i].second] = true;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < oids.size(); ++i) {
    if (!repeated[i]) oids[kept++] = oids[i];
  }
  oids.resize(kept);
}

}  // namespace zeolite::pickle
