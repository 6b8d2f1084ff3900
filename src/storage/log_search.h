#pragma once

#include <optional>

#include "base/error.h"
#include "model/ids.h"
#include "storage/object_store.h"

// Where two logs part (docs/replication.md, "Connecting"), told from one of them without an index
// of its own: epochs never decrease along the log, so their ends are found by bisection.
// Thread: any, also beside append; what is appended meanwhile may be seen or not.
// Errors of all: those of reading the log.
namespace zeolite::storage {

// The last position whose epoch is at most `max`; zero when there is none. Reads at most 64
// entries.
[[nodiscard]] Result<Position> last_position_in(const ObjectStore& store, Epoch max);

// The position of the entry with exactly this tid; nothing when there is none.
[[nodiscard]] Result<std::optional<Position>> find_position(const ObjectStore& store, Tid tid);

// Whether whoever was told of everything up to `tid` knows what is true after the entry before it,
// though this log, as far as `line`, has none at `tid`: no tid lies between the two, and the next
// entry is of the same reign. Another log that has the entry before parted from this one there,
// and goes on with another reign, whose first record names no object. (Not so where the entry
// before is the server's own: a log that was restored from a backup begins its reign with the same
// one once more.)
[[nodiscard]] Result<bool> adds_nothing(const ObjectStore& store, Tid tid, Tid line);

// What is to be said to a log that has `candidate`.
struct HistoryMatch {
  enum class Kind {
    // The candidate is in this log: both are the same up to it. Whether the other has more beyond
    // it, which is to be undone then, the other knows.
    same,
    // The newest position here that can be common. The other confirms that it has it with this
    // chain; if it has not, its last position below is the next candidate.
    ancestor,
    // The newest epoch that both can know: the other's last position with an epoch of at most this
    // one is the next candidate.
    probe,
  };
  Kind kind = Kind::same;
  Position ancestor{};  // kind ancestor; zero when nothing is common
  Epoch probe{};        // kind probe; below the candidate's epoch, so that asking comes to an end
  friend bool operator==(const HistoryMatch&, const HistoryMatch&) = default;
};

// Compares this log with another one that has `candidate`; zero stands for the empty log.
[[nodiscard]] Result<HistoryMatch> compare_history(const ObjectStore& store,
                                                   const Position& candidate);

// A standby that has nothing gets a copy of a database from this size on: applying its log takes
// many times as long (docs/performance.md).
inline constexpr std::uint64_t kCopyFromBytes = 64 << 20;

// Whether a copy of the database brings a standby at `position` up sooner than the log would.
[[nodiscard]] bool copy_is_quicker(const ObjectStore& store, const Position& position);

// Whether every revision of the entries after `position` is there: by what the log says so far, no
// pack may have removed one. A pack record that is appended later changes the answer.
[[nodiscard]] bool complete_after(const ObjectStore& store, const Position& position);

}  // namespace zeolite::storage
