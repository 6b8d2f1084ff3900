#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "wire/messages.h"

namespace zeolite::cli {

// What became of each transaction of a divergence file, in order.
struct ReplayReport {
  struct Item {
    enum class Outcome : std::uint8_t {
      replayed,  // committed now (dry run: would be)
      present,   // it was committed before
      left_out,
    } outcome = Outcome::replayed;
    Tid tid;          // in the file
    Tid new_tid;      // where it is now; kNoTid when left out, and in a dry run
    std::string why;  // left out
  };
  bool dry_run = false;
  std::vector<Item> items;

  [[nodiscard]] std::size_t count(Item::Outcome outcome) const;
};

// Decides what of a tail of a log is committed again, and as what.
//
// A transaction is made from the revisions that its own were made from; where those are of the tail
// itself, from what they became. So whoever changed an object since is noticed as a conflict, by
// the server, and what was built upon a transaction that is left out is left out as well. What
// was only read is not in a log, and not checked.
//
// Each has a commit id that is the same whenever the tail is replayed: its client's, so that a
// client that was told "not committed" stays right; or one made of its place in the log. So it is
// committed once, as long as outcomes are kept; after that a repeat is a conflict with itself.
//
// No I/O. Thread: one at a time.
class DivergenceReplay {
 public:
  // `records` are looked at until the last use; `ancestor` is where they begin.
  DivergenceReplay(const Position& ancestor, const std::vector<TransactionRecord>& records);

  // The data of a revision that is not in the tail. Error not_found: it is gone.
  using Load = std::function<Result<Bytes>(Oid oid, Tid tid)>;
  // What to commit for `record` (kind transaction), or why it is left out. Error: of `load`.
  using Prepared = std::expected<std::vector<wire::WireWrite>, std::string>;
  [[nodiscard]] Result<Prepared> prepare(const TransactionRecord& record, const Load& load) const;
  [[nodiscard]] CommitId commit_id_of(const TransactionRecord& record) const;

  // What became of it: committed at `as`, or not.
  void committed(const TransactionRecord& record, Tid as);
  void left_out(const TransactionRecord& record);
  // Whether `base` is of a transaction that committed() was called for.
  [[nodiscard]] bool is_replayed(Tid base) const;

 private:
  [[nodiscard]] Result<std::optional<Bytes>> data_of(const ObjectWrite& write,
                                                     const Load& load) const;

  const Position ancestor_;
  std::map<std::pair<Oid, Tid>, const ObjectWrite*> revisions_;  // of the tail
  std::map<Tid, Tid> now_at_;                                    // by the tid in the tail
  std::set<Tid> left_out_;
};

// The messages that carry a commit: none or more Stage, then one Commit, each within `body_max`.
[[nodiscard]] std::vector<wire::Message> replay_frames(wire::Commit commit, std::size_t body_max);

}  // namespace zeolite::cli
