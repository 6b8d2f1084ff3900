#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "wire/message_type.h"

// Commits, their outcomes, and fresh oids; see wire/messages.h.
namespace zeolite::wire {

struct WireWrite {
  Oid oid;
  Tid base;                                // revision this state was made from; 0: new object
  RevisionKind kind = RevisionKind::data;  // data or deletion
  Bytes data;
  friend bool operator==(const WireWrite&, const WireWrite&) = default;
};
struct WireRead {
  Oid oid;
  Tid tid;
  friend bool operator==(const WireRead&, const WireRead&) = default;
};

// A part of transaction `number` of this connection, when it does not fit one frame. No answer;
// an error ends the connection. Later parts and the vote or commit add to it.
struct Stage {
  static constexpr MessageType kType = MessageType::stage;
  std::uint64_t number = 0;
  std::vector<WireWrite> writes;
  std::vector<WireRead> reads;
  friend bool operator==(const Stage&, const Stage&) = default;
};

// The (rest of the) transaction, asking for a vote or for the whole commit. (Hello.session, number)
// names it for ever.
struct CommitBody {
  std::uint64_t number = 0;
  Tid begun;  // the client's line when it first sent this commit
  TransactionMetadata metadata;
  std::vector<WireWrite> writes;
  std::vector<WireRead> reads;
  friend bool operator==(const CommitBody&, const CommitBody&) = default;
};
// Answer: voted, conflicted, error, or committed (when this number is committed already).
struct Vote : CommitBody {
  static constexpr MessageType kType = MessageType::vote;
  friend bool operator==(const Vote&, const Vote&) = default;
};
struct Voted {
  static constexpr MessageType kType = MessageType::voted;
  friend bool operator==(const Voted&, const Voted&) = default;
};
// Answer: committed or error.
struct Finish {
  static constexpr MessageType kType = MessageType::finish;
  std::uint64_t number = 0;
  friend bool operator==(const Finish&, const Finish&) = default;
};
// Answer: done, also when there is no such transaction.
struct Abort {
  static constexpr MessageType kType = MessageType::abort;
  std::uint64_t number = 0;
  friend bool operator==(const Abort&, const Abort&) = default;
};
// Vote and finish in one. Answer: committed, conflicted or error.
struct Commit : CommitBody {
  static constexpr MessageType kType = MessageType::commit;
  friend bool operator==(const Commit&, const Commit&) = default;
};
// All invalidations below tid were sent before; the line is now tid.
struct Committed {
  static constexpr MessageType kType = MessageType::committed;
  Tid tid;
  Epoch epoch;
  friend bool operator==(const Committed&, const Committed&) = default;
};
struct WireConflict {
  Oid oid;
  Tid current;
  Tid base;
  bool read = false;
  friend bool operator==(const WireConflict&, const WireConflict&) = default;
};
struct Conflicted {
  static constexpr MessageType kType = MessageType::conflicted;
  std::vector<WireConflict> conflicts;
  friend bool operator==(const Conflicted&, const Conflicted&) = default;
};
struct Done {
  static constexpr MessageType kType = MessageType::done;
  friend bool operator==(const Done&, const Done&) = default;
};

// What became of a commit whose answer was lost. Answer: outcome_known, or error `unavailable`
// (still pending: ask again), `expired`.
struct OutcomeQuery {
  static constexpr MessageType kType = MessageType::outcome;
  CommitId commit_id;
  Tid begun;
  friend bool operator==(const OutcomeQuery&, const OutcomeQuery&) = default;
};
struct OutcomeKnown {
  static constexpr MessageType kType = MessageType::outcome_known;
  bool committed = false;  // false: it did not and never will
  Tid tid;
  friend bool operator==(const OutcomeKnown&, const OutcomeKnown&) = default;
};

// Fresh oids, 1..10,000. Answer: oids [first, first + count).
struct NewOids {
  static constexpr MessageType kType = MessageType::new_oids;
  std::uint32_t count = 100;
  friend bool operator==(const NewOids&, const NewOids&) = default;
};
struct Oids {
  static constexpr MessageType kType = MessageType::oids;
  Oid first;
  std::uint32_t count = 0;
  friend bool operator==(const Oids&, const Oids&) = default;
};

}  // namespace zeolite::wire
