#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "zeolite/errors.h"
#include "zeolite/types.h"

namespace zeolite::client_core {
class ClientCore;
struct ClientAccess;
}  // namespace zeolite::client_core

namespace zeolite::client {
inline namespace v1 {

// From which servers of a cluster a client reads.
enum class ReadPreference {
  primary,  // from the primary, where it commits, too
  standby,  // from a standby, or the primary when there is none; it only reads
};

struct Options {
  // "host:port" of each node of one cluster, in order of preference. The client finds the primary,
  // also at an address that only the servers know.
  std::vector<std::string> addresses = {"127.0.0.1:8090"};
  std::string storage = "main";
  std::string label;  // shown in the server's log and status

  ReadPreference read_preference = ReadPreference::primary;
  // How far behind the primary a standby that is read from may be, as it knows itself; 0: any.
  std::chrono::milliseconds max_staleness{0};

  // Memory for object revisions, with all overhead; 0: no cache.
  std::size_t cache_bytes = std::size_t{64} << 20;
  // The cache is kept here across restarts; empty: not kept. One file per process: a second one
  // that names it runs without.
  std::string cache_file;
  std::chrono::milliseconds cache_save_interval{60'000};  // it is saved at close() too

  std::chrono::milliseconds connect_timeout{3'000};  // per address, as long as nothing comes
  std::chrono::milliseconds call_timeout{30'000};    // of every call, with waiting to reconnect
  // Pause between rounds over the addresses: doubles from min to max, each with jitter.
  std::chrono::milliseconds backoff_min{50};
  // A takeover lasts up to the last pause longer.
  std::chrono::milliseconds backoff_max{500};
  // A server that says nothing for this long is asked, and after as long again given up.
  std::chrono::milliseconds heartbeat{5'000};

  // Gets the library's messages, on the client's own thread or a caller's. Must not throw. The
  // library prints nothing.
  std::function<void(LogLevel, const std::string&)> log;
};

// What an asynchronous call came to.
template <typename T>
class AsyncResult {
 public:
  explicit AsyncResult(T value) : value_(std::move(value)) {}
  explicit AsyncResult(std::exception_ptr error) : error_(std::move(error)) {}

  [[nodiscard]] bool ok() const noexcept { return !error_; }
  // The value, or throws the error.
  [[nodiscard]] T get() && {
    if (error_) std::rethrow_exception(error_);
    return *std::move(value_);
  }
  [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }

 private:
  std::optional<T> value_;
  std::exception_ptr error_;
};

// Called once, on the client's own thread, or on the caller's before the call returns when the
// answer is at hand. It must not block: a blocking call of the library made there throws
// UsageError. It must not throw.
template <typename T>
using Callback = std::function<void(AsyncResult<T>)>;

// A transaction: reads one unchanging moment of the database (its snapshot) plus its own writes,
// and commits all its writes at once or none.
//
// Optimistic: nothing is locked before commit(), which fails with ConflictError when an object that
// was written (or checked with read_current) has changed since the snapshot.
//
// Thread: one at a time. Must not outlive a callback it waits for. Destroying an unfinished
// transaction aborts it.
class Transaction {
 public:
  Transaction(Transaction&&) noexcept;
  Transaction& operator=(Transaction&&) noexcept;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();

  // The moment this transaction reads.
  [[nodiscard]] Tid snapshot() const;

  // The object's record: what this transaction stored, else its revision at the snapshot. Throws
  // NotFoundError; DisconnectedError also when a takeover lost the history this snapshot is from.
  [[nodiscard]] Bytes load(Oid oid);
  // The same; nothing instead of NotFoundError.
  [[nodiscard]] std::optional<Bytes> find(Oid oid);
  // Several objects in one request; nothing for those that do not exist.
  [[nodiscard]] std::vector<std::optional<Bytes>> find_many(std::span<const Oid> oids);
  // Loads objects at this snapshot into the cache, without waiting.
  void prefetch(std::span<const Oid> oids);

  // Sets the object's record. The object need not exist, nor have been loaded.
  void store(Oid oid, std::string data);
  void store(Oid oid, const Bytes& data);
  // Deletes the object. Throws NotFoundError when there is none.
  void remove(Oid oid);
  // Commit only if the object is still as this snapshot sees it: for what a decision was based on
  // but is not written (prevents write skew).
  void read_current(Oid oid);
  // An oid that nobody else has or will get.
  [[nodiscard]] Oid new_oid();

  // For the log; each at most 65,535 bytes.
  void set_user(std::string user);
  void set_description(std::string description);
  void set_extension(std::string extension);

  // Commits and ends the transaction. Returns its tid, or the snapshot when there was nothing to
  // commit. When the reply is lost, the library itself finds out what became of the commit.
  // Throws ConflictError; DisconnectedError or TimeoutError when it certainly did not commit;
  // OutcomeUnknownError when that could not be found out within the call timeout.
  Tid commit();
  // Forgets all writes and ends the transaction. No effect when it has ended.
  void abort() noexcept;

  // Two-phase commit for a coordinator: after prepare() the server holds the objects and finish()
  // can only fail with the connection. Neither is needed for a plain commit().
  // The server gives up a prepared transaction after a minute, or when the connection is lost.
  CommitId prepare();
  Tid finish();

  // True until commit(), finish() or abort() ended it (in success or failure).
  [[nodiscard]] bool active() const;

  // load() and commit() with a callback. The transaction must live until it is called, and must not
  // be used meanwhile (several load_async may run side by side).
  void load_async(Oid oid, Callback<Bytes> done);
  void commit_async(Callback<Tid> done);
  // The record when it can be had without the network.
  [[nodiscard]] std::optional<Bytes> try_load(Oid oid);

 private:
  friend class Client;
  class Impl;
  explicit Transaction(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A connection to one storage of a cluster, with an object cache that the server keeps right.
//
// It connects in the background, to the first address that answers as primary, and again for ever
// when the connection is lost; after a takeover that is another server. Calls wait for a connection
// up to the call timeout.
//
// Thread: any, at the same time. One thread of its own does the network's work. Make one per
// process, and destroy it (or close it) after all transactions, not on its own thread.
class Client {
 public:
  // Returns at once. Throws InvalidArgumentError when an option cannot be.
  explicit Client(Options options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Waits until connected, at most the call timeout. Throws DisconnectedError with the last reason.
  void wait_connected();
  [[nodiscard]] bool connected() const;
  // Ends all calls (they throw), saves the cache file, disconnects. Idempotent.
  void close() noexcept;

  // Begins a transaction at the newest moment this client knows of. Waits only for the very first
  // connection; call sync() before to see everything that others have committed until now.
  [[nodiscard]] Transaction begin();

  // Asks the server for news: every later snapshot holds all that was committed anywhere when this
  // was called. Returns the new snapshot.
  Tid sync();
  // Every later snapshot holds transaction `at_least`: what a commit returned, here or in another
  // process. Waits until the server has it, which a standby may not yet. Returns the new snapshot.
  // A standby that does not get there in time is left for another server. Throws TimeoutError.
  Tid sync(Tid at_least);
  // What begin() would take as its snapshot; 0 when it would have to wait for one.
  [[nodiscard]] Tid snapshot() const;
  // How old that snapshot can be: time since the server was last heard of.
  [[nodiscard]] std::chrono::nanoseconds snapshot_age() const;
  // The epoch (one primary's reign) of the server that answers, as it told last; it never falls. It
  // stays that of the last connection while there is none; 0 before the first.
  [[nodiscard]] std::uint64_t epoch() const;
  // Waits until the snapshot has reached `tid`. False when `timeout` ended first.
  [[nodiscard]] bool wait_for(Tid tid, std::chrono::milliseconds timeout);

  // The object as it was at `tid` (at most the snapshot). Throws NotFoundError.
  [[nodiscard]] Bytes load_at(Oid oid, Tid tid);
  // Loads the objects' newest revisions into the cache, without waiting. Failures are ignored.
  void prefetch(std::span<const Oid> oids);
  // An oid that nobody else has or will get.
  [[nodiscard]] Oid new_oid();

  // What became of a commit (OutcomeUnknownError::commit_id(), Transaction::prepare()). Asking
  // makes an undecided one that the server has never seen `aborted` for ever.
  [[nodiscard]] Outcome outcome(const CommitId& id);

  // Transactions with after < tid, oldest first, at most `count` (1 to 10,000).
  [[nodiscard]] LogPage read_log(Tid after, std::uint32_t count = 1000);
  [[nodiscard]] ServerStatus status();
  // The time of one round trip.
  std::chrono::nanoseconds ping();
  [[nodiscard]] Stats stats() const;

 private:
  friend struct client_core::ClientAccess;
  explicit Client(std::shared_ptr<client_core::ClientCore> core);
  std::shared_ptr<client_core::ClientCore> core_;
};

}  // namespace v1
}  // namespace zeolite::client
