#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "commit/staged_transaction.h"
#include "model/ids.h"
#include "model/transaction_record.h"

namespace zeolite::commit {

// One object that stands in the way of a commit.
struct Conflict {
  Oid oid{};
  Tid current{};         // committed revision now
  Tid base{};            // revision the transaction was made from
  bool read = false;     // a ReadCheck failed, not a write
  bool deleted = false;  // of a write as_file_storage: `current` is a deletion
  friend bool operator==(const Conflict&, const Conflict&) = default;
};

// What the caller must carry out, in the order of the lists below; each list in its own order.
// The coordinator only ever appends, so one object may collect the effects of several calls.
struct CommitEffects {
  // The new entries of the log, in tid order. Append them as a group, then call acknowledged().
  std::vector<TransactionRecord> append;

  // Transactions whose Prefetched is too old to judge them: read again (now) and call refetched().
  std::vector<Ticket> refetch;

  // Became visible: in tid order. Queue the invalidation (oids) to every connection but `owner`
  // before any reply below is sent. oids is empty for the server's own records,
  // and for a transaction that wrote nothing.
  struct Publish {
    Tid tid{};
    RecordKind kind = RecordKind::transaction;
    std::vector<Oid> oids{};
    OwnerId owner = 0;  // 0: nobody's
  };
  std::vector<Publish> publish;

  struct Reply {
    Ticket ticket = 0;
    enum class Kind : std::uint8_t {
      voted,       // locks are held until finish, abort, timeout or disconnection
      committed,   // tid is visible
      conflicted,  // conflicts is not empty; the transaction is over, nothing is held
      failed,      // error; the transaction is over, nothing is held
      oids,        // oid range [first_oid, first_oid + oid_count)
      aborted,     // answer to an outcome query: this commit will never happen
    } kind = Kind::failed;
    Tid tid{};
    std::vector<Conflict> conflicts{};
    Error error{ErrorCode::aborted, {}};
    Oid first_oid{};
    std::uint32_t oid_count = 0;

    [[nodiscard]] static Reply failure(Ticket ticket, ErrorCode code, std::string detail);
  };
  std::vector<Reply> reply;

  // Connections to close: their voted transaction was not finished in time. Each once.
  std::vector<OwnerId> close;

  // Empties the lists and keeps their memory.
  void clear();
  [[nodiscard]] bool empty() const;
};

}  // namespace zeolite::commit
