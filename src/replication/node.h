#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "model/ids.h"
#include "replication/election.h"
#include "replication/follower.h"
#include "replication/node_actions.h"
#include "replication/reconnect.h"
#include "replication/sync_set.h"
#include "wire/messages_replication.h"

namespace zeolite::replication {

// One node of a cluster: which role it has, whom it follows, whom it feeds and waits for.
//
// Composes the election (or promotion by command), the follower's side of a stream, and as primary
// the set of standbys that are waited for. Messages, completions and time go in, actions come out;
// they are carried out in order (node_actions.h). docs/replication.md is the protocol, R1 to R10
// its invariants.
//
// From primary it never goes back: to step down is to begin anew, with a new Node.
//
// Sans-IO, deterministic. Thread: replication's. Owner: the daemon's ReplicationService, or the
// simulator.
class Node {
 public:
  struct Options {
    NodeId id{};
    std::string name;
    std::string address;  // own native port as others reach it
    std::string storage;  // name of the one that it serves; standbys of another are turned away
    // With a coordination service it elects, and the two below say nothing.
    bool elects = false;
    bool leads = false;  // begins as the primary
    // Before it does: who of these has promised a later epoch is followed instead.
    std::vector<std::string> ask_first{};
    std::string upstream;  // is followed; empty: waits for a command
    // Why this process, which led before, does not any more; empty: it did not lead.
    std::string stepped_down{};
    // An election is left to others for so long: after a switchover, or having been the primary.
    Duration abstain{};
    SyncSet::Options sync;
    Duration heartbeat = std::chrono::milliseconds(100);
    // A peer that was not heard of for so long is taken for gone.
    Duration silence_max = std::chrono::seconds(3);
    Duration lease = std::chrono::seconds(3);
    std::uint64_t seed = 0;  // for jitter
  };
  // What the node's disk says.
  struct Durable {
    Position last;    // zero: no entry, or no database
    Id128 cluster{};  // zero: no database yet
    Epoch promised;
    Epoch heard{};  // that anybody promised: a reign by command is later
  };

  Node(Options options, const Durable& durable);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void start(Instant now, Actions& actions);
  void tick(Instant now, Actions& actions);
  [[nodiscard]] Duration tick_interval() const { return options_.heartbeat; }

  // ---- the coordination service ----
  void answered(const dcs::Request& request, Result<dcs::Answer> answer, Instant sent, Instant now,
                Actions& actions);

  // ---- the connection to the upstream ----
  void upstream_connected(Instant now, Actions& actions);
  void upstream_lost(const std::string& why, Instant now, Actions& actions);
  void from_upstream(UpstreamMessage message, Instant now, Actions& actions);
  // Follower::link_moves(); may be told at every tick, before it.
  void link_moves(Instant now) { follower_.link_moves(now); }
  // All of it has, checked and synced: asks for InstallCheckpoint, or gives it up.
  void copied(const Id128& cluster, const Position& position, Instant now, Actions& actions);

  // ---- standbys that connect to this node; `peer` names the connection ----
  void peer_hello(PeerId peer, const wire::ReplicaHello& hello, Instant now, Actions& actions);
  void peer_compared(PeerId peer, const Comparison& comparison, Instant now, Actions& actions);
  void peer_ack(PeerId peer, const wire::ReplicaAck& ack, Instant now, Actions& actions);
  void peer_stale(PeerId peer, const wire::StaleEpoch& stale, Instant now, Actions& actions);
  void peer_lost(PeerId peer, Instant now, Actions& actions);

  // ---- the own disk ----
  // Following: groups up to `last` are durable; or a group did not follow the log's end, and
  // nothing that was handed over is under way any more.
  void appended(const Position& last, Instant now, Actions& actions);
  void append_failed(std::string why, Instant now, Actions& actions);
  void rolled_back(const Position& last, Instant now, Actions& actions);
  void rollback_refused(bool needs_checkpoint, Instant now, Actions& actions);
  void located(const Position& position, Instant now, Actions& actions);
  void database_made(const Id128& cluster);
  // Nothing asked for after it is done. This node ends; it answers commands, gives its key back.
  void storing_failed(const Error& why, Instant now, Actions& actions);
  // Following: it is, or nearly, so that others are to lead first.
  void disk_is_full(bool full) { follower_.disk_is_full(full); }
  // Leading: the epoch record is durable, at `begin`; zero: it comes later (Lead::alone).
  void reign_begun(const Position& begin, Instant now, Actions& actions);
  // Leading: everything up to `own` is durable here.
  void durable(const Position& own, Instant now, Actions& actions);
  // Answer to SetWaiting{true}: until now everything up to `acknowledged` was acknowledged.
  void waiting_from(Tid acknowledged, Instant now, Actions& actions);
  // Nothing is being appended; groups up to `sent` were sent, some may have found no room here.
  void commits_held(const Position& own, Tid sent, Instant now, Actions& actions);

  // ---- commands ----
  void promote(CommandId command, bool force, Instant now, Actions& actions);
  void switchover(CommandId command, const wire::Switchover& request, Instant now,
                  Actions& actions);
  void demote(CommandId command, Instant now, Actions& actions);
  // The process ends in good order, and whoever is to be answered was: the leader gives its key
  // back. Nothing is acknowledged after it.
  void stop(Instant now, Actions& actions);

  // ---- for status and redirects ----
  [[nodiscard]] Role role() const { return role_; }
  [[nodiscard]] Epoch epoch() const { return epoch_; }
  [[nodiscard]] Epoch promised() const { return follower_.promised(); }
  // The primary's address as far as known; the own when it is this node; may be empty.
  [[nodiscard]] std::string leader() const;
  // The latest epoch that any node of the cluster is known to have promised.
  [[nodiscard]] Epoch heard() const { return std::max(heard_, follower_.promised()); }
  // What people are to know and type when nobody leads and will by itself; empty: nothing.
  [[nodiscard]] std::string advice() const;
  [[nodiscard]] const Follower& follower() const { return follower_; }
  [[nodiscard]] std::vector<PeerStatus> peers() const;
  struct Counters {                    // of the set of those that are waited for, in this reign
    std::uint64_t sync_changes = 0;    // a standby entered or left S
    std::uint64_t delayed_groups = 0;  // commits waited for a standby until it was let go
    Duration longest_delay{};          // of them
    bool blocked = false;              // strict, and nobody is there to acknowledge
    friend bool operator==(const Counters&, const Counters&) = default;
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }
  // Until when this node may answer as the primary; nothing: there is no end to it. In the past
  // once its reign has ended: the connections of the reign go on for a moment.
  [[nodiscard]] std::optional<Instant> serves_until() const;
  // Until it serves (who was the primary may have shown more): Follower::shown_as_of().
  [[nodiscard]] std::optional<Instant> shown_as_of() const;
  // 0: none.
  [[nodiscard]] LeaseId lease() const { return election_ ? election_->lease() : 0; }
  [[nodiscard]] bool waits() const { return sync_ && sync_->waiting(); }

 private:
  struct Peer {
    wire::ReplicaHello hello;
    enum class State : std::uint8_t {
      comparing,
      answered,  // not with a stream: it greets again, or copies the database
      streaming,
    } state = State::comparing;
    bool early = false;  // comparing waits until what it has is durable here
    Position flushed;
    Tid visible;
    Instant heard_at{};
    std::uint64_t echo = 0, question = 0;  // heard last
    bool disk_full = false;                // so it said
    std::optional<Instant> behind_since{};
  };
  struct Handing {
    CommandId command = 0;
    PeerId target = 0;
    Instant until{};
    std::optional<Position> last{};  // once commits are held
    Tid sent{};
  };

  void ask_next(Instant now, Actions& actions);
  void ask(Instant now, Actions& actions);
  void note_unasked(Actions& actions) const;
  [[nodiscard]] bool heard_while_asking(const UpstreamMessage& message, Instant now,
                                        Actions& actions);
  void follow(std::string address, Instant now, Actions& actions);
  void connect(Instant now, Actions& actions);
  void retry(Instant now, Actions& actions);
  void note_held(Instant now, Actions& actions);
  // Carry out what the parts ask for.
  void run(Follower::Actions from, Instant now, Actions& actions);
  void run(SyncSet::Effects from, Instant now, Actions& actions);
  void run(Election::Effects from, Instant now, Actions& actions);
  void decide(const Election::Decision& decision, Instant now, Actions& actions);
  void lose_upstream(const std::string& why, const std::string& leader, Instant now,
                     Actions& actions);
  void end_with_copy(const action::InstallCheckpoint& install, Instant now, Actions& actions);
  void take_over(Epoch from, Instant now, Actions& actions);
  [[nodiscard]] Epoch commanded_epoch() const;
  void hears_of(const Id128& cluster, Epoch epoch, Actions& actions);
  // Another is later than all that this node led or followed: it does not lead by itself.
  [[nodiscard]] bool outranked() const { return heard() > follower_.promised(); }
  void elected(const Election::Lead& lead, Instant now, Actions& actions);
  void begin_reign(Epoch epoch, bool takeover, Actions& actions);
  [[nodiscard]] Instant earliest_service() const;
  void publish(std::vector<NodeId> members, Instant now, Actions& actions);
  void serve_when_acknowledged(Instant now, Actions& actions);
  void step_down(std::string why, std::string leader, Actions& actions);
  void resign_and_step_down(std::string why, Instant now, Actions& actions);
  void compare_when_durable(PeerId peer, Peer& state, Actions& actions);
  void welcome(PeerId peer, Peer& state, wire::ReplicaWelcome welcome, Actions& actions);
  [[nodiscard]] std::string objection(const wire::ReplicaHello& hello) const;
  [[nodiscard]] std::string copy_of_a_peer(PeerId peer, const wire::ReplicaHello& hello,
                                           Instant now);
  [[nodiscard]] bool drives_out_again(const NodeId& node, Instant now);
  void warn_once(std::string text, Actions& actions);
  void note_same_name(const wire::ReplicaHello& hello, Actions& actions);
  [[nodiscard]] bool may_count(const wire::ReplicaHello& hello) const;
  void reject(PeerId peer, std::string why, Instant now, Actions& actions);
  void drop_peer(PeerId peer, std::string why, Instant now, Actions& actions);
  void drop_all_peers(const std::string& why, Instant now, Actions& actions);
  void beat(PeerId peer, const Peer& state, Instant now, Actions& actions);
  void beat_all(Instant now, Actions& actions);
  void note_lags(Instant now);
  void confirm_quorum(Instant now);
  void note_change(const SyncSet::Change& change, Actions& actions);
  [[nodiscard]] std::string name_of(const NodeId& node) const;
  void tick_peers(Instant now, Actions& actions);
  void tick_commands(Instant now, Actions& actions);
  void hand_over_when_ready(Instant now, Actions& actions);
  void give_up_handover(const std::string& why, Actions& actions);
  void answer_promoted(Actions& actions);
  [[nodiscard]] std::string promote_command(bool force) const;
  [[nodiscard]] std::string what_it_may_lack() const;
  void fail_commands(const Error& why, Actions& actions);
  [[nodiscard]] wire::RoleChanged role_changed() const;
  [[nodiscard]] std::optional<PeerId> choose_target(const std::string& name) const;
  [[nodiscard]] Election::Local local(Instant now) const;
  [[nodiscard]] bool feeds() const;
  // The end of the own log, durable; and what readers may see.
  [[nodiscard]] const Position& own_end() const;
  [[nodiscard]] Tid shown() const;

  Options options_;
  Role role_ = Role::starting;
  bool stepped_down_ = false;
  Epoch epoch_;  // of the own reign, or of the one that is followed
  Epoch heard_;  // as stored; the own promise may be later
  Follower follower_;
  std::optional<Election> election_;
  struct Promoting {
    CommandId command = 0;
    Instant until{};
  };
  std::optional<Promoting> promoting_;  // who asked for the reign that is to begin
  Instant abstain_until_{};
  Instant started_at_{};
  std::optional<Epoch> handed_over_;  // the reign whose primary handed over to this node

  // Asking whether another leads.
  bool asking_ = false;             // the connection to `upstream_` is for that
  std::size_t asked_ = 0;           // of options_.ask_first, before it led
  std::deque<std::string> to_ask_;  // who has not answered, the next first
  Reconnect ask_again_;
  Instant ask_until_{};  // the one that is asked now

  // Following.
  std::string upstream_;  // address; empty: nobody
  bool connecting_ = false;
  Instant connecting_since_{};
  bool linked_ = false;              // the connection is there
  std::optional<Instant> retry_at_;  // or the next question
  Reconnect reconnect_;

  // Feeding; a standby feeds, too.
  std::map<PeerId, Peer> peers_;
  std::map<NodeId, std::string> names_;  // of standbys, also of some that have gone
  std::set<std::string> warned_;         // of what standbys are set to
  // How often one came in the place of itself, which was there; the last time.
  struct Driven {
    int times = 0;
    Instant at{};
  };
  std::map<NodeId, Driven> driven_out_;
  std::uint64_t sequence_ = 0;
  std::map<std::uint64_t, Instant> beats_;  // when the newest sequences were sent
  Instant beat_at_{};

  // Leading.
  std::optional<SyncSet> sync_;
  Position own_;        // durable
  Position begin_;      // the epoch record; zero when it came later
  bool ready_ = false;  // the empty S that a reign begins with is published
  Instant serve_from_{};
  std::optional<Handing> handing_;
  Counters counters_;
};

}  // namespace zeolite::replication
