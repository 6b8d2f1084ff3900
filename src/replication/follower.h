#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/ids.h"
#include "wire/messages_replication.h"

namespace zeolite::replication {

// A standby's side of the stream: greets whom it follows, has histories compared, and takes groups.
//
// It promises an epoch before it obeys it, and refuses a lower one. Groups are taken while earlier
// ones are being appended; each follows the one before by tid, and the store checks the chain.
// A new connection forgets everything of the one before, so nothing late can be taken for current;
// but appends and a rollback under way are still waited for before histories are compared.
//
// Sans-IO, deterministic. Thread: replication's. Owner: Node.
class Follower {
 public:
  struct Identity {
    Id128 node{};
    std::string name;
    std::string address;
    std::string storage{};
    bool by_command = false;  // it takes part in no election
  };

  // To be carried out in order.
  struct StorePromise {
    Epoch epoch;  // durable before the next action is carried out
  };
  struct Send {
    std::variant<wire::ReplicaHello, wire::ReplicaAck, wire::StaleEpoch> message;
  };
  // Answer with appended(), in order; or with append_failed(), once, when nothing of what was
  // handed over is under way any more.
  struct Append {
    wire::ReplicaAppend group;
  };
  // Everything after `to` is to be archived and undone. Answer with rolled_back() or, when `to` is
  // not in the own log, rollback_refused(); when it cannot be undone, needs_checkpoint().
  struct Rollback {
    Position to;
  };
  // Answer with located(): the last own position whose epoch is at most `max`.
  struct Locate {
    Epoch max;
  };
  // A copy of the database of this cluster is to be taken over this connection: one that may
  // replace the own log (may_replace). Answer with copied().
  struct TakeCheckpoint {
    Id128 cluster{};
    Position from;
  };
  // The copy that was taken is to be installed: the own log must not go on any more, and the
  // standby begins anew. Nothing that is told to the follower after it counts.
  struct InstallCheckpoint {
    Id128 cluster{};
    Position position;
    Position replaces;  // the end of the own log
  };
  // Readers may see everything up to here.
  struct Show {
    Tid visible;
  };
  struct HandedOver {
    Epoch epoch;
  };
  // The connection is to be closed, and tried again after a pause.
  struct Close {
    std::string why;
    std::string leader;    // who may be followed instead; may be empty
    bool refused = false;  // by the other side or because of it: worth a warning
  };
  using Action = std::variant<StorePromise, Send, Append, Rollback, Locate, TakeCheckpoint,
                              InstallCheckpoint, Show, HandedOver, Close>;
  using Actions = std::vector<Action>;

  // `last`: the end of the own log, durable. `cluster`: zero when there is no database yet.
  Follower(Identity identity, const Id128& cluster, const Position& last, Epoch promised,
           Duration silence_max);

  // The connection is there: greets.
  void connected(Instant now, Actions& actions);
  void disconnected();
  // A promise made elsewhere: for an epoch of the own.
  void promised(Epoch epoch);

  void on_welcome(const wire::ReplicaWelcome& welcome, Instant now, Actions& actions);
  void on_append(wire::ReplicaAppend append, Instant now, Actions& actions);
  void on_heartbeat(const wire::ReplicaHeartbeat& heartbeat, Instant now, Actions& actions);
  void on_stale(const wire::StaleEpoch& stale, Actions& actions);
  void on_handover(const wire::Handover& handover, Instant now, Actions& actions);
  // Bytes have come from the upstream, though no message may be whole yet; or this side does not
  // read for now. Nobody is silent meanwhile: that is all that follows from it.
  void link_moves(Instant now) { moved_at_ = now; }
  // Whether a copy whose log ends at `position` may be taken, or gone on with, for that: what the
  // standby has confirmed may be acknowledged, and is not to be lost.
  [[nodiscard]] static bool may_replace(const TakeCheckpoint& take, const Id128& cluster,
                                        const Position& position);
  // All of it has, and is checked and synced. Of a copy that was given up: nothing.
  void copied(const Id128& cluster, const Position& position, Actions& actions);

  // Groups up to here are durable.
  void appended(const Position& last, Instant now, Actions& actions);
  // A group did not fit the own log: histories are to be compared anew.
  void append_failed(std::string why, Actions& actions);
  void rolled_back(const Position& last, Instant now, Actions& actions);
  void rollback_refused(Instant now, Actions& actions);
  void needs_checkpoint(Instant now, Actions& actions);
  void located(const Position& position, Instant now, Actions& actions);
  // The database was made, for the cluster that the welcome named.
  void database_made(const Id128& cluster) { cluster_ = cluster; }

  // Whether the own disk is, or nearly; what the upstream is told of it.
  void disk_is_full(bool full) { disk_full_ = full; }
  [[nodiscard]] bool disk_full() const { return disk_full_; }

  void tick(Instant now, Actions& actions);

  [[nodiscard]] const Position& last() const { return last_; }
  [[nodiscard]] Epoch promised() const { return promised_; }
  [[nodiscard]] const Id128& cluster() const { return cluster_; }
  [[nodiscard]] Tid visible() const { return visible_; }
  [[nodiscard]] bool streaming() const { return state_ == State::streaming; }
  // Groups were handed to the store and are not durable yet.
  [[nodiscard]] bool appending() const { return received_ > last_.tid; }
  // The log is not being undone or replaced.
  [[nodiscard]] bool settled() const { return !undoing_ && state_ != State::checkpoint; }
  // When it was last told that it may be promoted, and that it may not; for promotion by command.
  [[nodiscard]] bool in_sync() const { return in_sync_; }
  // Of whom it follows, as last told.
  [[nodiscard]] Tid upstream_last() const { return upstream_last_; }
  [[nodiscard]] Epoch upstream_epoch() const { return upstream_epoch_; }
  // Everything that readers of the primary could see at this moment is shown here: by the own
  // clock, and by nothing but answers to what was asked after it. Nothing: that was never so.
  [[nodiscard]] std::optional<Instant> shown_as_of() const { return shown_as_of_; }
  [[nodiscard]] std::optional<Instant> heard_at() const { return heard_at_; }
  [[nodiscard]] std::uint32_t heartbeat_ms() const { return heartbeat_ms_; }

 private:
  enum class State : std::uint8_t {
    disconnected,
    settling,  // connected; earlier appends or a rollback are to end first
    greeting,  // hello is sent
    locating,
    undoing,
    streaming,
    checkpoint,
  };

  void greet(const Position& position, Actions& actions);
  [[nodiscard]] bool obey(Epoch epoch, Actions& actions);
  void settle(Instant now, Actions& actions);
  void on_beat_while_copying(const wire::ReplicaHeartbeat& heartbeat, Instant now,
                             Actions& actions);
  void show(Actions& actions);
  void acknowledge(Instant now, Actions& actions);
  void note_answer(const wire::ReplicaHeartbeat& heartbeat);
  void note_shown();
  void take_checkpoint(const Position& from, Actions& actions);
  void close(std::string why, Actions& actions);

  Identity identity_;
  Id128 cluster_;
  Position last_;  // durable
  Tid received_;   // handed to the store
  Epoch promised_;
  const Duration silence_max_;
  State state_ = State::disconnected;
  Position asked_;    // about which position, in greeting
  Position undo_to_;  // of the rollback asked for last
  Id128 upstream_cluster_{};
  TakeCheckpoint taking_;  // in checkpoint
  bool undoing_ = false;   // a rollback was asked for and has not ended; outlives the connection
  Epoch upstream_epoch_;
  Tid upstream_last_;
  Tid upstream_visible_;
  Tid visible_;
  bool in_sync_ = false;
  bool disk_full_ = false;
  std::optional<Instant> heard_at_;  // a message of this connection
  Instant moved_at_{};               // link_moves(), of this connection
  Instant acknowledged_at_{};
  std::uint32_t heartbeat_ms_ = 0;
  std::uint64_t echo_ = 0;  // the heartbeat heard last
  // Questions of this connection that may be answered yet, by their numbers, and when they were
  // first asked.
  std::map<std::uint64_t, Instant> questions_;
  std::uint64_t question_ = 0;
  // What is to be shown before `as_of` counts.
  struct Answered {
    Tid visible;
    Instant as_of;
  };
  std::optional<Answered> answered_;
  std::optional<Instant> shown_as_of_;
};

}  // namespace zeolite::replication
