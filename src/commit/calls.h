#pragma once

#include <cstdint>
#include <variant>

#include "commit/staged_transaction.h"
#include "model/ids.h"

// What a connection's session wants of the commit coordinator, as values: the session decides
// without touching it, and whoever owns the coordinator carries them out in order. Each ticket is
// answered once by a CommitEffects::Reply, except those of Abort. See CommitCoordinator for what
// each does.
namespace zeolite::commit::calls {

struct Submit {
  Ticket ticket = 0;
  StagedTransaction transaction;
  bool one_request = false;
};
struct Finish {
  Ticket ticket = 0;  // as submitted
  Ticket reply_to = 0;
};
struct Abort {
  Ticket ticket = 0;  // as submitted
};
struct QueryOutcome {
  Ticket ticket = 0;
  CommitId commit_id;
  Tid begun;
};
struct AllocateOids {
  Ticket ticket = 0;
  std::uint32_t count = 0;
};

using Call = std::variant<Submit, Finish, Abort, QueryOutcome, AllocateOids>;

}  // namespace zeolite::commit::calls
