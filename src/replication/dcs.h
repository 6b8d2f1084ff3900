#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "model/ids.h"

// What nodes agree on through the coordination service (etcd), as values: what is asked of it and
// what it answered. The election decides with these and does no I/O; src/etcd carries them out.
//
// Only the answer to a guarded transaction is a decision. What was read or watched is a hint: it
// may be old, and is good enough to decide what to try next.
namespace zeolite::replication {

// Names a node for ever: random, made with its data directory.
using NodeId = Id128;

// A key's modification revision in the coordination service; 0: the key does not exist.
using Revision = std::int64_t;

// A lease there. 0: none.
using LeaseId = std::int64_t;

// Who leads; its key lives as long as the leader's lease.
struct LeaderKey {
  NodeId node{};
  std::string name;     // of the node, for people
  std::string address;  // its native port, as others reach it
  Epoch epoch;
  Revision revision = 0;
  LeaseId lease = 0;  // by which it lives: tells an earlier process's key of this node from ours
  Duration ttl{};     // what the leader is set to, whole milliseconds: how long it may serve by it
  friend bool operator==(const LeaderKey&, const LeaderKey&) = default;
};

// Who may be promoted besides the leader that wrote it. Has no lease: it outlives its leader.
struct SyncKey {
  NodeId leader{};              // may always be promoted again
  Epoch epoch;                  // in which it was written
  std::vector<NodeId> members;  // hold every acknowledged commit
  bool automatic = true;        // false: durability is local; nobody else is promoted by itself
  Revision revision = 0;
  friend bool operator==(const SyncKey&, const SyncKey&) = default;
};

// A node that is there; its key lives as long as its lease.
struct MemberKey {
  NodeId node{};
  std::string name;
  std::string address;
  std::string role;  // "primary" or "standby", for people
  Tid last_tid;
  friend bool operator==(const MemberKey&, const MemberKey&) = default;
};

// All keys of the cluster as one read found them.
struct DcsView {
  std::optional<LeaderKey> leader;
  Epoch epoch;  // the counter: the newest epoch handed out
  Revision epoch_revision = 0;
  std::optional<SyncKey> sync;   // nothing: the cluster was never led
  std::optional<Id128> cluster;  // the cluster id of the databases; written by the first leader
  std::vector<MemberKey> members;
  friend bool operator==(const DcsView&, const DcsView&) = default;
};

// ---- what is asked ------------------------------------------------------------------------------

namespace dcs {

// Reads all keys.
struct Read {};

// Asks for a lease of `ttl`; the granted one may be longer.
struct GrantLease {
  Duration ttl{};
};
// Extends the lease. Its answer is a hint only.
struct KeepAlive {
  LeaseId lease = 0;
};
// Ends it, with all keys that live by it. Held: it was there.
struct Revoke {
  LeaseId lease = 0;
};

// Puts the node's own member key under the lease. Unguarded: nobody decides by it.
struct Register {
  LeaseId lease = 0;
  MemberKey member;
};

// If there is no leader key, and the epoch counter and the sync key are still at these revisions:
// puts the leader key with `epoch` under the lease, and the counter to `epoch`.
struct Acquire {
  LeaseId lease = 0;
  NodeId node{};
  std::string name;
  std::string address;
  Duration ttl{};
  Epoch epoch;  // the counter's value + 1
  Revision epoch_revision = 0;
  Revision sync_revision = 0;
  std::optional<Id128> cluster;  // of the candidate's database; nothing: it has none yet
  bool cluster_seen = false;     // the key must have this value; else it must be absent, and is
                                 // written if there is a value
};

// If the leader key is still at `leader_revision`: nothing changes. Success proves that at some
// moment after this was sent nobody else had taken over.
struct Confirm {
  Revision leader_revision = 0;
};

// If the leader key is still at `leader_revision` and the sync key at `sync.revision`: replaces the
// sync key, and notes the reign in the history.
struct PutSync {
  Revision leader_revision = 0;
  SyncKey sync;  // revision: the one it replaces; 0: there is none
};

// If the leader key is still at `leader_revision`: deletes it.
struct Release {
  Revision leader_revision = 0;
};

using Request =
    std::variant<Read, GrantLease, KeepAlive, Revoke, Register, Acquire, Confirm, PutSync, Release>;

// ---- what comes back ----------------------------------------------------------------------------

// Answer to Read.
struct Viewed {
  DcsView view;
};
// Answer to GrantLease and KeepAlive. KeepAlive of a lease that is gone: ttl zero.
struct Leased {
  LeaseId lease = 0;
  Duration ttl{};
};
// Answer to all others. `held`: the guards held and the change was made. `revision`: of the leader
// key after Acquire, of the sync key after PutSync.
struct Guarded {
  bool held = false;
  Revision revision = 0;
};

// An error (unavailable, timeout, protocol_error, too_new) means that it is not known whether it
// happened; not_found that it did not, as the lease that a key was to live by is gone.
using Answer = std::variant<Viewed, Leased, Guarded>;

}  // namespace dcs

}  // namespace zeolite::replication
