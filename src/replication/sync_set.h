#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/ids.h"
#include "replication/dcs.h"

namespace zeolite::replication {

// How long a commit's answer waits.
enum class Durability : std::uint8_t {
  local,    // until it is on the primary's disk
  standby,  // until it is also on the disk of every standby that is waited for
};

// Which standbys a primary waits for (Q) and which may be promoted (S), for one reign.
//
// Invariants, CHECKed: S is within Q; a standby is published in S only when it has everything that
// was acknowledged before it was waited for and everything that the reign began with; it leaves Q
// only when S without it is published. One change of S is under way at a time.
//
// While Q is empty the owner acknowledges what is durable on its own disk, without asking (strict:
// nothing is acknowledged). Going from that to waiting takes two steps, because commits go on
// meanwhile: `set_waiting`, and then waiting_from() with what was acknowledged until it took
// effect.
//
// Sans-IO, deterministic. Thread: replication's. Owner: Node.
class SyncSet {
 public:
  struct Options {
    Durability durability = Durability::standby;
    // Never acknowledge without a standby: the last one is waited for until it is back.
    bool strict = false;
    // A standby that does not get on for so long is no longer waited for (unless strict keeps it).
    Duration stall_timeout = std::chrono::seconds(3);
    // The same for one whose connection ended; it may be back at once.
    Duration lost_timeout = std::chrono::seconds(1);
  };

  // What became of a standby, for the log and for metrics.
  struct Change {
    NodeId node{};
    enum class Kind : std::uint8_t {
      waited_for,  // entered Q
      in_sync,     // entered S
      left_sync,   // left S
      let_go,      // left Q
      blocked,     // strict: nobody is there to acknowledge; of no node
      unblocked,
    } kind = Kind::waited_for;
    std::string why{};
    Duration delayed{};  // let_go: for how long commits had waited for it
  };
  struct Effects {
    // The owner is to begin (true) or stop (false) to wait for acknowledge. On true: answer with
    // waiting_from().
    std::optional<bool> set_waiting;
    // S is to become this; answer with published().
    std::optional<std::vector<NodeId>> publish;
    // While waiting: everything up to here is acknowledged now.
    std::optional<Tid> acknowledge;
    std::vector<Change> changes;
  };

  // `baseline`: the end of the log that the reign begins with, its epoch record included. S is
  // published as empty already. With strict, waiting has begun already.
  SyncSet(const Options& options, Tid baseline);

  // The own log is durable up to here. While nobody is waited for, it may be told late.
  void durable(Tid own, Instant now, Effects& effects);
  // A standby's stream begins; it has everything up to `flushed`.
  void connected(const NodeId& node, Tid flushed, Instant now, Effects& effects);
  void flushed(const NodeId& node, Tid flushed, Instant now, Effects& effects);
  void disconnected(const NodeId& node, Instant now, Effects& effects);
  // Waiting took effect; until then everything up to `acknowledged` was acknowledged.
  void waiting_from(Tid acknowledged, Instant now, Effects& effects);
  // The publication asked for last has taken effect. (One that failed ends the reign.)
  void published(Instant now, Effects& effects);
  // About every heartbeat: lets in who has caught up, lets go who is stalled or lost.
  void tick(Instant now, Effects& effects);

  [[nodiscard]] bool waiting() const { return waiting_; }
  [[nodiscard]] bool strict() const { return options_.strict; }
  // Everything up to here was acknowledged, as far as this knows.
  [[nodiscard]] Tid acknowledged() const { return acknowledged_; }
  [[nodiscard]] bool in_sync(const NodeId& node) const;        // in S
  [[nodiscard]] bool is_waited_for(const NodeId& node) const;  // in Q
  [[nodiscard]] std::vector<NodeId> waited_for() const;
  [[nodiscard]] bool waits_for_nobody() const { return waited_for().empty(); }

 private:
  enum class Stage : std::uint8_t {
    following,    // neither in Q nor in S
    joining,      // in Q
    publishing,   // in Q; S with it is being published
    synchronous,  // in Q and S
    leaving,      // in Q, and in S until S without it is published
  };
  struct Member {
    Stage stage = Stage::following;
    bool connected = false;
    bool deficient = false;  // came back without what it had acknowledged
    Tid flushed;
    // Since when it has not reached `target`, which was durable here then.
    std::optional<Instant> behind_since{};
    Tid target;
    Instant lost_at{};
  };

  [[nodiscard]] static bool in_q(const Member& member) { return member.stage != Stage::following; }
  [[nodiscard]] static bool in_s(const Member& member) {
    return member.stage == Stage::synchronous || member.stage == Stage::leaving;
  }
  // In S, or about to be.
  [[nodiscard]] static bool offered(const Member& member) {
    return member.stage == Stage::publishing || in_s(member);
  }
  [[nodiscard]] std::size_t count_waited_for() const;
  void note_progress(Member& member, Instant now) const;
  void settle(Effects& effects);
  void let_in(Instant now, Effects& effects);
  void publish_next(Effects& effects);
  void check_overdue(Instant now, Effects& effects);
  void leave(const NodeId& node, Member& member, std::string why, Instant now, Effects& effects);
  void let_go(const NodeId& node, Member& member, std::string why, Instant now, Effects& effects);
  void check_blocked(Effects& effects);
  void check_invariants() const;

  const Options options_;
  const Tid baseline_;
  Tid durable_;
  Tid durable_at_tick_;  // who has this is close enough to be waited for
  Tid acknowledged_;
  bool blocked_ = false;                           // as told last
  bool waiting_ = false;                           // the owner waits, or was told to
  bool took_effect_ = false;                       // waiting_from() was called since
  std::vector<NodeId> published_;                  // S, as far as it is known
  std::optional<std::vector<NodeId>> publishing_;  // what S is to become; perhaps it is already
  std::map<NodeId, Member> members_;
  std::map<NodeId, std::string> leaving_why_;
};

}  // namespace zeolite::replication
