#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

#include "base/check.h"

// The state of the failover model: three nodes, the coordination service's keys, every reign that
// ever was, and what the world outside was told. All small numbers, so that a state is some 150
// bytes and can be compared and hashed as such.
namespace zeolite::protocol {

inline constexpr std::size_t kNodes = 3;
inline constexpr std::size_t kReignsMax = 3;
inline constexpr std::size_t kLogMax = 7;
inline constexpr std::size_t kRequestsMax = 3;

using Index = std::uint8_t;  // a node, a reign, a place in a log: what it says where it is used
using Mask = std::uint8_t;   // one bit for each node, or for each request

[[nodiscard]] constexpr Mask bit(std::size_t at) { return static_cast<Mask>(1U << at); }
[[nodiscard]] constexpr bool has(Mask mask, std::size_t at) { return (mask & bit(at)) != 0; }
constexpr void add(Mask& mask, std::size_t at) { mask = static_cast<Mask>(mask | bit(at)); }
constexpr void drop(Mask& mask, std::size_t at) { mask = static_cast<Mask>(mask & ~bit(at)); }

enum class EntryKind : std::uint8_t {
  epoch,
  commit,     // of a request
  tombstone,  // of a request: it will never commit
  pack,       // from here on what commits before it wrote may be removed
  removal,    // of what a request's commit wrote
};

// One log entry. Its place in the log stands for its tid: the same epoch and place must mean the
// same entry.
struct Entry {
  std::uint8_t bits = 0;  // 0: none

  constexpr Entry() = default;
  constexpr Entry(Index epoch, EntryKind kind, std::size_t request = 0)
      : bits(static_cast<std::uint8_t>(epoch << 5U | static_cast<unsigned>(kind) << 2U | request)) {
  }
  [[nodiscard]] constexpr bool none() const { return bits == 0; }
  [[nodiscard]] constexpr Index epoch() const { return static_cast<Index>(bits >> 5U); }
  [[nodiscard]] constexpr EntryKind kind() const { return static_cast<EntryKind>(bits >> 2U & 7U); }
  [[nodiscard]] constexpr std::size_t request() const { return bits & 3U; }
  [[nodiscard]] constexpr bool is(EntryKind what, std::size_t of) const {
    return !none() && kind() == what && request() == of;
  }
  friend bool operator==(const Entry&, const Entry&) = default;
};

struct Log {
  std::array<Entry, kLogMax> entries{};  // none beyond size
  Index size = 0;

  [[nodiscard]] bool full() const { return size == kLogMax; }
  void append(Entry entry) {
    CHECK(!full(), "the bounds leave room for every entry");
    entries[size++] = entry;
  }
  void cut(std::size_t length) {
    while (size > length) {
      entries[--size] = Entry();
    }
  }
  // Whether one of the first `within` entries is that.
  [[nodiscard]] bool contains(EntryKind kind, std::size_t request,
                              std::size_t within = kLogMax) const {
    for (std::size_t at = 0; at < size && at < within; ++at) {
      if (entries[at].is(kind, request)) {
        return true;
      }
    }
    return false;
  }
  // How many entries both begin with.
  [[nodiscard]] Index shared_with(const Log& other) const {
    Index at = 0;
    while (at < size && at < other.size && entries[at] == other.entries[at]) {
      ++at;
    }
    return at;
  }
  // Requests whose revisions its removal records remove, from place `from` on.
  [[nodiscard]] Mask removals(std::size_t from = 0) const {
    Mask removed = 0;
    for (std::size_t at = from; at < size; ++at) {
      if (entries[at].kind() == EntryKind::removal) {
        add(removed, entries[at].request());
      }
    }
    return removed;
  }
  friend bool operator==(const Log&, const Log&) = default;
};

// A data directory, and the process on it.
struct Node {
  Log log;
  Index durable = 0;  // entries that survive a crash
  Index promise = 0;
  Mask removed = 0;  // requests whose revisions were packed away
  // A checkpoint on its way here: 1 + its reign, or 0; and how long its log is.
  Index checkpoint_of = 0;
  Index checkpoint_size = 0;
  Mask kept_outcomes = 0;  // of commits undone here; by mutation only
};

// The handover message was acted on, or lost; its sender cannot tell which.
inline constexpr Index kHandoverGone = kNodes + 1;

// One node's attempt to lead, successful or not.
struct Reign {
  Log sent;  // what it ever sent: it may arrive at any time, as long as somebody accepts it
  Index owner = 0;
  Index epoch = 0;
  std::uint8_t alive = 0;                 // its process has not ended
  std::uint8_t serving = 0;               // it has written its epoch record and the sync key
  std::uint8_t served = 0;                // ever
  Mask waited = 0;                        // Q
  Mask published = 0;                     // S, as far as the owner knows
  Index acknowledged = 0;                 // entries
  Index inherited = 0;                    // entries it began with, its epoch record among them
  std::array<Index, kNodes> confirmed{};  // entries each standby acknowledged
  Index draining_to = 0;                  // 1 + the target of a switchover, or 0
  Index handed_to = 0;                    // 1 + whom a handover message is on its way to, or 0
  Mask remembered = 0;                    // tombstones kept in memory; by mutation only

  [[nodiscard]] bool handover_under_way() const {
    return handed_to != 0 && handed_to != kHandoverGone;
  }
};

// What went wrong in a step itself.
enum class Fault : std::uint8_t {
  none,
  two_acknowledged,  // two entries at one place
  outcome_changed,   // two answers about one request
  two_serve_one_epoch
};

enum class Answer : std::uint8_t {
  none,
  committed,
  aborted
};

struct FailoverState {
  std::array<Node, kNodes> nodes{};
  std::array<Reign, kReignsMax> reigns{};
  Index reign_count = 0;

  // The coordination service.
  Index leader = 0;         // 1 + the reign whose leader key is there, or 0
  Index epoch_counter = 0;  // the newest epoch handed out
  Index sync_leader = 0;    // a node; means something once an epoch was handed out
  Mask sync_members = 0;    // S

  // How much of the bounds is used up.
  Index appends = 0;
  Index requests = 0;
  Index handovers = 0;

  // What the world outside knows, to be held against the newest reign that served.
  Index newest = 0;                       // 1 + that reign, or 0
  std::array<Entry, kLogMax> answered{};  // by place in the log: acknowledged
  std::array<Entry, kLogMax> seen{};      // shown to a reader
  std::array<Answer, kRequestsMax> outcomes{};
  Fault fault = Fault::none;

  Mask ever_members = 0;  // of S; by mutation only
};

}  // namespace zeolite::protocol
