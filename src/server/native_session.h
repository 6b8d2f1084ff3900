#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/error.h"
#include "commit/calls.h"
#include "commit/commit_coordinator.h"
#include "wire/messages.h"

namespace zeolite::server {

// What a connection needs to know of the storage it is attached to.
struct AttachedStorage {
  Id128 cluster_id{};
  std::string node;
  wire::NodeRole role = wire::NodeRole::primary;
  Epoch epoch;
  Position visible;  // the line at which the connection was registered; chain may be zero
  std::uint32_t body_max = 0;
  std::uint64_t transaction_bytes_max = 0;
};

// What the caller must carry out for a session, list by list in this order.
struct SessionEffects {
  struct Send {
    std::uint32_t request_id = 0;
    wire::Message message;
  };
  std::vector<Send> send;

  // Hello was accepted: find the storage and answer with attached() or refused().
  std::optional<std::string> attach;

  // A request that commits nothing: the caller answers it itself; reads at the connection's line.
  struct Read {
    std::uint32_t request_id = 0;
    std::variant<wire::Load, wire::LoadSerial, wire::LoadMany, wire::Walk, wire::ReadLog,
                 wire::StatusQuery, wire::Verify, wire::Pack, wire::Ping, wire::Await,
                 wire::Promote, wire::Switchover, wire::Demote, wire::LoadBlob>
        what;
  };
  std::vector<Read> read;

  // Calls on the commit coordinator, with this session's owner id.
  using Submit = commit::calls::Submit;
  using Finish = commit::calls::Finish;
  using Abort = commit::calls::Abort;
  using QueryOutcome = commit::calls::QueryOutcome;
  using AllocateOids = commit::calls::AllocateOids;
  using EngineCall = commit::calls::Call;
  std::vector<EngineCall> engine;

  // Send what is queued, then close for this reason.
  std::optional<Error> close;

  void clear();
};

// The protocol state of one client on the native port: handshake, transactions being staged, and
// which request waits for which answer of the coordinator.
//
// Sans-IO: messages in, effects out. Reads carry no state and are passed through.
// Thread: its connection's shard. Owner: the connection.
class NativeSession {
 public:
  static constexpr commit::OwnerId kOwnerLimit = 1ULL << 32;
  // `owner` names the connection to the coordinator: unique in the process, not 0, below the limit.
  explicit NativeSession(commit::OwnerId owner);

  // One decoded request. Anything out of order ends the connection with protocol_error.
  // `frame_bytes`: size of the frame that the message's records are slices of.
  void on_message(wire::Message message, std::uint32_t request_id, SessionEffects& effects,
                  std::size_t frame_bytes = 0);

  // Answers to effects.attach. After attached() the caller sends the catch-up invalidations, if
  // any, and then calls caught_up(), which sends the welcome; until then requests are refused.
  void attached(const AttachedStorage& storage);
  // `leader`: address of the primary, if that is why and it is known.
  void refused(Error why, SessionEffects& effects, std::string leader = {});
  void caught_up(bool cache_valid, SessionEffects& effects);

  // An answer of the coordinator to one of this session's tickets.
  void on_reply(commit::CommitEffects::Reply reply, SessionEffects& effects);

  // As the client introduced itself; set once effects.attach was made.
  [[nodiscard]] const wire::Hello& hello() const { return hello_; }
  [[nodiscard]] bool live() const { return state_ == State::live; }
  [[nodiscard]] bool closed() const { return state_ == State::closed; }
  [[nodiscard]] commit::OwnerId owner() const { return owner_; }

  // Requests handed to the coordinator and not answered yet; the caller stops reading above a
  // limit.
  [[nodiscard]] std::size_t pending() const { return pending_.size(); }
  // Bytes that this session's unfinished transactions hold.
  [[nodiscard]] std::uint64_t held_bytes() const { return held_bytes_; }
  // The lowest number of a transaction that is staged and has not asked for its vote.
  [[nodiscard]] std::optional<std::uint64_t> oldest_staging() const;

 private:
  enum class State : std::uint8_t {
    expecting_hello,
    attaching,
    catching_up,
    live,
    closed
  };

  // A transaction between its first stage and its end.
  struct Transaction {
    enum class Stage : std::uint8_t {
      staging,
      voting,
      voted,
      finishing
    } stage = Stage::staging;
    commit::StagedTransaction staged;  // moved away when it is submitted
    std::uint64_t bytes = 0;
    commit::Ticket ticket = 0;
  };
  // What a ticket's answer is for.
  struct Pending {
    enum class Kind : std::uint8_t {
      vote,
      finish,
      commit,
      outcome,
      oids
    } kind = Kind::commit;
    std::uint32_t request_id = 0;
    std::uint64_t number = 0;
  };

  void on_hello(wire::Hello hello, std::uint32_t request_id, SessionEffects& effects);
  void on_request(wire::Message message, std::uint32_t request_id, SessionEffects& effects);
  void on_stage(wire::Stage stage, SessionEffects& effects);
  void on_body(wire::CommitBody body, bool one_request, std::uint32_t request_id,
               SessionEffects& effects);
  void on_finish(const wire::Finish& finish, std::uint32_t request_id, SessionEffects& effects);
  void on_abort(const wire::Abort& abort, std::uint32_t request_id, SessionEffects& effects);

  // The transaction of that number, begun if there is none; null when there are too many (the
  // session is closed then).
  [[nodiscard]] Transaction* open(std::uint64_t number, SessionEffects& effects);
  // Adds to the transaction; false when it grew beyond the limit (the session is closed then).
  bool add(Transaction& transaction, std::vector<wire::WireWrite> writes,
           const std::vector<wire::WireRead>& reads, SessionEffects& effects);
  [[nodiscard]] commit::Ticket new_ticket();
  void end_transaction(std::uint64_t number);
  void fail(std::uint32_t request_id, Error error, SessionEffects& effects);
  void protocol_error(std::string what, SessionEffects& effects);

  commit::OwnerId owner_;
  State state_ = State::expecting_hello;
  std::uint32_t next_ticket_ = 1;
  wire::Hello hello_;
  std::uint32_t hello_request_id_ = 0;
  std::size_t frame_bytes_ = 0;  // of the message being handled
  AttachedStorage storage_;
  std::map<std::uint64_t, Transaction> transactions_;  // by number
  std::unordered_map<commit::Ticket, Pending> pending_;
  std::uint64_t held_bytes_ = 0;
};

}  // namespace zeolite::server
