#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "model/ids.h"
#include "replication/dcs.h"
#include "replication/follower.h"
#include "wire/messages_replication.h"

// What a Node asks of whoever runs it. The list is carried out in order, each action to its end
// where it says so before the next. When StorePromise, StoreHeard or Lead fails, nothing of it is
// carried out after that, and Node::storing_failed is told.
namespace zeolite::replication {

// Names the connection of a standby, in this process.
using PeerId = std::uint64_t;
// Names a command that waits for its answer.
using CommandId = std::uint64_t;

enum class Role : std::uint8_t {
  starting,   // nobody is followed yet
  standby,    // follows
  promoting,  // has an epoch, and does not serve yet
  primary,    // serves
  ended,      // stepped down: begin anew
};

using UpstreamMessage = std::variant<wire::ReplicaWelcome, wire::ReplicaAppend,
                                     wire::ReplicaHeartbeat, wire::StaleEpoch, wire::Handover>;

// How a standby's position compares with the own log (storage/log_search.h makes it).
struct Comparison {
  enum class Kind : std::uint8_t {
    same,      // it is in the own log
    ancestor,  // `position` is the newest that can be common
    probe,     // ask for the last position whose epoch is at most `position.epoch`
  } kind = Kind::same;
  Position position;
  // The log brings the standby up: nothing after the common position was packed away, and a copy
  // of the database would not be much quicker.
  bool complete = true;
};

// A standby of this node, for status.
struct PeerStatus {
  PeerId peer = 0;
  NodeId node{};
  std::string name;
  std::string address;
  bool streaming = false;
  bool in_sync = false;
  bool waited_for = false;
  Tid flushed;
  std::optional<Instant> behind_since{};  // it has not had everything from then on
};

namespace action {

// ---- on the own disk ----

// The promise is durable before the next action.
struct StorePromise {
  Epoch epoch;
};
// Somebody has promised this epoch, which is above all that was stored. It is durable before the
// next action, so that no reign by command is below it, also after a restart.
struct StoreHeard {
  Epoch epoch;
};
// A group of the upstream's log. Answer: Node::appended, in order, for this one or a later one; or
// append_failed, once, when nothing of what was handed over is under way any more.
struct Append {
  wire::ReplicaAppend group;
};
// Archives and undoes what is after `to`. Answer: rolled_back or rollback_refused.
struct Rollback {
  Position to;
};
// Answer: located, with the last position whose epoch is at most `max`.
struct Locate {
  Epoch max;
};
// Takes a copy of the upstream's database over its connection, or goes on with one that was begun:
// one that Follower::may_replace(). Answer: copied, unless the connection ends before.
using TakeCheckpoint = Follower::TakeCheckpoint;
// The copy that was taken last becomes the database: the owner makes that certain, then begins
// anew with it. The node has ended: nothing of its log was appended since the copy was asked for,
// and nothing is.
using InstallCheckpoint = Follower::InstallCheckpoint;
// Removes what there is of copies that were begun: the own log goes on without them.
struct DiscardCopy {};

// ---- roles ----

// Begins a reign: appends its epoch record. Answer: reign_begun. `takeover`: after another's, so
// the record's tid is by the clock. `alone`: the first reign of this cluster, and the log is empty.
// Then the record may come later (docs/decisions/0009), and the answer's position is zero; until it
// is durable, standbys are turned away, so the owner has it appended before it tells of one.
struct Lead {
  Epoch epoch;
  bool takeover = false;
  bool alone = false;
};
// The reign is established; clients are served. Everything up to `visible` is acknowledged.
struct Serve {
  Epoch epoch;
  Tid visible;
};
// While leading: whether commits wait for Acknowledge. True: carried out at once, and answered with
// waiting_from() before the next action. False: whatever is durable is acknowledged.
struct SetWaiting {
  bool on = false;
};
struct Acknowledge {
  Tid up_to;
};
// Following: readers may see everything up to here.
struct Show {
  Tid visible;
};
// New commits are kept back until released. Answer when nothing is being appended: commits_held.
struct HoldCommits {};
// After this a commits_held still due is not wanted.
struct ReleaseCommits {};
// Nobody is answered any more; the owner begins anew as a standby. `leader`: whom to follow, if
// known and not found by election.
struct StepDown {
  std::string why;
  std::string leader;
};

// ---- others ----

// Connects to the upstream, after closing what there is. Answer: upstream_connected or
// upstream_lost.
struct Connect {
  std::string address;
};
// When what was sent is written.
struct Disconnect {
  std::string why;
};
struct ToUpstream {
  std::variant<wire::ReplicaHello, wire::ReplicaAck, wire::StaleEpoch> message;
};
struct ToPeer {
  PeerId peer = 0;
  std::variant<wire::ReplicaWelcome, wire::ReplicaHeartbeat, wire::StaleEpoch, wire::Handover>
      message;
};
// Closes when what was sent is written. The node has forgotten it: peer_lost is not wanted.
struct ClosePeer {
  PeerId peer = 0;
  std::string why;
};
// Answer: peer_compared.
struct Compare {
  PeerId peer = 0;
  Position position;
};
// From now on the peer is sent every group after `after`, in order.
struct Feed {
  PeerId peer = 0;
  Position after;
};
// Answer: Node::answered, once.
struct AskDcs {
  dcs::Request request;
};

// The answer to a command.
struct Answer {
  CommandId command = 0;
  Result<wire::RoleChanged> result;
};
// For the log.
struct Note {
  bool warning = false;
  std::string text;
};

}  // namespace action

using Action =
    std::variant<action::StorePromise, action::StoreHeard, action::Append, action::Rollback,
                 action::Locate, action::TakeCheckpoint, action::InstallCheckpoint,
                 action::DiscardCopy, action::Lead, action::Serve, action::SetWaiting,
                 action::Acknowledge, action::Show, action::HoldCommits, action::ReleaseCommits,
                 action::StepDown, action::Connect, action::Disconnect, action::ToUpstream,
                 action::ToPeer, action::ClosePeer, action::Compare, action::Feed, action::AskDcs,
                 action::Answer, action::Note>;
using Actions = std::vector<Action>;

}  // namespace zeolite::replication
