#include "cli/divergence_replay.h"

#include <algorithm>

#include "client/stage_cutter.h"

namespace zeolite::cli {
std::size_t ReplayReport::count(Item::Outcome outcome) const {
  return static_cast<std::size_t>(std::ranges::count(items, outcome, &Item::outcome));
}

DivergenceReplay::DivergenceReplay(const Position& ancestor,
                                   const std::vector<TransactionRecord>& records)
    : ancestor_(ancestor) {
  for (const TransactionRecord& record : records) {
    for (const ObjectWrite& write : record.writes) {
      revisions_.emplace(std::pair(write.oid, record.tid), &write);
    }
  }
}

Result<DivergenceReplay::Prepared> DivergenceReplay::prepare(const TransactionRecord& record,
                                                             const Load& load) const {
  if (record.writes.empty()) return Prepared(std::unexpected("a pack has removed what it wrote"));
  std::vector<wire::WireWrite> writes;
  for (const ObjectWrite& write : record.writes) {
    if (left_out_.contains(write.previous)) {
      return Prepared(std::unexpected("object " + to_hex(write.oid) +
                                      " was made from transaction " + to_hex(write.previous) +
                                      ", which is left out"));
    }
    if (write.blob) {
      return Prepared(
          std::unexpected("object " + to_hex(write.oid) +
                          " has a blob, which a replay does not bring back: store its file again, "
                          "which `zeolite divergence show` names"));
    }
    ASSIGN_OR_RETURN(std::optional<Bytes> data, data_of(write, load));
    if (!data) {
      return Prepared(std::unexpected("object " + to_hex(write.oid) + " was set back to " +
                                      to_hex(write.back) + ", which is gone"));
    }
    const auto moved = now_at_.find(write.previous);
    const bool removal = write.kind == RevisionKind::deletion;
    writes.push_back({.oid = write.oid,
                      .base = moved == now_at_.end() ? write.previous : moved->second,
                      .kind = removal ? RevisionKind::deletion : RevisionKind::data,
                      .data = *std::move(data)});
  }
  return Prepared(std::move(writes));
}

// The bytes that the revision shows; nothing when they are gone.
Result<std::optional<Bytes>> DivergenceReplay::data_of(const ObjectWrite& write,
                                                       const Load& load) const {
  if (write.kind != RevisionKind::back_pointer) return write.data;
  const auto in_tail = revisions_.find({write.oid, write.back});
  if (in_tail != revisions_.end()) return in_tail->second->data;
  Result<Bytes> loaded = load(write.oid, write.back);
  if (loaded) return *std::move(loaded);
  if (loaded.error().code == ErrorCode::not_found) return std::nullopt;
  return std::unexpected(std::move(loaded).error());
}

CommitId DivergenceReplay::commit_id_of(const TransactionRecord& record) const {
  if (!record.commit_id.empty()) return record.commit_id;
  // One primary serves an epoch: its epoch and tid, on the common history, name the transaction.
  CommitId id{.session = ancestor_.chain, .number = record.tid.value()};
  const std::uint64_t epoch = record.epoch.value();
  for (std::size_t i = 0; i < sizeof epoch; ++i) {
    id.session.at(i) ^= static_cast<std::uint8_t>(epoch >> (8 * i));
  }
  return id;
}

void DivergenceReplay::committed(const TransactionRecord& record, Tid as) {
  now_at_[record.tid] = as;
}

void DivergenceReplay::left_out(const TransactionRecord& record) { left_out_.insert(record.tid); }

bool DivergenceReplay::is_replayed(Tid base) const { return now_at_.contains(base); }

std::vector<wire::Message> replay_frames(wire::Commit commit, std::size_t body_max) {
  const std::size_t metadata = commit.metadata.user.size() + commit.metadata.description.size() +
                               commit.metadata.extension.size();
  const std::size_t beside = client_core::kMessageBytes + metadata;
  const std::size_t room = body_max > beside ? body_max - beside : 0;
  client_core::StageCutter cutter(commit.number, std::min(client_core::kStageBytes, room));
  for (wire::WireWrite& write : commit.writes) cutter.add(std::move(write));
  return std::move(cutter).finish(std::move(commit));
}

}  // namespace zeolite::cli
