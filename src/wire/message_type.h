#pragma once

#include <cstdint>

namespace zeolite::wire {

// Fixed for ever; a frame's `type`.
enum class MessageType : std::uint8_t {
  hello = 1,
  welcome = 2,
  error = 3,
  ping = 4,
  pong = 5,
  topology = 6,
  await = 7,
  load = 10,
  loaded = 11,
  load_many = 12,
  loaded_many = 13,
  load_serial = 14,
  stage = 20,
  vote = 21,
  voted = 22,
  finish = 23,
  abort = 24,
  commit = 25,
  committed = 26,
  conflicted = 27,
  done = 28,
  outcome = 30,
  outcome_known = 31,
  new_oids = 32,
  oids = 33,
  read_log = 40,
  log = 41,
  status = 42,
  status_report = 43,
  verify = 44,
  verify_report = 45,
  walk = 46,
  walked = 47,
  pack = 48,
  pack_report = 49,
  invalidate = 50,
  load_blob = 51,
  blob_part = 52,
  replica_hello = 60,
  replica_welcome = 61,
  replica_append = 62,
  replica_ack = 63,
  replica_heartbeat = 64,
  replica_blob = 65,
  stale_epoch = 66,
  handover = 67,
  checkpoint_request = 70,
  checkpoint_begin = 71,
  checkpoint_chunk = 72,
  checkpoint_ack = 73,
  promote = 80,
  switchover = 81,
  demote = 82,
  role_changed = 83,
};

inline constexpr std::uint32_t kProtocolVersion = 1;

// Bits of Hello.features and Welcome.features.
// The client follows the cluster: it takes `topology` messages.
inline constexpr std::uint64_t kFeatureTopology = 1;

// What the server is to the cluster.
enum class NodeRole : std::uint8_t {
  starting = 0,
  primary = 1,
  standby = 2
};

}  // namespace zeolite::wire
