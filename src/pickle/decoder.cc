#include "pickle/decoder.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <optional>
#include <utility>

#include "pickle/text_arguments.h"
#include "pickle/unique_keys.h"
#include "pickle/utf8.h"

namespace zeolite::pickle {
namespace {

constexpr std::size_t kStackSlotsUsual = 16;
constexpr std::size_t kBytesPerValue = 16;  // of a string, when it is copied
constexpr const char* kTooFewValues = "an instruction finds too few values";

bool is_ascii(ByteView bytes) {
  return std::ranges::all_of(bytes, [](char c) { return (c & 0x80) == 0; });
}

}  // namespace

Decoder::Decoder(const Bytes& pickle, const DecodeLimits& limits, Python2Strings strings)
    : pickle_(pickle), limits_(limits), strings_(strings), reader_(pickle.view()) {
  stack_.reserve(kStackSlotsUsual);
}

Result<Value> Decoder::run() {
  Instruction in;
  std::size_t offset = 0;
  while (true) {
    offset = reader_.offset();
    if (!reader_.next(in)) {
      error_ = reader_.fault();
      break;
    }
    if (in.op == Op::stop) {
      Slot whole;
      Value value;
      if (!marks_.empty() || stack_.size() != 1) {
        error_ = "it ends with more or less than one value";
      } else if (reader_.offset() != pickle_.size()) {
        error_ = "something follows it";
      } else if (absorb(0, whole, value)) {
        return value;
      }
      break;
    }
    if (!step(in)) break;
  }
  return make_error(ErrorCode::invalid_argument,
                    "pickle cannot be read at byte " + std::to_string(offset) + ": " + error_);
}

bool Decoder::step(const Instruction& in) {
  switch (in.op) {
    case Op::none:
      return push(Value(None{}));
    case Op::newtrue:
      return push(Value(true));
    case Op::newfalse:
      return push(Value(false));
    case Op::binint:
    case Op::binint1:
    case Op::binint2:
      return push(Value(in.number));
    case Op::long1:
    case Op::long4:
      return push_number(integer_from_bytes(in.argument));
    case Op::binfloat:
      return push(Value(std::bit_cast<double>(get_u64(in.argument.data()))));
    case Op::binstring:
    case Op::short_binstring:
      return push_string(slice_of(in.argument));
    case Op::binbytes:
    case Op::short_binbytes:
    case Op::binbytes8:
    case Op::bytearray8:
      return push_bytes(in.argument);
    case Op::binunicode:
    case Op::short_binunicode:
    case Op::binunicode8:
      return push_text(in.argument);
    case Op::mark:
      marks_.push_back(stack_.size());
      return charge(1);
    case Op::proto:
    case Op::frame:
      return true;
    default:
      return step_container(in);
  }
}

bool Decoder::step_container(const Instruction& in) {
  switch (in.op) {
    case Op::empty_tuple:
      return push_slot({.value = Value(Tuple{}), .depth = 1});
    case Op::empty_list:
      return push_slot({.value = Value(List{}), .depth = 1});
    case Op::empty_dict:
      return push_slot({.value = Value(Dict{}), .depth = 1});
    case Op::empty_set:
      return push_slot({.value = Value(Set{}), .depth = 1});
    case Op::tuple1:
      return has(1) && make_from<Tuple>(stack_.size() - 1);
    case Op::tuple2:
      return has(2) && make_from<Tuple>(stack_.size() - 2);
    case Op::tuple3:
      return has(3) && make_from<Tuple>(stack_.size() - 3);
    case Op::append:
      return has(2) && add_items<List>(stack_.size() - 2, stack_.size() - 1);
    case Op::setitem:
      return has(3) && set_items(stack_.size() - 3, stack_.size() - 2);
    default:
      return step_from_mark(in);
  }
}

bool Decoder::step_from_mark(const Instruction& in) {
  std::size_t level = 0;
  switch (in.op) {
    case Op::tuple:
      return take_mark(level) && make_from<Tuple>(level);
    case Op::list:
      return take_mark(level) && make_from<List>(level);
    case Op::frozenset:
      return take_mark(level) && make_from<Set>(level);
    case Op::dict: {
      if (!take_mark(level)) return false;
      Slot whole{.value = Value(Dict{}), .depth = 1, .has_new_items = true};
      return absorb_pairs(level, whole, *whole.value.get<Dict>()) && push_slot(std::move(whole));
    }
    case Op::appends:
      return take_mark(level) && has(stack_.size() - level + 1) &&
             add_items<List>(level - 1, level);
    case Op::additems:
      return take_mark(level) && has(stack_.size() - level + 1) && add_items<Set>(level - 1, level);
    case Op::setitems:
      return take_mark(level) && has(stack_.size() - level + 1) && set_items(level - 1, level);
    default:
      return step_memo(in);
  }
}

bool Decoder::step_memo(const Instruction& in) {
  std::size_t level = 0;
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
      return recall(in.number);
    case Op::dup:
      return has(1) && push_copy(stack_.size() - 1);
    case Op::pop:
      // As in Python, of a mark as well.
      if (!marks_.empty() && marks_.back() == stack_.size()) return take_mark(level);
      if (!has(1) || !finish(stack_.size() - 1)) return false;
      stack_.pop_back();
      return true;
    case Op::pop_mark:
      if (!take_mark(level)) return false;
      for (std::size_t i = level; i < stack_.size(); ++i) {
        if (!finish(i)) return false;
      }
      drop_from(level);
      return true;
    default:
      return step_call(in);
  }
}

bool Decoder::step_call(const Instruction& in) {
  switch (in.op) {
    case Op::global: {
      const std::size_t end = in.argument.find('\n');
      return push_global(in.argument.substr(0, end), in.argument.substr(end + 1));
    }
    case Op::stack_global: {
      Slot both;
      Value module;
      Value name;
      if (!has(2) || !absorb(stack_.size() - 2, both, module) ||
          !absorb(stack_.size() - 1, both, name)) {
        return false;
      }
      drop_from(stack_.size() - 2);
      if (!module.is<Text>() || !name.is<Text>()) return fail("a class has no name");
      return push_global(module.get<Text>()->utf8, name.get<Text>()->utf8);
    }
    case Op::reduce:
    case Op::newobj:
      return has(2) && call();
    case Op::build:
      return has(2) && build();
    default:
      return step_text_form(in);
  }
}

bool Decoder::step_text_form(const Instruction& in) {
  switch (in.op) {
    case Op::int_line:
      return push_int_line(in.argument);
    case Op::long_line: {
      ByteView digits = in.argument;
      if (digits.ends_with('L')) digits.remove_suffix(1);
      return push_number(integer_from_decimal(digits));
    }
    case Op::float_line: {
      const std::optional<double> number = float_from_text(in.argument);
      return number ? push(Value(*number)) : fail("a number is none");
    }
    case Op::string_line: {
      std::optional<std::string> bytes = string_from_literal(in.argument);
      return bytes ? push_string(Bytes(std::move(*bytes))) : fail("a string is broken");
    }
    case Op::unicode_line: {
      std::optional<std::string> utf8 = utf8_from_raw_escapes(in.argument);
      if (!utf8) return fail("a text is broken");
      const std::size_t size = utf8->size();
      return push_sized(Value(Text{std::move(*utf8)}), size);
    }
    default:
      return fail("no plain value needs this instruction");
  }
}

bool Decoder::push(Value&& value) {
  stack_.emplace_back().value = std::move(value);
  return charge(1);
}

bool Decoder::push_slot(Slot&& slot) {
  stack_.push_back(std::move(slot));
  return charge(1);
}

bool Decoder::push_sized(Value&& value, std::size_t bytes) {
  Slot& slot = stack_.emplace_back();
  slot.value = std::move(value);
  slot.weight += bytes / kBytesPerValue;
  return charge(1);
}

bool Decoder::push_number(std::optional<Value> number) {
  if (!number) return fail("a number is none, or too large");
  const BigInteger* big = number->get<BigInteger>();
  const std::size_t bytes = big == nullptr ? 0 : big->bytes.size();
  return push_sized(std::move(*number), bytes);
}

Bytes Decoder::slice_of(ByteView view) const {
  const auto offset = static_cast<std::size_t>(view.data() - pickle_.view().data());
  return pickle_.slice(offset, view.size());
}

bool Decoder::push_bytes(ByteView view) { return push_sized(Value(slice_of(view)), view.size()); }

bool Decoder::push_string(Bytes string) {
  const ByteView view = string.view();
  if (strings_ == Python2Strings::text_if_ascii && is_ascii(view)) {
    return push_sized(Value(Text{std::string(view)}), view.size());
  }
  const std::size_t size = view.size();
  return push_sized(Value(std::move(string)), size);
}

bool Decoder::push_text(ByteView utf8) {
  if (!is_utf8(utf8, Surrogates::allowed)) return fail("a text is not UTF-8");
  return push_sized(Value(Text{std::string(utf8)}), utf8.size());
}

bool Decoder::push_int_line(ByteView line) {
  if (line == "01") return push(Value(true));
  if (line == "00") return push(Value(false));
  return push_number(integer_from_decimal(line));
}

bool Decoder::has(std::size_t slots) {
  const std::size_t floor = marks_.empty() ? 0 : marks_.back();
  return stack_.size() - floor >= slots || fail(kTooFewValues);
}

bool Decoder::take_mark(std::size_t& level) {
  if (marks_.empty()) return fail("an instruction finds no mark");
  level = marks_.back();
  marks_.pop_back();
  return true;
}

bool Decoder::finish(std::size_t level) {
  Slot& slot = stack_[level];
  if (slot.has_new_items) {
    slot.has_new_items = false;
    Dict* dict = slot.value.get<Dict>();
    const bool hashable =
        dict != nullptr ? make_unique(*dict) : make_unique(*slot.value.get<Set>());
    if (!hashable) return fail("a key cannot be one");
  }
  if (slot.memo == kNotMemoised) return true;
  MemoEntry& entry = memo_entries_[slot.memo - 1];
  slot.memo = kNotMemoised;
  slot.is_final = true;
  entry.content = slot;
  entry.has_content = true;
  return charge(slot.weight);
}

bool Decoder::absorb(std::size_t level, Slot& whole, Value& out) {
  if (!finish(level)) return false;
  Slot& slot = stack_[level];
  if (slot.callable != Callable::none) return fail("a class stands where a value should");
  whole.weight += slot.weight;
  whole.depth = std::max(whole.depth, slot.depth + 1);
  if (whole.depth > limits_.depth + 1) return fail("values are nested too deep");
  out = std::move(slot.value);
  return true;
}

bool Decoder::absorb_items(std::size_t level, Slot& whole, std::vector<Value>& items) {
  if (items.empty()) items.reserve(stack_.size() - level);
  for (std::size_t i = level; i < stack_.size(); ++i) {
    if (!absorb(i, whole, items.emplace_back())) return false;
  }
  drop_from(level);
  return true;
}

bool Decoder::absorb_pairs(std::size_t level, Slot& whole, Dict& dict) {
  if ((stack_.size() - level) % 2 != 0) return fail("a key has no value");
  for (std::size_t i = level; i < stack_.size(); i += 2) {
    auto& [key, value] = dict.items.emplace_back();
    if (!absorb(i, whole, key) || !absorb(i + 1, whole, value)) return false;
  }
  drop_from(level);
  return true;
}

template <typename Container>
bool Decoder::make_from(std::size_t level) {
  Slot whole{.depth = 1, .has_new_items = std::is_same_v<Container, Set>};
  Container container;
  if (!absorb_items(level, whole, container.items)) return false;
  whole.value = Value(std::move(container));
  return push_slot(std::move(whole));
}

template <typename Container>
bool Decoder::add_items(std::size_t container_level, std::size_t level) {
  auto* container = changeable<Container>(container_level);
  if (container == nullptr) return false;
  Slot& whole = stack_[container_level];
  whole.has_new_items = std::is_same_v<Container, Set>;
  return absorb_items(level, whole, container->items);
}

bool Decoder::set_items(std::size_t dict_level, std::size_t level) {
  Dict* dict = changeable<Dict>(dict_level);
  if (dict == nullptr) return false;
  Slot& whole = stack_[dict_level];
  whole.has_new_items = true;
  return absorb_pairs(level, whole, *dict);
}

void Decoder::drop_from(std::size_t level) {
  stack_.erase(stack_.begin() + static_cast<std::ptrdiff_t>(level), stack_.end());
}

bool Decoder::push_copy(std::size_t level) {
  if (!finish(level)) return false;
  stack_[level].is_final = true;
  if (!charge(stack_[level].weight)) return false;
  Slot copy = stack_[level];
  return push_slot(std::move(copy));
}

bool Decoder::memoise(std::int64_t index) {
  if (!has(1) || !look_up_recalls()) return false;
  ++memoised_;
  if (!std::ranges::binary_search(recalls_, index)) return true;
  Slot& top = stack_.back();
  if (top.memo == kNotMemoised) {
    memo_entries_.push_back({.level = stack_.size() - 1});
    top.memo = static_cast<std::uint32_t>(memo_entries_.size());
  }
  memo_[index] = top.memo;
  return charge(1);
}

bool Decoder::recall(std::int64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) return fail("it refers to what was not there");
  const MemoEntry& entry = memo_entries_[found->second - 1];
  if (!entry.has_content) return push_copy(entry.level);
  if (!charge(entry.content.weight)) return false;
  Slot copy = entry.content;
  return push_slot(std::move(copy));
}

bool Decoder::look_up_recalls() {
  if (recalls_known_) return true;
  recalls_known_ = true;
  OpcodeReader ahead = reader_;
  Instruction in;
  while (ahead.next(in) && in.op != Op::stop) {
    if (in.op != Op::get && in.op != Op::binget && in.op != Op::long_binget) continue;
    recalls_.push_back(in.number);
    if (!charge(0) || recalls_.size() > limits_.values) return fail("it holds too many values");
  }
  std::ranges::sort(recalls_);
  const auto repeated = std::ranges::unique(recalls_);
  recalls_.erase(repeated.begin(), repeated.end());
  return true;
}

bool Decoder::charge(std::size_t values) {
  values_ += values;
  return values_ <= limits_.values || fail("it holds too many values");
}

}  // namespace zeolite::pickle
