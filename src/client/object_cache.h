#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/ids.h"

namespace zeolite::client_core {

// A record in the client's memory: immutable, shared, and copied out of the network frame it came
// in (a frame may hold many records; keeping one must not keep them all).
using RecordPtr = std::shared_ptr<const std::string>;

// Object revisions with the interval [tid, end) of snapshots that they are right for, bounded in
// bytes.
//
// Why a hit is never stale: the cache is changed by one thread only, in the order of the
// connection's frames. The server answers a load as of its line for the connection and queues the
// answer behind the invalidations up to that line and before those above it. So when an answer says
// "current", it is so at the line that this side has reached when it reads the answer, and whatever
// ends the revision later comes as a later frame. Nothing needs to be remembered about loads under
// way. A reader's snapshot is a line that was reached before, with its invalidations applied first.
//
// Thread: find() and save_shard() from any; all else from the one that reads the connection.
// Shards by oid, each with its own mutex; eviction by second chance.
class ObjectCache {
 public:
  // `bytes_max` counts keys and bookkeeping too. 0: nothing is ever kept. A record larger than
  // half a shard (1/2 to 1/32 of the whole) is not kept.
  explicit ObjectCache(std::size_t bytes_max);

  struct Revision {
    Tid tid;
    Tid end;  // the next revision's tid; kNoTid: none up to the line
    RecordPtr data;
  };

  // The revision that a reader at `snapshot` sees; nothing when that is not known here.
  [[nodiscard]] std::optional<Revision> find(Oid oid, Tid snapshot);

  // Takes over what the server answered (or acknowledged) as of the line.
  void insert(Oid oid, Revision revision);

  // `oid` has a new revision at `tid`, which is above the line: the current one ends there.
  void invalidate(Oid oid, Tid tid);

  // `oid` changed at some time after `position`: what is known of it is right only up to there.
  void truncate(Oid oid, Tid position);

  void forget(Oid oid);
  void clear();

  struct Saved {
    Oid oid;
    Revision revision;
  };
  [[nodiscard]] std::size_t shard_count() const { return shards_.size(); }
  // Appends what the shard knows as of `position`: revisions above it left out, ends above it
  // open. Least worth keeping first. May run beside the other calls: whatever they add while it
  // runs is above the line, and `position` was the line or an earlier one.
  void save_shard(std::size_t index, Tid position, std::vector<Saved>& out);

  struct Counters {
    std::uint64_t hits = 0, misses = 0, evictions = 0;
    std::uint64_t bytes = 0, revisions = 0;
  };
  [[nodiscard]] Counters counters() const;

  // Bytes that a revision counts for beside its record.
  static constexpr std::size_t kOverheadBytes = 224;
  // Revisions kept of one object; the oldest goes first. Bounds the search within one object.
  static constexpr std::size_t kRevisionsMax = 8;

 private:
  struct Entry;
  using Entries = std::list<Entry>;
  struct Entry {
    Oid oid;
    Revision revision;
    Entries::iterator older;  // the same object's next older revision; entries.end(): none
    bool referenced = false;  // found since eviction last looked at it
  };
  struct Shard {
    mutable std::mutex mutex;
    Entries entries;  // eviction takes from the back
    std::unordered_map<Oid, Entries::iterator> newest;
    Counters counters;
  };

  [[nodiscard]] Shard& shard_of(Oid oid);
  [[nodiscard]] static std::size_t cost(const Revision& revision);
  static void remove(Shard& shard, Entries::iterator entry);
  static void link(Shard& shard, Entries::iterator entry);
  static void limit_revisions(Shard& shard, Oid oid);
  void evict(Shard& shard) const;

  std::size_t shard_bytes_max_;
  unsigned shard_shift_;  // 64 - log2(shards)
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace zeolite::client_core
