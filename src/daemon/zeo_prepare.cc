#include "daemon/zeo_prepare.h"

#include <algorithm>
#include <utility>

namespace zeolite::daemon {

namespace {

// Objects or transactions looked at in one part.
constexpr std::size_t kSteps = 256;

void take_plan(const history::UndoPlan& plan, zeo::Prepared& prepared) {
  for (const history::UndoFailure& failure : plan.failures) {
    prepared.undo_failures.emplace_back(failure.oid, failure.reason);
  }
  for (const history::UndoWrite& write : plan.writes) {
    commit::StagedWrite& staged = prepared.undone.emplace_back();
    staged.oid = write.oid;
    staged.base = write.base;
    staged.as_file_storage = true;  // it may be a deletion
    staged.kind = write.kind;
    staged.back = write.back;
    staged.via = write.via;
    staged.blob = write.blob;
  }
}

std::unexpected<Error> abandoned_error() {
  return make_error(ErrorCode::aborted, "nobody waits for the vote any more");
}

}  // namespace

std::optional<Result<zeo::Prepared>> VoteReading::operator()(const storage::ObjectStore& store,
                                                             Tid line) {
  const Result<bool> done = read(store, line);
  if (!done) return std::unexpected(done.error());
  if (!*done) return std::nullopt;
  return std::move(prepared_);
}

Result<bool> VoteReading::read(const storage::ObjectStore& store, Tid line) {
  if (*abandoned_) return abandoned_error();
  if (!std::exchange(begun_, true)) {
    const storage::PackState pack = store.pack_state();
    if (pack.swept) prepared_.swept_pack = pack.record;
    if (!wanted_.undos.empty()) planner_.emplace(store, line, std::move(wanted_.undos));
    // Each transaction that is gone back to is looked at once.
    std::ranges::stable_sort(wanted_.restored, {}, &Restored::source);
  }
  if (planner_) {
    ASSIGN_OR_RETURN(const bool planned, plan_undos());
    if (!planned) return false;
    planner_.reset();
    if (!prepared_.undo_failures.empty()) return true;
  }
  return find_repeated(store, line);
}

Result<bool> VoteReading::plan_undos() {
  const Result<std::optional<history::UndoPlan>> plan = planner_->advance(kSteps);
  if (!plan) {
    const ErrorCode code = plan.error().code;
    if (code != ErrorCode::not_found && code != ErrorCode::invalid_argument) {
      return std::unexpected(plan.error());
    }
    prepared_.undo_failures.emplace_back(Oid{}, plan.error().detail);
    return true;
  }
  if (!*plan) return false;
  take_plan(**plan, prepared_);
  return true;
}

// A restored record repeats an earlier one when it has the same bytes, or is a deletion like it;
// FileStorage then writes a back-pointer, and so do we.
Result<bool> VoteReading::find_repeated(const storage::ObjectStore& store, Tid line) {
  for (std::size_t steps = kSteps; next_ < wanted_.restored.size(); ++next_, --steps) {
    if (steps == 0) return false;
    const Restored& restored = wanted_.restored[next_];
    if (next_ == 0 || restored.source != wanted_.restored[next_ - 1].source) {
      ASSIGN_OR_RETURN(source_, store.log_entry(restored.source));
      if (source_) std::ranges::sort(source_->objects, {}, &ObjectSummary::oid);
    }
    if (source_) RETURN_IF_ERROR(judge(store, line, restored));
  }
  return true;
}

Result<> VoteReading::judge(const storage::ObjectStore& store, Tid line, const Restored& restored) {
  const auto& [oid, source, data] = restored;
  ASSIGN_OR_RETURN(const storage::Loaded there, store.load_serial(oid, source, line));
  if (there.status == storage::LoadStatus::deleted && !data) {
    prepared_.repeated.push_back({oid, kNoTid, source});
  }
  if (there.status != storage::LoadStatus::found || there.data != data) return {};
  const auto object = std::ranges::lower_bound(source_->objects, oid, {}, &ObjectSummary::oid);
  const bool repeats = object != source_->objects.end() && object->oid == oid &&
                       object->kind == RevisionKind::back_pointer;
  const Tid back = repeats ? object->back : source;
  prepared_.repeated.push_back({oid, back, back == source ? kNoTid : source});
  return {};
}

namespace {

// An undone blob has a file of its own, a link to that of the revision gone back to.
Result<> restage_blobs(blobs::BlobDirectory* blobs, VotePreparation& vote,
                       const VoteAbandoned& abandoned) {
  for (commit::StagedWrite& write : vote.prepared.undone) {
    if (!write.blob || blobs == nullptr) continue;
    if (*abandoned) return abandoned_error();
    ASSIGN_OR_RETURN(blobs::StagedBlob staged, blobs->restage(write.oid, write.back, *write.blob));
    write.staged_blob = staged.name();
    vote.restaged.push_back(std::move(staged));
  }
  return {};
}

}  // namespace

Result<VotePreparation> prepare_blobs(blobs::BlobDirectory* blobs, zeo::Prepared prepared,
                                      const ZeoUploads::Uploads& uploads,
                                      const VoteAbandoned& abandoned) {
  VotePreparation vote{std::move(prepared), {}};
  RETURN_IF_ERROR(restage_blobs(blobs, vote, abandoned));
  if (uploads.empty()) return vote;
  if (blobs == nullptr) return make_error(ErrorCode::read_only, "this storage keeps no blobs");
  ASSIGN_OR_RETURN(vote.prepared.blobs, seal_uploads(uploads));
  return vote;
}

}  // namespace zeolite::daemon
