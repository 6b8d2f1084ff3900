#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "filestorage/field_check.h"
#include "filestorage/windowed_source.h"
#include "model/transaction_record.h"

namespace zeolite::filestorage {

// Follows back-pointers to the record that holds the data, so that a revision never depends on more
// than one other; and remembers which records the reader did not give out, since a revision may not
// depend on those at all.
//
// Memory: 16 bytes for each undone transaction and repeated record. Owned by the reader.
class BackPointers {
 public:
  // A chain longer than this is taken for damage: real ones grow by one with every other undo.
  static constexpr int kHopsMax = 10'000;

  // A transaction that was skipped: bytes [begin, end) of the file. Ascending.
  void note_undone(std::uint64_t begin, std::uint64_t end) { undone_.push_back({begin, end}); }
  // The record at `offset` was replaced by a later one of its object in the same transaction.
  void note_superseded(std::uint64_t offset) { superseded_.insert(offset); }

  // Gives `write` (its oid is set) the state that the back-pointer `target`, found in the record at
  // `offset` of `transaction`, leads to: a back_pointer to the tid of the record with the data; the
  // data itself when that record was not given out, at most `data_bytes_max` long (more is
  // ErrorCode::invalid_argument); a deletion when the chain ends in 0. `via` is the tid of the
  // record that `target` leads to directly, when that is another one and was given out. Errors:
  // corruption when a hop does not lead to an earlier record of the same object in a transaction
  // that has room for it; io_error.
  [[nodiscard]] Result<> follow(const WindowedSource& source, const PlacedTransaction& transaction,
                                std::uint64_t offset, std::uint64_t target,
                                std::uint64_t data_bytes_max, ObjectWrite& write) const;

 private:
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
  };
  [[nodiscard]] bool was_given_out(std::uint64_t offset) const;

  std::vector<Range> undone_;
  std::unordered_set<std::uint64_t> superseded_;
};

}  // namespace zeolite::filestorage
