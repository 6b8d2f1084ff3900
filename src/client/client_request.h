#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "client/object_cache.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "wire/messages.h"

namespace zeolite::client_core {

// What a transaction wants to commit. Each oid at most once in writes, and in either writes or
// reads.
struct CommitRequest {
  struct Write {
    Oid oid;
    Tid base;  // kNoTid: the object did not exist at the snapshot
    bool removal = false;
    RecordPtr data;  // null when a removal; never null otherwise
  };
  TransactionMetadata metadata;
  std::vector<Write> writes;
  std::vector<wire::WireRead> reads;
};

// What the server answered to one load.
struct LoadedRecord {
  wire::LoadedStatus status = wire::LoadedStatus::unknown;
  RecordPtr data;  // not null when found
  Tid tid;
  Tid end;
};

// What became of a request. `error` tells that it failed; for a commit, vote or finish its code
// says more: outcome_unknown when it may have been committed, else it certainly was not.
struct Answer {
  std::optional<Error> error;
  bool answered = false;              // by the server; false: the error is this side's
  wire::Message message;              // the reply; unused for loads
  std::vector<LoadedRecord> records;  // of load and load_many, one per oid asked for
  CommitId commit_id;                 // of commit, vote and finish, once they were sent
  Tid begun;
  std::uint64_t connection = 0;  // the one that a vote belongs to
};

struct Request {
  enum class Kind : std::uint8_t {
    repeatable,  // `message` may be sent again on the next connection
    commit,      // `commit`, in one request
    vote,        // `commit`
    finish,      // of the vote that was answered with `commit_id`, `begun` and `connection`
  };
  Kind kind = Kind::repeatable;
  wire::Message message;
  std::shared_ptr<const CommitRequest> commit;  // of finish too
  CommitId commit_id;
  Tid begun;
  std::uint64_t connection = 0;
  // The history that the request belongs to; it fails with `unavailable` in any other. 0: any.
  std::uint64_t history = 0;
  Instant deadline;
  std::function<void(Answer)> done;  // called exactly once; may be empty
};

}  // namespace zeolite::client_core
