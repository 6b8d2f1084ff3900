#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "storage/object_store.h"

namespace zeolite::history {

// What undoing writes for one object.
struct UndoWrite {
  Oid oid;
  Tid base;  // the object's newest revision at the line, which may be a deletion
  RevisionKind kind = RevisionKind::back_pointer;  // or deletion: there is nothing to go back to
  Tid back;  // kind back_pointer: the revision of kind data that has the state before; else kNoTid
  // The revision before the undone one, if that is not `back`: see ObjectWrite::via.
  Tid via{};
  std::optional<BlobInfo> blob{};  // of the revision at `back`
};

// Why one object cannot be undone. `reason` is text for people, in ZODB's words.
struct UndoFailure {
  Oid oid;
  std::string reason;
};

struct UndoPlan {
  // Each object once, in order of first mention. Empty when there are failures.
  std::vector<UndoWrite> writes;
  // Of the first transaction that cannot be undone, in its order. Empty: the plan can be carried
  // out, as long as the base of each write stands and pack_horizon() < oldest.
  std::vector<UndoFailure> failures;
  // The oldest of the transactions undone. A pack record whose horizon reaches it makes the plan
  // void: what it goes back to may be removed.
  Tid oldest;
};

// Finds out what must be written to undo `transactions`, in that order, as one transaction of a
// reader at `line`. The rules are FileStorage's, less the merge of states that needs the
// application's code:
//  - an object goes back to what it was before the undone transaction; if it was not there, it is
//    deleted;
//  - it may be undone if its current revision is the undone one or has the same state: goes back to
//    it, or repeats its bytes. Two deletions have not, unless an undo went back to the undone one:
//    the later deletion stands. Current is what the earlier ones of `transactions` made of it.
// A failure is no error; it means UndoError for that object, and FileStorage raises
// MultipleUndoErrors for all of them.
//
// Used once, by one thread at a time; reads the store.
class UndoPlanner {
 public:
  // `store` outlives it.
  UndoPlanner(const storage::ObjectStore& store, Tid line, std::vector<Tid> transactions);
  ~UndoPlanner();
  UndoPlanner(UndoPlanner&& other) noexcept;
  UndoPlanner& operator=(UndoPlanner&& other) noexcept;

  // Looks at about `steps` more objects or transactions. The plan when it is made; nothing: there
  // is more to look at.
  // Errors: not_found, for a tid that is no transaction at or below the line, or is packed away;
  // invalid_argument, when its status says that it cannot be undone; both name the tid and stand
  // for UndoError. Else as the store.
  [[nodiscard]] Result<std::optional<UndoPlan>> advance(std::size_t steps);

 private:
  class Planning;
  std::unique_ptr<Planning> planning_;
};

// The same in one go.
[[nodiscard]] Result<UndoPlan> plan_undo(const storage::ObjectStore& store, Tid line,
                                         std::span<const Tid> transactions);

}  // namespace zeolite::history
