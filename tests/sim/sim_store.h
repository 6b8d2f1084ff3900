#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "model/ids.h"
#include "model/transaction_record.h"
#include "sim/event_queue.h"
#include "sim/random.h"
#include "storage/log_tail.h"
#include "storage/memory_object_store.h"
#include "wire/messages_replication.h"

namespace zeolite::sim {

// The data directory of a node: a log that becomes durable when its sync ends, the node's promise,
// and what it has heard of. Outlives the process.
//
// What is durable is in a MemoryObjectStore, for reads. A group that is being synced is known by
// its positions only. A crash keeps the first of the groups under way, or none of them: each is
// atomic, and none is kept without those before it.
class SimStore {
 public:
  struct Entry {
    TransactionRecord record;
    Position position;
  };
  using Appended = std::function<void(Result<Position>)>;

  SimStore(EventQueue& queue, Random random, const Id128& cluster, Duration usual_sync);

  // ---- as a server's disk ----

  enum class Room : std::uint8_t {
    any,
    reserve,  // what is kept back for groups whose commits were taken before the disk was full
  };
  // After the groups before it. Errors: out_of_space, and nothing was written.
  void append(const Process& process, std::vector<TransactionRecord> group, Appended appended,
              Room room = Room::any);
  // What they are told: whether it is stored. It is not while the disk is full.
  using Stored = std::function<void(bool)>;
  void store_promise(const Process& process, Epoch promise, Stored stored);
  void store_heard(const Process& process, Epoch heard, Stored stored);
  [[nodiscard]] const storage::MemoryObjectStore& objects() const { return *objects_; }
  [[nodiscard]] Epoch promise() const { return promise_; }
  // The latest that was stored as heard of; the promise may be later.
  [[nodiscard]] Epoch heard() const { return heard_; }
  [[nodiscard]] Id128 cluster() const { return cluster_; }
  [[nodiscard]] Position last() const { return durable_end(entries_.size() - pending_entries()); }
  // With what is being synced.
  [[nodiscard]] Position end() const { return durable_end(entries_.size()); }
  [[nodiscard]] bool busy() const { return !pending_.empty(); }
  [[nodiscard]] bool full() const { return full_; }
  // Entries after `tid`; with those being synced, if `pending`.
  [[nodiscard]] std::span<const Entry> entries_after(Tid tid, bool pending) const;
  // All revisions and what is known of packs; nothing else of the log.
  [[nodiscard]] std::uint64_t content_hash() const;
  // The durable position of that tid; nothing when there is none.
  [[nodiscard]] std::optional<Position> position_of(Tid tid) const;
  // Writes what is after `to` aside, durably.
  void archive_after(const Position& to);
  // Undoes what is after `to`, a durable position; nothing may be under way.
  void roll_back(const Position& to);
  // Something that is gone would have to come back.
  [[nodiscard]] bool removes_after(const Position& to) const;

  // ---- a copy that takes the place of everything but the promise and what was heard ----

  using Files = std::vector<std::vector<Entry>>;
  struct Complete {
    std::optional<Position> replaces{};  // the end of the own log then; nothing: whatever it is
  };
  struct Incoming {
    wire::CheckpointBegin begin{};
    Files files{};                       // the first ones, which are whole
    std::optional<Complete> complete{};  // the next start installs it
  };
  // Durable at once.
  [[nodiscard]] std::optional<Incoming>& incoming() { return incoming_; }
  enum class Installed : std::uint8_t {
    nothing,
    installed,
    outdated
  };
  // As storage/checkpoint_install.h; `looks`: whether the log has gone on since.
  Installed install(bool looks);
  void replace(std::vector<Entry> entries, const Id128& cluster);

  // ---- faults ----

  // The process ended: what is under way is kept to a drawn part.
  void crash();
  void set_full(bool full) { full_ = full; }
  void set_usual_sync(Duration usual) { usual_sync_ = usual; }
  // How many entries were undone here, ever, and how many of them are nowhere else here.
  [[nodiscard]] std::size_t undone() const { return undone_; }
  [[nodiscard]] std::size_t undone_for_good() const { return undone_for_good_; }
  // Grows whenever something is there no more.
  [[nodiscard]] std::uint64_t losses() const { return losses_; }

 private:
  struct Pending {
    std::size_t count = 0;  // entries, at the end of entries_
    Appended appended;
  };
  Duration sync_time();
  [[nodiscard]] std::size_t pending_entries() const;
  [[nodiscard]] Position durable_end(std::size_t count) const {
    return count == 0 ? Position{} : entries_[count - 1].position;
  }
  void sync_next(const Process& process);
  void apply_first();
  void rebuild();

  EventQueue& queue_;
  Random random_;
  Id128 cluster_;
  Duration usual_sync_;
  Epoch promise_;
  Epoch heard_;
  std::vector<Entry> entries_;  // the durable ones, then the pending ones
  storage::LogTail tail_;       // at the end of entries_
  std::deque<Pending> pending_;
  std::unique_ptr<storage::MemoryObjectStore> objects_;
  std::optional<Incoming> incoming_;
  bool full_ = false;
  std::size_t undone_ = 0;
  std::size_t undone_for_good_ = 0;
  std::uint64_t losses_ = 0;
  std::set<ChainHash> archived_;
};

}  // namespace zeolite::sim
