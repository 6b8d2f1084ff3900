#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The vocabulary of the client library. Needs nothing but the C++20 standard library.
namespace zeolite::client {
inline namespace v1 {

// Object id: names one object for ever. 0 is the root object by convention.
struct Oid {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(const Oid&, const Oid&) = default;
};

// Transaction id: a moment in the database's history, strictly increasing with every commit.
// 0 means "no transaction".
struct Tid {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(const Tid&, const Tid&) = default;
};

// 16 lower-case hexadecimal digits, as the command line prints them.
[[nodiscard]] std::string to_string(Oid oid);
[[nodiscard]] std::string to_string(Tid tid);
// Accept 1 to 16 hexadecimal digits, optionally after "0x"; else nothing.
[[nodiscard]] std::optional<Oid> parse_oid(std::string_view text);
[[nodiscard]] std::optional<Tid> parse_tid(std::string_view text);
// When the transaction was committed, by the server's clock; to the microsecond.
[[nodiscard]] std::chrono::system_clock::time_point time_of(Tid tid);

// An object's record: immutable bytes that are shared, not copied. Copies are cheap and may be used
// by any thread; the bytes live as long as any copy does, whatever happens to the cache.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::string bytes)
      : bytes_(std::make_shared<const std::string>(std::move(bytes))) {}
  explicit Bytes(std::shared_ptr<const std::string> bytes) : bytes_(std::move(bytes)) {}

  [[nodiscard]] std::string_view view() const noexcept {
    return bytes_ ? std::string_view(*bytes_) : std::string_view();
  }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_ ? bytes_->size() : 0; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] std::string str() const { return std::string(view()); }
  // The shared string itself; null when empty.
  [[nodiscard]] const std::shared_ptr<const std::string>& shared() const noexcept { return bytes_; }

  friend bool operator==(const Bytes& a, const Bytes& b) noexcept { return a.view() == b.view(); }

 private:
  std::shared_ptr<const std::string> bytes_;
};

// Names one commit attempt for ever, so that its outcome can be asked for later, also by another
// process.
struct CommitId {
  std::array<std::uint8_t, 16> session{};
  std::uint64_t number = 0;
  Tid begun;  // what the client had seen when it sent the commit
  friend bool operator==(const CommitId&, const CommitId&) = default;
};
// Text that parse_commit_id() accepts: three hexadecimal fields with dashes between.
[[nodiscard]] std::string to_string(const CommitId& id);
[[nodiscard]] std::optional<CommitId> parse_commit_id(std::string_view text);

// What became of a commit.
struct Outcome {
  enum class State {
    committed,  // it is in the database, at `tid`
    aborted,    // it is not, and never will be
    pending,    // not decided yet: ask again
    expired,    // the server has forgotten; it may have committed or not
  };
  State state = State::pending;
  Tid tid;
};

// One object that stands in the way of a commit.
struct Conflict {
  Oid oid;
  Tid current;        // the revision that is committed now
  Tid base;           // the one this transaction saw
  bool read = false;  // read_current() failed, not a write
  friend bool operator==(const Conflict&, const Conflict&) = default;
};

// One transaction of the log.
struct LogEntry {
  struct Object {
    enum class Kind {
      data,
      back_pointer,
      deletion
    };
    Oid oid;
    Tid previous;  // its revision before this one; 0: it did not exist
    Kind kind = Kind::data;
    std::uint32_t size = 0;  // bytes of the record; 0 unless kind is data
  };
  Tid tid;
  std::string user;
  std::string description;
  std::string extension;
  std::vector<Object> objects;
};

// A piece of the log.
struct LogPage {
  std::vector<LogEntry> entries;
  Tid next_after;    // where to go on
  bool end = false;  // there is nothing more up to the server's newest visible transaction
};

// What the server says of itself.
struct ServerStatus {
  enum class Role {
    starting,
    primary,
    standby
  };
  struct Standby {
    std::string node;
    Tid acknowledged;
    std::uint64_t lag_transactions = 0;
    std::string state;
    bool in_sync = false;              // it may be promoted
    std::chrono::milliseconds lag{0};  // since it last had everything
    std::string address;
  };
  Role role = Role::starting;
  std::string node;
  std::string storage;
  std::string version;
  std::uint64_t epoch = 0;
  Tid last_tid;
  Tid visible_tid;
  std::uint64_t clients = 0;
  std::uint64_t voted = 0, waiting = 0;
  std::uint64_t commits = 0, conflicts = 0, aborts = 0, loads = 0;
  std::chrono::milliseconds uptime{0};
  bool accepts_writes = true;
  std::string refuses_why;  // when it does not
  std::vector<Standby> standbys;
  std::string leader;          // address of the primary, when it is known
  std::string durability;      // what a commit waits for
  std::uint64_t promised = 0;  // epoch: the node obeys no lower one
};

// Counters of one Client since it was made, but for `cache_*_now`.
struct Stats {
  std::uint64_t cache_hits = 0, cache_misses = 0;
  std::uint64_t cache_bytes_now = 0, cache_revisions_now = 0;
  std::uint64_t evictions = 0;
  std::uint64_t invalidations = 0;  // objects named by invalidations
  std::uint64_t commits = 0, conflicts = 0;
  std::uint64_t outcomes_asked = 0;  // commits whose reply was lost and then found out
  std::uint64_t connections = 0;     // successful handshakes
  std::uint64_t caches_dropped = 0;  // the server did not know our position
  bool started_warm = false;         // the cache file was read at the start
};

enum class LogLevel {
  debug,
  info,
  warning,
  error
};

}  // namespace v1
}  // namespace zeolite::client

template <>
struct std::hash<zeolite::client::Oid> {
  std::size_t operator()(zeolite::client::Oid oid) const noexcept {
    return static_cast<std::size_t>((oid.value * 0x9E3779B97F4A7C15ULL) ^ (oid.value >> 32));
  }
};
template <>
struct std::hash<zeolite::client::Tid> {
  std::size_t operator()(zeolite::client::Tid tid) const noexcept {
    return static_cast<std::size_t>((tid.value * 0x9E3779B97F4A7C15ULL) ^ (tid.value >> 32));
  }
};
