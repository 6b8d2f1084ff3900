#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "model/ids.h"
#include "model/transaction_record.h"

// One struct per message of the native protocol; docs/wire-protocol.md tells when each is sent.
// Bytes fields of decoded messages share the memory of the frame they came in.
namespace zeolite::wire {

// Fixed for ever; a frame's `type`.
enum class MessageType : std::uint8_t {
  hello = 1, welcome = 2, error = 3, ping = 4, pong = 5,
  load = 10, loaded = 11, load_many = 12, loaded_many = 13, load_serial = 14,
  stage = 20, vote = 21, voted = 22, finish = 23, abort = 24, commit = 25, committed = 26,
  conflicted = 27, done = 28,
  outcome = 30, outcome_known = 31, new_oids = 32, oids = 33,
  read_log = 40, log = 41, status = 42, status_report = 43, verify = 44, verify_report = 45,
  walk = 46, walked = 47,
  invalidate = 50,
};

inline constexpr std::uint32_t kProtocolVersion = 1;

// What the server is to the cluster.
enum class NodeRole : std::uint8_t { starting = 0, primary = 1, standby = 2 };

// ---- handshake ---------------------------------------------------------------------------------

// First frame of a client. The server answers welcome or error.
struct Hello {
  static constexpr MessageType kType = MessageType::hello;
  std::uint32_t version_min = kProtocolVersion;
  std::uint32_t version_max = kProtocolVersion;
  std::uint64_t features = 0;  // bits the client understands; unknown bits are ignored
  std::string storage = "main";
  std::string label;      // for logs and status; at most 200 bytes are kept
  SessionId session{};    // random, the client's for its whole life
  // Where the client's cache stands; tid 0: no cache. The chain is compared when it is not zero.
  Position cache;
  bool wants_invalidations = true;  // false: no invalidate frames (command line tools)
};

struct Welcome {
  static constexpr MessageType kType = MessageType::welcome;
  std::uint32_t version = kProtocolVersion;
  std::uint64_t features = 0;  // those both sides understand
  Id128 cluster_id{};
  std::string node;
  NodeRole role = NodeRole::starting;
  Epoch epoch;
  // The connection's snapshot line: loads are answered as of this tid until the first invalidate.
  Position visible;
  // True: the invalidate frames sent before this one bring the cache from Hello.cache to visible.
  // False: the cache's position is not in our history; drop it.
  bool cache_valid = false;
  std::uint32_t body_max = 0;               // largest body the server accepts
  std::uint64_t transaction_bytes_max = 0;  // largest transaction, all its stages together
};

// ---- any time ----------------------------------------------------------------------------------

// Answer to any request that failed; with request_id 0, the reason why the connection is closed.
struct ErrorReply {
  static constexpr MessageType kType = MessageType::error;
  Error error{ErrorCode::protocol_error, {}};
};

// The pong carries the payload back and comes after all invalidations up to `visible`.
struct Ping {
  static constexpr MessageType kType = MessageType::ping;
  Bytes payload;
};
struct Pong {
  static constexpr MessageType kType = MessageType::pong;
  Bytes payload;
  Tid visible;
};

// Sent by the server in strictly increasing tid order: these objects have a newer revision, and
// the connection's line is now `tid`. The committer gets its reply instead. oids may be empty.
// A transaction with very many oids, and the catch-up after Hello, come as several frames with the
// same tid; the line moves at the one with `last`.
struct Invalidate {
  static constexpr MessageType kType = MessageType::invalidate;
  Tid tid;
  std::vector<Oid> oids;
  bool last = true;
};

// ---- reads -------------------------------------------------------------------------------------

// The newest revision with tid < before, as of the line. before == kMaxTid: current. Answer: loaded.
struct Load {
  static constexpr MessageType kType = MessageType::load;
  Oid oid;
  Tid before = kMaxTid;
};
// The revision written exactly at tid. Answer: loaded, `end` not set.
struct LoadSerial {
  static constexpr MessageType kType = MessageType::load_serial;
  Oid oid;
  Tid tid;
};
enum class LoadedStatus : std::uint8_t { found = 0, unknown = 1, not_yet = 2, deleted = 3 };
struct Loaded {
  static constexpr MessageType kType = MessageType::loaded;
  LoadedStatus status = LoadedStatus::unknown;
  Bytes data;
  Tid tid;
  Tid end;  // tid of the next revision; 0: this one is current as of the line
};
// Several loads at one line; at most 10,000. The answer holds one Loaded each, in order, but may
// stop early (fewer entries, at least one) so as to fit a frame: ask again for the rest.
struct LoadMany {
  static constexpr MessageType kType = MessageType::load_many;
  std::vector<Oid> oids;
  Tid before = kMaxTid;
};
struct LoadedMany {
  static constexpr MessageType kType = MessageType::loaded_many;
  std::vector<Loaded> items;
};
// Objects with a current revision, from oid `from` on; at most `count` (1..10,000). `next` 0 = end.
struct Walk {
  static constexpr MessageType kType = MessageType::walk;
  Oid from;
  std::uint32_t count = 1000;
};
struct Walked {
  static constexpr MessageType kType = MessageType::walked;
  struct Item {
    Oid oid;
    Tid tid;
  };
  std::vector<Item> items;
  Oid next;
};

// ---- commit ------------------------------------------------------------------------------------

struct WireWrite {
  Oid oid;
  Tid base;  // revision this state was made from; 0: new object
  RevisionKind kind = RevisionKind::data;  // data or deletion
  Bytes data;
};
struct WireRead {
  Oid oid;
  Tid tid;
};

// A part of transaction `number` of this connection, when it does not fit one frame. No answer;
// an error ends the connection. Later parts and the vote or commit add to it.
struct Stage {
  static constexpr MessageType kType = MessageType::stage;
  std::uint64_t number = 0;
  std::vector<WireWrite> writes;
  std::vector<WireRead> reads;
};

// The (rest of the) transaction, asking for a vote or for the whole commit. (Hello.session, number)
// names it for ever.
struct CommitBody {
  std::uint64_t number = 0;
  Tid begun;  // the client's line when it first sent this commit
  TransactionMetadata metadata;
  std::vector<WireWrite> writes;
  std::vector<WireRead> reads;
};
// Answer: voted, conflicted, error, or committed (when this number is committed already).
struct Vote : CommitBody {
  static constexpr MessageType kType = MessageType::vote;
};
struct Voted {
  static constexpr MessageType kType = MessageType::voted;
};
// Answer: committed or error.
struct Finish {
  static constexpr MessageType kType = MessageType::finish;
  std::uint64_t number = 0;
};
// Answer: done, also when there is no such transaction.
struct Abort {
  static constexpr MessageType kType = MessageType::abort;
  std::uint64_t number = 0;
};
// Vote and finish in one. Answer: committed, conflicted or error.
struct Commit : CommitBody {
  static constexpr MessageType kType = MessageType::commit;
};
// All invalidations below tid were sent before; the line is now tid.
struct Committed {
  static constexpr MessageType kType = MessageType::committed;
  Tid tid;
  Epoch epoch;
};
struct WireConflict {
  Oid oid;
  Tid current;
  Tid base;
  bool read = false;
};
struct Conflicted {
  static constexpr MessageType kType = MessageType::conflicted;
  std::vector<WireConflict> conflicts;
};
struct Done {
  static constexpr MessageType kType = MessageType::done;
};

// What became of a commit whose answer was lost. Answer: outcome_known, or error `unavailable`
// (still pending: ask again), `expired`.
struct OutcomeQuery {
  static constexpr MessageType kType = MessageType::outcome;
  CommitId commit_id;
  Tid begun;
};
struct OutcomeKnown {
  static constexpr MessageType kType = MessageType::outcome_known;
  bool committed = false;  // false: it did not and never will
  Tid tid;
};

// Fresh oids, 1..10,000. Answer: oids [first, first + count).
struct NewOids {
  static constexpr MessageType kType = MessageType::new_oids;
  std::uint32_t count = 100;
};
struct Oids {
  static constexpr MessageType kType = MessageType::oids;
  Oid first;
  std::uint32_t count = 0;
};

// ---- log, administration ------------------------------------------------------------------------

// Transactions with after < tid <= until, in order, at most `count` (1..10,000) and as fit a frame.
struct ReadLog {
  static constexpr MessageType kType = MessageType::read_log;
  Tid after;
  Tid until = kMaxTid;
  std::uint32_t count = 1000;
};
struct LogReply {
  static constexpr MessageType kType = MessageType::log;
  struct Item {
    Tid tid;
    TransactionMetadata metadata;
    char status = ' ';
    std::vector<ObjectSummary> objects;
  };
  std::vector<Item> items;
  Tid next_after;  // continue from here
  bool end = false;  // nothing more up to the line
};

struct StatusQuery {
  static constexpr MessageType kType = MessageType::status;
};
struct StatusReport {
  static constexpr MessageType kType = MessageType::status_report;
  struct Standby {
    std::string node;
    Tid acknowledged;
    std::uint64_t lag_transactions = 0;
  };
  NodeRole role = NodeRole::starting;
  std::string node;
  std::string storage;
  std::string version;
  Epoch epoch;
  Tid last_tid;
  Tid visible_tid;
  std::uint64_t clients = 0;
  std::uint64_t voted = 0, waiting = 0;
  std::uint64_t commits = 0, conflicts = 0, aborts = 0, loads = 0;  // since the process started
  std::uint64_t uptime_ms = 0;
  bool accepts_writes = true;
  std::string refuses_why;  // when it does not
  std::vector<Standby> standbys;
};

// Runs the same check as `zeolite verify --data` on the live database, as of the line. Slow.
struct Verify {
  static constexpr MessageType kType = MessageType::verify;
};
struct VerifyReport {
  static constexpr MessageType kType = MessageType::verify_report;
  std::uint64_t transactions = 0;
  std::uint64_t revisions = 0;
  std::uint64_t blobs = 0;
  std::string digest;                 // hexadecimal
  std::vector<std::string> problems;  // empty: clean
};

using Message =
    std::variant<Hello, Welcome, ErrorReply, Ping, Pong, Invalidate, Load, LoadSerial, Loaded,
                 LoadMany, LoadedMany, Walk, Walked, Stage, Vote, Voted, Finish, Abort, Commit,
                 Committed, Conflicted, Done, OutcomeQuery, OutcomeKnown, NewOids, Oids, ReadLog,
                 LogReply, StatusQuery, StatusReport, Verify, VerifyReport>;

}  // namespace zeolite::wire
