#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "commit/calls.h"
#include "commit/commit_effects.h"
#include "model/ids.h"
#include "zeo/exceptions.h"
#include "zeo/message.h"
#include "zeo/requests.h"
#include "zeo/transaction.h"

namespace zeolite::zeo {

// What has to be found out or done on the disk before a transaction can be submitted.
struct Preparation {
  commit::Ticket ticket = 0;
  std::vector<Tid> undos;  // transactions to be undone, in this order
  // Records that may repeat the object's at another tid.
  struct Restored {
    Oid oid;
    Tid source;
    std::optional<Bytes> data;  // nothing: the object is gone
  };
  std::vector<Restored> restored;
  std::vector<Oid> blobs;  // whose uploads are to be made durable, each upload once
};

// The answer to a Preparation.
struct Prepared {
  std::vector<commit::StagedWrite> undone = {};
  // An object 0: the transaction cannot be undone as a whole.
  std::vector<std::pair<Oid, std::string>> undo_failures = {};
  // Restored records that are the same as a revision of kind data, `back`; kNoTid: deletions.
  // `via`: the revision that the client named, if that is another, which repeats it or is a
  // deletion, too.
  struct Repeated {
    Oid oid;
    Tid back;
    Tid via{};
  };
  std::vector<Repeated> repeated = {};
  struct Blob {
    Oid oid;
    BlobInfo info;
    std::string staged_name;
  };
  std::vector<Blob> blobs = {};
  // StagedTransaction says what it is; read before anything else of this.
  Tid swept_pack = {};
};

// What the caller must carry out for a session, list by list in this order.
struct SessionEffects {
  // Encoded messages to be sent.
  std::string output;

  // The client registers: find the storage, then call registered() or refused().
  struct Register {
    std::string storage;
    bool read_only = false;
  };
  std::optional<Register> attach;

  std::vector<Read> reads;

  // Uploads of blobs, in order. One at a time.
  struct BlobBegin {};
  struct BlobChunk {
    Bytes data;
  };
  struct BlobEnd {
    Oid oid;
  };
  // The file is in the shared directory.
  struct BlobShared {
    Oid oid;
    std::string file_name;
  };
  using BlobStep = std::variant<BlobBegin, BlobChunk, BlobEnd, BlobShared>;
  std::vector<BlobStep> blobs;
  // Uploads of the transaction are to be dropped, unless they were committed: it has ended, or
  // will.
  bool drop_blobs = false;

  // Find out, then call prepared().
  std::optional<Preparation> prepare;

  std::vector<commit::calls::Call> engine;

  // The commit that call `id` asked for is visible at `tid`: send the storage's info, then the tid.
  struct Committed {
    Value id;
    Tid tid;
  };
  std::optional<Committed> committed;

  bool answer_ruok = false;          // send the status as JSON, then close
  std::vector<std::int64_t> forget;  // iterators
  std::optional<std::string> label;  // what the client calls itself

  // Send what is queued, then close for this reason.
  std::optional<Error> close;
};

// The protocol state of one ZEO client: greeting, registration, its transaction, and which call
// waits for which answer. Specification: ZEO.StorageServer and ZEO.asyncio of ZEO 5.4 and 6.0;
// what differs is said in docs/zeo-protocol.md.
//
// A client has one transaction at a time. Its stores are only gathered until it votes; then the
// coordinator locks and checks all objects together. Conflicts are answered with the data, so that
// the client can resolve them, store again and vote again.
//
// Sans-IO: messages in, effects out. Reads carry no state and are passed through.
// Thread: its connection's shard. Owner: the connection.
class Session {
 public:
  struct Options {
    Encoding announce = Encoding::pickle;  // what new clients are offered
    bool read_only = false;
    std::uint64_t transaction_bytes_max = 256ULL << 20;
  };
  // `owner` names the connection to the coordinator: unique in the process, not 0, below 2^32.
  Session(commit::OwnerId owner, const Options& options);

  // Greets: the server speaks first. Until then the client is parked, and only its asking for the
  // status is answered. Without effect when that has ended the session.
  void start(SessionEffects& effects);

  // One message without its length. What makes no sense ends the connection.
  void on_message(const Bytes& message, SessionEffects& effects);

  // Answers to effects.attach. After registered() the caller sends what becomes visible from then
  // on; `last` is the newest transaction the client is told of by this.
  void registered(Tid last, SessionEffects& effects);
  void refused(const Exception& why, SessionEffects& effects);

  // Whether the answer to this effects.prepare is still wanted: the transaction has not ended.
  [[nodiscard]] bool is_preparing(commit::Ticket ticket) const {
    return transaction_ && stage_ == Stage::preparing && ticket == ticket_;
  }
  // Answer to effects.prepare; ignored when it is not wanted any more.
  void prepared(commit::Ticket ticket, Result<Prepared> result, SessionEffects& effects);
  // An answer of the coordinator to one of this session's tickets.
  void on_reply(commit::CommitEffects::Reply reply, SessionEffects& effects);

  [[nodiscard]] commit::OwnerId owner() const { return owner_; }
  [[nodiscard]] Encoding encoding() const { return encoding_; }
  [[nodiscard]] bool live() const { return state_ == State::live; }
  [[nodiscard]] bool read_only() const { return read_only_; }
  // Calls for new oids that wait for their answer. Bounding them is the caller's.
  [[nodiscard]] std::size_t oid_calls() const { return oid_calls_.size(); }
  // Bytes that the unfinished transaction holds, about.
  [[nodiscard]] std::uint64_t held_bytes() const { return transaction_ ? transaction_->held() : 0; }
  // A transaction is being built, and the client is to go on with it.
  [[nodiscard]] bool is_building() const { return transaction_ && stage_ == Stage::open; }
  // Of which objects the open transaction stores blobs. Precondition: there is one.
  [[nodiscard]] const std::set<Oid>& blobs() const { return transaction_->blobs(); }
  // Messages of transactions so far, to see it go on.
  [[nodiscard]] std::uint64_t parts() const { return parts_; }

 private:
  enum class State : std::uint8_t {
    parked,
    expecting_greeting,
    expecting_register,
    registering,
    live,
    closed
  };
  enum class Stage : std::uint8_t {
    open,       // being built
    preparing,  // for its vote
    voting,
    voted,
    finishing
  };
  // An immediate answer, or nothing: it follows later.
  using Answer = std::expected<std::optional<Value>, Exception>;
  struct Method {
    Answer (Session::*run)(const Call& call, SessionEffects& effects);
    bool answers_later = false;  // so it cannot be called without wanting an answer
    // Whether it goes on with the transaction, and whether that then holds what came with it.
    enum class Part : std::uint8_t {
      no,
      passed_on,
      kept
    };
    Part part = Part::no;
  };
  [[nodiscard]] static const Method* find_method(std::string_view name);

  void on_greeting(const Bytes& message, SessionEffects& effects);
  void on_call(const Call& call, std::size_t message_bytes, SessionEffects& effects);
  // Counts a message of the open transaction. When that has become too large it is doomed, and what
  // came and comes for it is dropped; an exception: it was too large as it was begun.
  [[nodiscard]] std::optional<Exception> add_part(const Method& method, std::size_t bytes,
                                                  SessionEffects& effects);
  void protocol_error(std::string what, SessionEffects& effects);
  void send_result(const Value& id, const Value& result, SessionEffects& effects) const;
  void send_exception(const Value& id, const Exception& why, SessionEffects& effects) const;

  Answer on_register(const Call& call, SessionEffects& effects);
  Answer set_client_label(const Call& call, SessionEffects& effects);

  // Reads (session_reads.cc).
  Answer get_info(const Call& call, SessionEffects& effects);
  Answer last_transaction(const Call& call, SessionEffects& effects);
  Answer ping(const Call& call, SessionEffects& effects);
  Answer server_status(const Call& call, SessionEffects& effects);
  Answer get_invalidations(const Call& call, SessionEffects& effects);
  Answer load_before(const Call& call, SessionEffects& effects);
  Answer load_serial(const Call& call, SessionEffects& effects);
  Answer get_tid(const Call& call, SessionEffects& effects);
  Answer history(const Call& call, SessionEffects& effects);
  Answer record_iternext(const Call& call, SessionEffects& effects);
  Answer iterator_start(const Call& call, SessionEffects& effects);
  Answer iterator_next(const Call& call, SessionEffects& effects);
  Answer iterator_record_start(const Call& call, SessionEffects& effects);
  Answer iterator_record_next(const Call& call, SessionEffects& effects);
  Answer iterator_gc(const Call& call, SessionEffects& effects);
  Answer undo_log(const Call& call, SessionEffects& effects);
  Answer undo_info(const Call& call, SessionEffects& effects);
  Answer send_blob(const Call& call, SessionEffects& effects);
  Answer pack(const Call& call, SessionEffects& effects);

  // Transactions (session_transactions.cc).
  Answer new_oids(const Call& call, SessionEffects& effects);
  Answer tpc_begin(const Call& call, SessionEffects& effects);
  Answer storea(const Call& call, SessionEffects& effects);
  Answer restorea(const Call& call, SessionEffects& effects);
  Answer delete_object(const Call& call, SessionEffects& effects);
  Answer check_current(const Call& call, SessionEffects& effects);
  Answer undoa(const Call& call, SessionEffects& effects);
  Answer store_blob_start(const Call& call, SessionEffects& effects);
  Answer store_blob_chunk(const Call& call, SessionEffects& effects);
  Answer store_blob_end(const Call& call, SessionEffects& effects);
  Answer store_blob_shared(const Call& call, SessionEffects& effects);
  Answer vote(const Call& call, SessionEffects& effects);
  Answer tpc_finish(const Call& call, SessionEffects& effects);
  Answer tpc_abort(const Call& call, SessionEffects& effects);

  // The open transaction that `call` names with its argument `i`.
  [[nodiscard]] std::expected<Transaction*, Exception> open_transaction(const Call& call,
                                                                        std::size_t i);
  [[nodiscard]] bool is_current(const Value* id) const;
  void attach_blob(Oid oid);
  // Why a record cannot be kept, if so, is told by the vote.
  void judge_record(const Bytes& data);
  [[nodiscard]] commit::Ticket new_ticket();
  // Asks for what must be known before the vote, or submits at once.
  void prepare(SessionEffects& effects);
  void submit(SessionEffects& effects);
  void on_voted(SessionEffects& effects);
  void on_conflicts(const std::vector<commit::Conflict>& conflicts, SessionEffects& effects);
  // The exception that these conflicts are, when they are not for the client to resolve.
  [[nodiscard]] std::optional<Exception> fatal_conflict(
      const std::vector<commit::Conflict>& conflicts) const;
  void on_oids(const Value& id, const commit::CommitEffects::Reply& reply, SessionEffects& effects);
  // A server that stops hangs up: applications repeat what a lost connection ended, and nothing
  // that got an answer which they do not know. Whether it is that.
  [[nodiscard]] bool hangs_up(const Error& why, SessionEffects& effects);
  void fail_vote(const Exception& why, SessionEffects& effects);
  void end_transaction(SessionEffects& effects);

  commit::OwnerId owner_;
  Options options_;
  State state_ = State::parked;
  Encoding encoding_ = Encoding::pickle;
  bool read_only_ = false;
  bool registering_read_only_ = false;
  Value register_id_;
  std::uint32_t next_ticket_ = 1;

  std::optional<Transaction> transaction_;
  std::uint64_t parts_ = 0;
  Stage stage_ = Stage::open;
  commit::Ticket ticket_ = 0;  // of the vote in progress or won
  commit::Ticket finish_ticket_ = 0;
  Value reply_id_;       // of the vote or finish in progress
  unsigned rounds_ = 0;  // votes that met conflicts
  unsigned plans_ = 0;   // of undo, for the vote in progress
  Prepared prepared_;
  std::optional<Exception> doomed_;  // why the vote will fail
  bool uploading_ = false;           // between storeBlobStart and storeBlobEnd
  std::vector<std::pair<commit::Ticket, Value>> oid_calls_;  // new_oids that wait
};

}  // namespace zeolite::zeo
