#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "model/ids.h"
#include "sim/sim_store.h"
#include "wire/messages_replication.h"

// What travels over the simulated network. Between servers it is what the wire carries, as structs.
namespace zeolite::sim {

// The accounts that money goes between.
inline constexpr std::size_t kAccounts = 6;
inline constexpr std::int64_t kMoney = 100 * static_cast<std::int64_t>(kAccounts);

// All accounts, read at one line.
struct ReadRequest {
  std::uint64_t number = 0;
};
struct ReadReply {
  std::uint64_t number = 0;
  bool primary = false;
  Epoch epoch{};
  Tid line{};
  std::string leader{};  // address, if known
  bool opened = false;   // the accounts exist
  std::array<std::int64_t, kAccounts> balances{};
  std::array<Tid, kAccounts> tids{};
};

struct CommitRequest {
  std::uint64_t number = 0;
  CommitId id{};
  Tid begun{};
  struct Write {
    std::size_t account = 0;
    Tid base{};
    std::int64_t balance = 0;
  };
  std::vector<Write> writes{};
};
struct OutcomeRequest {
  std::uint64_t number = 0;
  CommitId id{};
  Tid begun{};
};
struct CommitReply {
  std::uint64_t number = 0;
  enum class Kind : std::uint8_t {
    committed,
    conflicted,
    aborted,  // will never commit
    failed,   // `error`
  } kind = Kind::failed;
  Tid tid{};
  ErrorCode error = ErrorCode::unavailable;
  std::string leader{};
};

// The whole log, in place of the files of a checkpoint.
struct CheckpointCopy {
  Id128 cluster{};
  std::vector<SimStore::Entry> entries{};
};

using Message = std::variant<wire::ReplicaHello, wire::ReplicaAck, wire::StaleEpoch,
                             wire::ReplicaWelcome, wire::ReplicaAppend, wire::ReplicaHeartbeat,
                             wire::Handover, wire::CheckpointRequest, CheckpointCopy, ReadRequest,
                             ReadReply, CommitRequest, OutcomeRequest, CommitReply>;

}  // namespace zeolite::sim
