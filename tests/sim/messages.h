#pragma once

#include <array>
#include <cstdint>
#include <optional>
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

// A file of a checkpoint, whole.
struct CopyFile {
  std::uint32_t file = 0;
  std::vector<SimStore::Entry> entries{};
};

using Message =
    std::variant<wire::ReplicaHello, wire::ReplicaAck, wire::StaleEpoch, wire::ReplicaWelcome,
                 wire::ReplicaAppend, wire::ReplicaHeartbeat, wire::Handover,
                 wire::CheckpointRequest, wire::CheckpointBegin, CopyFile, wire::CheckpointAck,
                 ReadRequest, ReadReply, CommitRequest, OutcomeRequest, CommitReply>;

// The promise that the sender shows to be its own by sending this, if any.
inline std::optional<Epoch> promise_in(const Message& message) {
  if (const auto* const hello = std::get_if<wire::ReplicaHello>(&message)) return hello->promised;
  if (const auto* const ack = std::get_if<wire::ReplicaAck>(&message)) return ack->epoch;
  if (const auto* const stale = std::get_if<wire::StaleEpoch>(&message)) return stale->promised;
  if (const auto* const it = std::get_if<wire::ReplicaWelcome>(&message)) return it->epoch;
  if (const auto* const group = std::get_if<wire::ReplicaAppend>(&message)) return group->epoch;
  if (const auto* const beat = std::get_if<wire::ReplicaHeartbeat>(&message)) return beat->epoch;
  if (const auto* const it = std::get_if<wire::Handover>(&message)) return it->epoch;
  return std::nullopt;
}

}  // namespace zeolite::sim
