#include "daemon/zeo_prepare.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "history/undo_planner.h"

namespace zeolite::daemon {

namespace {

Result<> plan_undos(const storage::ObjectStore& store, Tid line,
                    const std::vector<Tid>& transactions, zeo::Prepared& prepared) {
  Result<history::UndoPlan> plan = history::plan_undo(store, line, transactions);
  if (!plan) {
    const ErrorCode code = plan.error().code;
    if (code != ErrorCode::not_found && code != ErrorCode::invalid_argument) {
      return std::unexpected(std::move(plan).error());
    }
    prepared.undo_failures.emplace_back(Oid{}, std::move(plan).error().detail);
    return {};
  }
  for (history::UndoFailure& failure : plan->failures) {
    prepared.undo_failures.emplace_back(failure.oid, std::move(failure.reason));
  }
  for (const history::UndoWrite& write : plan->writes) {
    commit::StagedWrite& staged = prepared.undone.emplace_back();
    staged.oid = write.oid;
    staged.base = write.base;
    staged.as_file_storage = true;  // it may be a deletion
    staged.kind = write.kind;
    staged.back = write.back;
    staged.via = write.via;
    staged.blob = write.blob;
  }
  return {};
}

// An undone blob has a file of its own, a link to that of the revision gone back to.
Result<> restage_blobs(blobs::BlobDirectory* blobs, VotePreparation& vote) {
  for (commit::StagedWrite& write : vote.prepared.undone) {
    if (!write.blob || blobs == nullptr) continue;
    ASSIGN_OR_RETURN(blobs::StagedBlob staged, blobs->restage(write.oid, write.back, *write.blob));
    write.staged_blob = staged.name();
    vote.restaged.push_back(std::move(staged));
  }
  return {};
}

using Restored = zeo::Preparation::Restored;

// Of these, which all name one transaction as their source: those that are the same there.
Result<> find_repeated_of(const storage::ObjectStore& store, Tid line,
                          std::span<const Restored* const> restored, zeo::Prepared& prepared) {
  const Tid source = restored.front()->source;
  ASSIGN_OR_RETURN(std::optional<LogEntry> entry, store.log_entry(source));
  if (!entry) return {};
  std::ranges::sort(entry->objects, {}, &ObjectSummary::oid);
  for (const Restored* one : restored) {
    ASSIGN_OR_RETURN(const storage::Loaded there, store.load_serial(one->oid, source, line));
    if (there.status == storage::LoadStatus::deleted && !one->data) {
      prepared.repeated.push_back({one->oid, kNoTid, source});
    }
    if (there.status != storage::LoadStatus::found || there.data != one->data) continue;
    const auto object = std::ranges::lower_bound(entry->objects, one->oid, {}, &ObjectSummary::oid);
    const bool repeats = object != entry->objects.end() && object->oid == one->oid &&
                         object->kind == RevisionKind::back_pointer;
    const Tid back = repeats ? object->back : source;
    prepared.repeated.push_back({one->oid, back, back == source ? kNoTid : source});
  }
  return {};
}

// A restored record repeats an earlier one when it has the same bytes, or is a deletion like it;
// FileStorage then writes a back-pointer, and so do we. Each transaction that is gone back to is
// looked at once.
Result<> find_repeated(const storage::ObjectStore& store, Tid line,
                       std::span<const Restored> restored, zeo::Prepared& prepared) {
  std::vector<const Restored*> by_source;
  by_source.reserve(restored.size());
  for (const Restored& one : restored) by_source.push_back(&one);
  std::ranges::stable_sort(by_source, {}, &Restored::source);
  for (auto first = by_source.begin(); first != by_source.end();) {
    const auto last = std::find_if(first, by_source.end(), [first](const Restored* one) {
      return one->source != (*first)->source;
    });
    RETURN_IF_ERROR(find_repeated_of(store, line, {first, last}, prepared));
    first = last;
  }
  return {};
}

}  // namespace

Result<VotePreparation> prepare_vote(const storage::ObjectStore& store, Tid line,
                                     blobs::BlobDirectory* blobs, const zeo::Preparation& wanted,
                                     const ZeoUploads::Uploads& uploads) {
  VotePreparation vote;
  zeo::Prepared& prepared = vote.prepared;
  const storage::PackState pack = store.pack_state();
  if (pack.swept) prepared.swept_pack = pack.record;
  if (!wanted.undos.empty()) {
    RETURN_IF_ERROR(plan_undos(store, line, wanted.undos, prepared));
    if (!prepared.undo_failures.empty()) return vote;
    RETURN_IF_ERROR(restage_blobs(blobs, vote));
  }
  RETURN_IF_ERROR(find_repeated(store, line, wanted.restored, prepared));
  if (!uploads.empty()) {
    if (blobs == nullptr) return make_error(ErrorCode::read_only, "this storage keeps no blobs");
    ASSIGN_OR_RETURN(prepared.blobs, seal_uploads(uploads));
  }
  return vote;
}

}  // namespace zeolite::daemon
