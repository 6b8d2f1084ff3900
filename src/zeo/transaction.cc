#include "zeo/transaction.h"

#include <utility>

namespace zeolite::zeo {

commit::StagedWrite& Transaction::write(Oid oid) {
  const auto [place, fresh] = index_.try_emplace(oid, writes_.size());
  if (fresh) {
    writes_.emplace_back();
  } else {
    restored_.erase(place->second);
  }
  commit::StagedWrite& write = writes_[place->second];
  write = {};
  write.oid = oid;
  return write;
}

void Transaction::store(Oid oid, Tid base, Bytes data) {
  commit::StagedWrite& stored = write(oid);
  stored.base = base;
  stored.as_file_storage = true;
  stored.data = std::move(data);
}

void Transaction::restore(Oid oid, std::optional<Bytes> data, Tid source) {
  commit::StagedWrite& restored = write(oid);
  blobs_.erase(oid);
  restored.unchecked = true;
  if (data) {
    restored.data = *std::move(data);
  } else {
    restored.kind = RevisionKind::deletion;
  }
  if (!source.is_zero()) restored_[index_.at(oid)] = source;
}

void Transaction::remove(Oid oid, Tid base) {
  commit::StagedWrite& removed = write(oid);
  blobs_.erase(oid);
  removed.base = base;
  removed.as_file_storage = true;
  removed.kind = RevisionKind::deletion;
}

void Transaction::check_read(Oid oid, Tid tid) {
  if (tid.is_zero()) tid = kNeverRead;
  const auto [place, fresh] = read_index_.try_emplace(oid, reads_.size());
  if (fresh) {
    reads_.push_back({.oid = oid, .tid = tid});
  } else {
    reads_[place->second].tid = tid;
  }
}

void Transaction::drop() {
  Transaction rest(std::move(id_));
  rest.metadata = std::move(metadata);
  rest.fixed_tid = fixed_tid;
  rest.status = status;
  rest.begun_bytes_ = rest.bytes_ = begun_bytes_;
  rest.messages_ = 1;
  rest.dropped_ = true;
  *this = std::move(rest);
}

void Transaction::attach_blob(Oid oid) { blobs_.insert(oid); }

std::vector<Transaction::RestoredFrom> Transaction::restored() const {
  std::vector<RestoredFrom> result;
  result.reserve(restored_.size());
  for (const auto& [at, source] : restored_) result.push_back({at, source});
  return result;
}

bool Transaction::removes(Oid oid) const {
  const auto found = index_.find(oid);
  return found != index_.end() && writes_[found->second].kind == RevisionKind::deletion;
}

std::optional<Bytes> Transaction::data_of(Oid oid) const {
  const auto found = index_.find(oid);
  if (found == index_.end()) return std::nullopt;
  return writes_[found->second].data;
}

std::optional<std::size_t> Transaction::place_of(Oid oid) const {
  const auto found = index_.find(oid);
  if (found == index_.end()) return std::nullopt;
  return found->second;
}

commit::StagedTransaction Transaction::staged() const {
  commit::StagedTransaction result;
  result.metadata = metadata;
  result.status = status;
  result.fixed_tid = fixed_tid;
  result.writes = writes_;
  result.reads = reads_;
  return result;
}

}  // namespace zeolite::zeo
