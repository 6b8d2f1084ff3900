#include "zeo/transaction.h"

#include <algorithm>
#include <utility>

namespace zeolite::zeo {

commit::StagedWrite& Transaction::write(Oid oid) {
  const auto [place, fresh] = index_.try_emplace(oid, writes_.size());
  if (fresh) {
    writes_.emplace_back();
  } else {
    bytes_ -= writes_[place->second].data.size();
    std::erase_if(restored_, [at = place->second](const RestoredFrom& r) { return r.write == at; });
  }
  commit::StagedWrite& write = writes_[place->second];
  write = {};
  write.oid = oid;
  return write;
}

void Transaction::store(Oid oid, Tid base, Bytes data) {
  commit::StagedWrite& stored = write(oid);
  bytes_ += data.size();
  stored.base = base;
  stored.as_file_storage = true;
  stored.data = std::move(data);
}

void Transaction::restore(Oid oid, std::optional<Bytes> data, Tid source) {
  commit::StagedWrite& restored = write(oid);
  std::erase(blobs_, oid);
  restored.unchecked = true;
  if (!data) {
    restored.kind = RevisionKind::deletion;
    return;
  }
  bytes_ += data->size();
  restored.data = *std::move(data);
  if (!source.is_zero()) restored_.push_back({index_.at(oid), source});
}

void Transaction::remove(Oid oid, Tid base) {
  commit::StagedWrite& removed = write(oid);
  std::erase(blobs_, oid);
  removed.base = base;
  removed.as_file_storage = true;
  removed.kind = RevisionKind::deletion;
}

void Transaction::check_read(Oid oid, Tid tid) {
  const auto [place, fresh] = read_index_.try_emplace(oid, reads_.size());
  if (fresh) {
    reads_.push_back({.oid = oid, .tid = tid});
  } else {
    reads_[place->second].tid = tid;
  }
}

void Transaction::attach_blob(Oid oid) {
  if (std::ranges::find(blobs_, oid) == blobs_.end()) blobs_.push_back(oid);
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
