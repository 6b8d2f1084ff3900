#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "pickle/codec.h"
#include "pickle/opcode_reader.h"
#include "pickle/value.h"

namespace zeolite::pickle {

// The machine behind decode(): carries out a pickle's instructions on a stack of values. Used once.
//
// Values are trees, but a pickle may refer by memo to what it has made before. Python shares such
// an object; here it is copied, and the copy counts against the limits with all its content. Most
// of what a pickler memoises is never referred to, so what will be is looked up ahead (once, when
// the first PUT is met) and nothing else is kept.
// What was referred to may not change any more: whoever changes it then refers to itself, or was
// not written by a pickler.
class Decoder {
 public:
  // Both must outlive it.
  Decoder(const Bytes& pickle, const DecodeLimits& limits, Python2Strings strings);
  [[nodiscard]] Result<Value> run();

 private:
  // The classes and functions of codec.h: what a pickle may call.
  enum class Callable : std::uint8_t {
    none,
    set,
    dict,
    list,
    tuple,
    bytes,
    text_encode,
    prefix
  };
  static constexpr std::uint32_t kNotMemoised = 0;

  struct Slot {
    Value value{};
    std::size_t weight = 1;  // values in it with itself; 16 bytes of a string count as one
    std::uint32_t depth = 0;
    std::uint32_t memo = kNotMemoised;   // its entry, counted from 1
    Callable callable = Callable::none;  // else there is no value
    bool has_new_items = false;          // a dict or set in which keys may be repeated
    bool is_final = false;               // has been referred to
  };
  struct MemoEntry {
    std::size_t level;  // where on the stack it still is, as long as it has no content
    bool has_content = false;
    Slot content{};
  };

  // Each carries out one instruction of its group, or hands it on to the next group.
  [[nodiscard]] bool step(const Instruction& in);
  [[nodiscard]] bool step_text_form(const Instruction& in);
  [[nodiscard]] bool step_container(const Instruction& in);
  [[nodiscard]] bool step_from_mark(const Instruction& in);
  [[nodiscard]] bool step_memo(const Instruction& in);
  [[nodiscard]] bool step_call(const Instruction& in);

  [[nodiscard]] bool push(Value&& value);
  [[nodiscard]] bool push_slot(Slot&& slot);
  [[nodiscard]] bool push_sized(Value&& value, std::size_t bytes);
  [[nodiscard]] bool push_number(std::optional<Value> number);
  [[nodiscard]] Bytes slice_of(ByteView view) const;  // a part of the pickle
  [[nodiscard]] bool push_bytes(ByteView view);
  // Python 2's str.
  [[nodiscard]] bool push_string(Bytes string);
  [[nodiscard]] bool push_text(ByteView utf8);
  [[nodiscard]] bool push_int_line(ByteView line);
  [[nodiscard]] bool push_copy(std::size_t level);
  [[nodiscard]] bool push_global(ByteView module, ByteView name);

  // Whether so many slots are there above the last mark, or with a mark at all.
  [[nodiscard]] bool has(std::size_t slots);
  [[nodiscard]] bool take_mark(std::size_t& level);

  // The slot gets its final value: it is about to leave the stack or to be copied.
  [[nodiscard]] bool finish(std::size_t level);
  // Moves a finished value out of its slot, to become part of `whole`.
  [[nodiscard]] bool absorb(std::size_t level, Slot& whole, Value& out);
  // All slots from `level` on become items of a list, or pairs of a dict, and leave the stack.
  [[nodiscard]] bool absorb_items(std::size_t level, Slot& whole, std::vector<Value>& items);
  [[nodiscard]] bool absorb_pairs(std::size_t level, Slot& whole, Dict& dict);
  template <typename Container>
  [[nodiscard]] bool make_from(std::size_t level);
  // The container at `level`, to be changed; null when it is none or may not change.
  template <typename Container>
  [[nodiscard]] Container* changeable(std::size_t level);
  template <typename Container>
  [[nodiscard]] bool add_items(std::size_t container_level, std::size_t level);
  [[nodiscard]] bool set_items(std::size_t dict_level, std::size_t level);
  void drop_from(std::size_t level);

  [[nodiscard]] bool memoise(std::int64_t index);
  [[nodiscard]] bool recall(std::int64_t index);
  [[nodiscard]] bool look_up_recalls();

  [[nodiscard]] bool call();
  [[nodiscard]] bool call_container(Callable callable, std::vector<Value>& arguments, Value& out);
  [[nodiscard]] bool call_bytes(Callable callable, const std::vector<Value>& arguments, Value& out);
  [[nodiscard]] bool build();

  [[nodiscard]] bool charge(std::size_t values);
  [[nodiscard]] bool fail(std::string what) {
    error_ = std::move(what);
    return false;
  }

  const Bytes& pickle_;
  const DecodeLimits& limits_;
  const Python2Strings strings_;
  OpcodeReader reader_;
  std::string error_;
  std::size_t values_ = 0;
  std::vector<Slot> stack_;
  std::vector<std::size_t> marks_;  // the stack's size at each
  bool recalls_known_ = false;
  std::vector<std::int64_t> recalls_;  // the memo indices that will be referred to, sorted
  std::int64_t memoised_ = 0;          // PUTs so far, which is MEMOIZE's index
  std::unordered_map<std::int64_t, std::uint32_t> memo_;  // to an entry, counted from 1
  std::vector<MemoEntry> memo_entries_;
};

template <typename Container>
Container* Decoder::changeable(std::size_t level) {
  Slot& slot = stack_[level];
  Container* container = slot.value.get<Container>();
  if (container == nullptr) {
    error_ = "an instruction finds a value of another type";
  } else if (slot.is_final) {
    error_ = "a value changes after it was referred to";
    container = nullptr;
  }
  return container;
}

}  // namespace zeolite::pickle
