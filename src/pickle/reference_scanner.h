#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "model/ids.h"
#include "pickle/opcode_reader.h"
#include "pickle/references.h"

namespace zeolite::pickle {

// The machine behind find_references(): carries out a pickle's instructions on a stack that keeps
// of each value only what tells whether it is an oid, or a tuple that begins with one. All other
// values look the same, and as many of them as stand side by side are one entry.
// Used for the pickles of one record, one after the other: they share one memo, as the pickler that
// wrote them had one.
class ReferenceScanner {
 public:
  // Adds to `out`, which must outlive it.
  explicit ReferenceScanner(References& out) : out_(out) {}

  // Carries out one pickle, up to its STOP. False when it is broken; then fault() says how.
  [[nodiscard]] bool scan(OpcodeReader& reader);
  [[nodiscard]] const char* fault() const { return fault_; }

 private:
  enum class Kind : std::uint8_t {
    other,
    bytes_maker,  // a class or function that makes bytes of its first argument
    oid,          // 8 bytes, or 8 ASCII characters
    latin1,       // 8 characters that are an oid in Latin-1
    name,         // part of the name of a maker of bytes; `oid` says which
    with_oid,     // a tuple that begins with an oid
    with_latin1,
  };
  struct Slot {
    std::uint64_t oid = 0;
    std::uint32_t count = 1;  // of `other`: how many of them
    Kind kind = Kind::other;
  };

  // Each carries out one instruction of its group, or hands it on to the next group.
  [[nodiscard]] bool step(const Instruction& in);
  [[nodiscard]] bool step_from_mark(const Instruction& in);
  [[nodiscard]] bool step_memo(const Instruction& in);
  [[nodiscard]] bool step_call(const Instruction& in);
  [[nodiscard]] bool step_text_form(const Instruction& in);

  [[nodiscard]] bool push(Slot slot);
  [[nodiscard]] bool push_other() { return push({}); }
  [[nodiscard]] bool push_string(ByteView bytes);
  [[nodiscard]] bool push_text(ByteView utf8);
  [[nodiscard]] bool push_tuple(std::size_t size);
  [[nodiscard]] bool pop(Slot& out);
  [[nodiscard]] bool drop(std::size_t count);
  [[nodiscard]] bool drop_to_mark();
  [[nodiscard]] bool find_global();
  [[nodiscard]] bool call();

  [[nodiscard]] bool memoise(std::int64_t index);
  [[nodiscard]] Slot recall(std::int64_t index) const;

  void add(const Slot& persistent_id);
  void add(Oid oid);

  [[nodiscard]] bool fail(const char* fault) {
    fault_ = fault;
    return false;
  }

  References& out_;
  std::size_t unique_at_ = 0;  // as many as there may be before repeated ones are taken out
  std::vector<Slot> stack_;
  std::vector<std::size_t> marks_;  // the stack's size at each
  std::size_t floor_ = 0;           // the last of them
  std::int64_t memoised_ = 0;       // PUTs so far, which is MEMOIZE's index
  // Without `other`. Picklers count up from 0 or 1, so nearly all of it is in the first.
  std::vector<Slot> memo_;
  std::unordered_map<std::int64_t, Slot> far_memo_;
  const char* fault_ = "";
};

// Leaves the first of equal oids where it is and removes the others.
void remove_repeated(std::vector<Oid>& oids);

}  // namespace zeolite::pickle
