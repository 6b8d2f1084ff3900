#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "model/ids.h"
#include "model/transaction_record.h"

namespace zeolite::commit {

// Names one transaction within the coordinator. Chosen by the caller, never reused.
using Ticket = std::uint64_t;
// Names the connection a transaction belongs to; 0 is nobody.
using OwnerId = std::uint64_t;

// A read that must still be true when the transaction commits (`readCurrent`).
struct ReadCheck {
  Oid oid{};
  Tid tid{};  // the revision that was read
};

// A write: the object's new state and the revision it was made from.
struct StagedWrite {
  Oid oid{};
  Tid base{};  // kNoTid: the client believes the object to be new
  RevisionKind kind = RevisionKind::data;
  Bytes data{};
  Tid back{};
  // The object need not be as it was at `base` (history that is restored); it is locked as ever.
  bool unchecked = false;
  // `base` is judged as ZODB's FileStorage does: a deletion is a revision like others, which a
  // later write must be made from, and what never was has nothing to be made from, whatever `base`
  // says.
  bool as_file_storage = false;
  std::optional<BlobInfo> blob{};
  std::string staged_blob{};  // ObjectWrite says what these two are
  Tid via{};
};

// All that a transaction wants; complete when it reaches the coordinator.
// Each oid at most once in `writes` and at most once in `reads` (validated by the caller).
struct StagedTransaction {
  CommitId commit_id{};
  Tid begun{};  // visible tid the client had when it first sent this commit; for `expired` answers
  TransactionMetadata metadata{};
  char status = ' ';
  std::vector<StagedWrite> writes{};
  std::vector<ReadCheck> reads{};
  // The tid to commit at, for history that is restored: above the last tid in the log. Nothing: the
  // coordinator makes one.
  std::optional<Tid> fixed_tid{};
  // It has its place in the log also when it writes nothing, as in ZODB's FileStorage.
  bool logged_when_empty = false;
  // With back-pointers: which pack record was the newest, and its sweep complete, before their
  // targets were chosen (ObjectStore::pack_state); kNoTid: none, or its sweep was under way.
  Tid swept_pack{};
};

// What an object is at some moment.
struct ObjectState {
  Tid current{};  // its current revision; kNoTid: it does not exist
  Tid deleted{};  // if it does not because its newest revision is a deletion: the tid of that
  // Either of them; kNoTid when there is no revision.
  [[nodiscard]] Tid newest() const { return std::max(current, deleted); }
  friend bool operator==(const ObjectState&, const ObjectState&) = default;
};

// What the store said about a transaction before it was submitted. Read at one line `as_of` (the
// visible tid when reading began); the coordinator knows what happened since.
struct Prefetched {
  Tid as_of{};
  std::vector<ObjectState> writes{};  // of writes[i].oid; `deleted` only for as_file_storage
  std::vector<Tid> read_tids{};       // current tid of reads[i].oid
  // The stored outcome of commit_id, if there is one: `aborted` false means committed at `tid`.
  struct KnownOutcome {
    bool aborted = false;
    Tid tid{};
  };
  std::optional<KnownOutcome> outcome{};
  Tid outcome_horizon{};  // outcomes at or below it may have been pruned
};

}  // namespace zeolite::commit
