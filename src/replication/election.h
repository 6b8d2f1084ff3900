#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "model/ids.h"
#include "replication/dcs.h"
#include "replication/reconnect.h"

namespace zeolite::replication {

// Decides who leads, with the answers of the coordination service (docs/replication.md, Election).
//
// Only guarded transactions decide. What is read is a hint: it says what to try next. The answer of
// a transaction may be lost; then it is read again, and what is found is confirmed by another.
// One object lives as long as the node's role in one process: after a StepDown it is not used
// again.
//
// Sans-IO, deterministic (jitter comes from the seed). Thread: replication's. Owner: Node.
class Election {
 public:
  struct Options {
    NodeId node{};
    std::string name;
    std::string address;
    Duration ttl = std::chrono::seconds(3);
    std::uint64_t seed = 0;
  };

  // What the node knows of itself.
  struct Local {
    Position last;  // the end of its log, durable
    bool has_data = false;
    std::optional<Id128> cluster{};
    Epoch heard;             // that it or another node promised
    bool settled = true;     // its log is not being undone or replaced: it may lead
    bool abstains = false;   // leaves it to others, unless it is to hurry
    bool disk_full = false;  // it could take no commits: others go first
    std::string role;        // for people
  };

  // Decisions, each made once.
  struct Lead {
    Epoch epoch;
    // S was written by this node, or by nobody: no other node has served since this one did.
    bool own_sync = false;
  };
  struct Follow {
    LeaderKey leader;
  };
  struct NoLeader {};
  struct Published {};  // the sync key is what publish() asked for
  struct StepDown {
    std::string why;
  };
  using Decision = std::variant<Lead, Follow, NoLeader, Published, StepDown>;

  struct Note {
    bool warning = false;
    std::string text;
  };
  // To be carried out: every request is answered exactly once, by answered(). At most one of each
  // kind is under way.
  struct Effects {
    std::vector<dcs::Request> requests;
    std::optional<Decision> decision;
    std::vector<Note> notes;
  };

  explicit Election(Options options);

  void start(Instant now, Effects& effects);
  // Several times a second.
  void tick(const Local& local, Instant now, Effects& effects);
  // `sent`: when the request was handed over to the network, at the latest.
  void answered(const dcs::Request& request, Result<dcs::Answer> answer, Instant sent, Instant now,
                Effects& effects);

  // While leading: S is to become this. One at a time; ends with Published or StepDown.
  void publish(SyncKey key, Instant now, Effects& effects);
  // While leading: the whole of Q, not empty, obeyed the epoch after this moment.
  void quorum_confirmed(Instant at);
  // Ends the lease, and so the leadership.
  void resign(Instant now, Effects& effects);
  // Why this node may lead though S need not name it: it is known to have everything, or somebody
  // decided so. Nor need the coordination service know of all that it has promised then. It ends
  // when the counter shows that another has led.
  struct Trust {
    std::optional<Epoch> counter{};  // nothing: what it is when it is read next
  };
  // Tries to lead for some seconds, as soon as there is no leader.
  void hurry(std::optional<Trust> trust, Instant now, Effects& effects);

  [[nodiscard]] bool leading() const { return state_ == State::leading; }
  // Until when it may serve.
  [[nodiscard]] Instant lead_until() const;
  // For how long quorum_confirmed() stands in for the coordination service. Who echoed a leader's
  // beat and takes over serves no earlier than so long after it. Less than the time from a leader's
  // last beat to the end of its lease, so that it delays no takeover from one that is dead; and
  // short, since it delays one whose lease a supervisor has ended. Several beats fit into it.
  [[nodiscard]] Duration quorum_validity() const { return ttl_ / 3; }
  // The same of the leaders that this node may have followed, or of itself where that is longer:
  // nodes may be set to different leases.
  [[nodiscard]] Duration predecessor_validity() const {
    return std::max({ttl_, leader_ttl_, earlier_ttl_}) / 3;
  }
  [[nodiscard]] const std::optional<DcsView>& view() const { return view_; }
  // Why a try to lead that nobody forces cannot succeed, by what was read last: who leads would
  // first have to name this node, and then it leads. Empty: it may, or that is not known.
  [[nodiscard]] std::string hopeless() const;
  // Why this node does not lead though nobody does, for people; empty: nothing is in its way, or
  // that may be over in a moment.
  [[nodiscard]] const std::string& obstacle() const { return obstacle_; }
  // 0: none.
  [[nodiscard]] LeaseId lease() const { return lease_; }

 private:
  enum class State : std::uint8_t {
    watching,
    acquiring,   // asked, not answered
    confirming,  // a leader key that may be the own one of an unanswered try was found
    leading,
    ended,
  };

  // Asks unless one of this kind is under way.
  template <typename R>
  void ask(R request, Instant now, Effects& effects);
  template <typename R>
  [[nodiscard]] bool due(Duration interval, Instant now) const;

  void on_viewed(DcsView view, Instant now, Effects& effects);
  void note_contact(const Result<dcs::Answer>& answer, Instant now, Effects& effects);
  void note_lease(const LeaderKey& leader, Effects& effects);
  void on_view_leading(Instant now, Effects& effects);
  void on_leased(const dcs::Request& request, const dcs::Leased& leased, Instant sent, Instant now,
                 Effects& effects);
  void on_guarded(const dcs::Request& request, const dcs::Guarded& guarded, Instant sent,
                  Instant now, Effects& effects);
  void on_acquired(const dcs::Acquire& request, const dcs::Guarded& guarded, Instant sent,
                   Instant now, Effects& effects);
  void on_confirmed(const dcs::Guarded& guarded, Instant sent, Instant now, Effects& effects);
  void on_lease_gone(LeaseId lease, Instant now, Effects& effects);
  void on_put(const dcs::Guarded& guarded, Instant now, Effects& effects);
  void on_failed(const dcs::Request& request, const Error& error, Instant now, Effects& effects);
  void tick_leading(Instant now, Effects& effects);
  void try_to_lead(const Local& local, Instant now, Effects& effects);
  [[nodiscard]] bool eligible(const Local& local, Instant now) const;
  [[nodiscard]] bool trusted(Instant now) const;
  [[nodiscard]] bool view_is_foreign(const Local& local, Instant now, Effects& effects);
  // Whether S says that this node has all that was acknowledged; and that what it has is older.
  [[nodiscard]] bool named(const SyncKey& sync) const;
  [[nodiscard]] bool lost_its_reign(const Local& local) const;
  void note_ineligible(const Local& local, Instant now, Effects& effects);
  void note_obstacle(std::string why, Effects& effects);
  [[nodiscard]] Duration rank_pause(const Local& local) const;
  void lead(Revision revision, Instant sent, Instant now, Effects& effects);
  void note_strange(const Error& error, Effects& effects);
  void step_down(std::string why, Effects& effects);
  [[nodiscard]] std::uint64_t random();

  const Options options_;
  State state_ = State::watching;
  std::uint64_t random_state_;
  struct Pending {
    bool under_way = false;
    std::optional<Instant> asked{};
  };
  std::array<Pending, std::variant_size_v<dcs::Request>> pending_{};

  LeaseId lease_ = 0;
  Duration ttl_;         // as granted
  Instant leased_at_{};  // when the keepalive that succeeded last was sent

  std::optional<DcsView> view_;
  bool view_is_new_ = false;  // nothing was tried since it was read
  std::optional<NodeId> following_;
  Epoch following_epoch_;
  LeaseId leader_lease_ = 0;             // of the leader that was seen last
  Duration leader_ttl_{};                // of that one
  Duration earlier_ttl_{};               // and of the one before
  std::optional<Instant> silent_since_;  // no request was answered since
  bool silence_told_ = false;
  std::optional<Instant> try_at_;
  Instant hurry_until_{};
  std::optional<Trust> trust_{};              // until hurry_until_
  std::optional<Instant> regressed_since_{};  // the counter is below what was promised
  std::optional<Instant> ineligible_since_{};
  std::string obstacle_;  // was warned of
  std::string warned_answer_;
  // What answers nothing for a while, or not as the service does, is asked less often: something
  // else may be there.
  Reconnect slower_;
  Duration poll_interval_;

  // The last Acquire, whose answer may be lost.
  struct Tried {
    Epoch epoch;
    LeaseId lease = 0;
    Revision sync = 0;
    bool own_sync = false;
  };
  Tried tried_;

  Revision leader_revision_ = 0;
  Instant confirmed_at_{};
  std::optional<Instant> quorum_at_;
  Revision sync_revision_ = 0;  // the newest one known: what is read below it is old
  std::optional<SyncKey> publishing_;
  bool publish_unclear_ = false;  // read again before it is tried again
};

}  // namespace zeolite::replication
