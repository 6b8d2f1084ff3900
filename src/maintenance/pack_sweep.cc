#include "maintenance/pack_sweep.h"

#include <algorithm>
#include <functional>
#include <optional>

namespace zeolite::maintenance {
namespace {

using storage::StoredRevision;

constexpr std::size_t kHistoryBatch = 1000;

}  // namespace

void select_removable(std::span<const StoredRevision> object, Tid horizon, bool kept,
                      std::vector<RevisionKey>& removable) {
  const auto current = std::ranges::find_if(
      object, [horizon](const StoredRevision& revision) { return revision.key.tid <= horizon; });
  kept = kept || current != object.begin();
  std::vector<Tid> targets;
  for (auto revision = object.begin(); revision != object.end(); ++revision) {
    if (revision > current || (revision == current && !kept)) break;
    if (revision->kind == RevisionKind::back_pointer) targets.push_back(revision->back);
  }
  std::ranges::sort(targets);
  const std::size_t before = removable.size();
  bool older_stays = false;
  for (auto revision = current; revision != object.end(); ++revision) {
    const bool is_target = std::ranges::binary_search(targets, revision->key.tid);
    const bool stays = revision == current && kept && revision->kind != RevisionKind::deletion;
    if (!is_target && !stays) removable.push_back(revision->key);
    if (revision != current) older_stays = older_stays || is_target;
  }
  if (current != object.end() && current->kind == RevisionKind::deletion && older_stays) {
    removable.erase(removable.begin() + static_cast<std::ptrdiff_t>(before));
  }
}

PackSweep::PackSweep(RemovalLog* log, const storage::ObjectStore& store, Tid horizon,
                     PackReport& report)
    : log_(log), store_(store), horizon_(horizon), report_(report) {}

Result<bool> PackSweep::find_blobs(std::size_t entries) {
  ASSIGN_OR_RETURN(const std::vector<LogEntry> page,
                   store_.read_log(blobs_found_to_, horizon_, {.entries = entries}));
  for (const LogEntry& entry : page) {
    blobs_found_to_ = entry.position.tid;
    for (const ObjectSummary& object : entry.objects) {
      if (object.blob) with_blobs_.add(object.oid);
    }
  }
  return !page.empty();
}

Result<bool> PackSweep::step(std::size_t count, const std::function<bool(Oid)>& kept) {
  if (done_) return false;
  ASSIGN_OR_RETURN(const std::vector<StoredRevision> page, store_.revisions_from(next_, count));
  if (page.empty()) {
    done_ = true;
    return false;
  }
  report_.revisions += page.size();
  for (std::size_t begin = 0, end = 0; begin < page.size(); begin = end) {
    const Oid oid = page[begin].key.oid;
    while (end < page.size() && page[end].key.oid == oid) ++end;
    const std::span object = std::span(page).subspan(begin, end - begin);
    removable_.clear();
    select_removable(object, horizon_, kept(oid), removable_);
    ++report_.objects;
    report_.removed_revisions += removable_.size();
    if (removable_.size() == object.size()) ++report_.removed_objects;
    RETURN_IF_ERROR(take(object));
  }
  next_ = page.back().key.oid.next();
  done_ = next_.is_zero();
  RETURN_IF_ERROR(remove_pending());
  return !done_;
}

// Removes removable_, all of `object`, or lets it wait for more.
Result<> PackSweep::take(std::span<const StoredRevision> object) {
  RETURN_IF_ERROR(count_bytes(removable_));
  if (log_ == nullptr) return count_blobs(removable_);
  if (pending_.size() + removable_.size() > kRemovalBatch) RETURN_IF_ERROR(remove_pending());
  if (removable_.size() > kRemovalBatch) return take_long(object);
  pending_.insert(pending_.end(), removable_.begin(), removable_.end());
  return {};
}

// More of one object than a record takes. What is current as of the horizon hides the rest from
// whoever reads at the horizon or later, so it goes with the last of them, and so does what it
// points to. Of the others the newest goes first: a back-pointer before what it points to.
Result<> PackSweep::take_long(std::span<const StoredRevision> object) {
  const RevisionKey newest = removable_.front();
  const auto found = std::ranges::find(object, newest, &StoredRevision::key);
  const auto hidden = [newest, back = found->back](const RevisionKey& key) {
    return key.tid != newest.tid && key.tid != back;
  };
  std::ranges::stable_partition(removable_, hidden);
  std::span<RevisionKey> rest = removable_;
  // The first record is the short one, so that the last holds both.
  std::size_t count = rest.size() % kRemovalBatch;
  if (count == 0) count = kRemovalBatch;
  for (; !rest.empty(); rest = rest.subspan(count), count = kRemovalBatch) {
    const std::span<RevisionKey> keys = rest.first(count);
    std::ranges::sort(keys, std::ranges::greater(), &RevisionKey::tid);
    RETURN_IF_ERROR(remove(keys));
  }
  return {};
}

Result<> PackSweep::remove_pending() {
  if (pending_.empty()) return {};
  RETURN_IF_ERROR(remove(pending_));
  pending_.clear();
  return {};
}

Result<> PackSweep::remove(std::span<const RevisionKey> keys) {
  ASSIGN_OR_RETURN(const std::uint64_t blobs, log_->remove(keys));
  report_.removed_blobs += blobs;
  return {};
}

// Damaged revisions are removed all the same; they do not count.
Result<> PackSweep::count_bytes(std::span<const RevisionKey> object) {
  auto next = object.begin();
  while (next != object.end()) {
    const auto found = store_.history(next->oid, next->tid, kHistoryBatch);
    if (!found && found.error().code == ErrorCode::corruption) return {};
    if (!found) return std::unexpected(found.error());
    if (found->empty()) return {};
    for (const auto& revision : *found) {
      if (next == object.end()) break;
      if (revision.tid != next->tid) continue;
      report_.removed_bytes += revision.summary.size;
      ++next;
    }
  }
  return {};
}

Result<> PackSweep::count_blobs(std::span<const RevisionKey> keys) {
  for (const RevisionKey& key : keys) {
    if (!with_blobs_.contains(key.oid)) continue;
    ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store_.log_entry(key.tid));
    if (!entry) continue;
    const auto object = std::ranges::find(entry->objects, key.oid, &ObjectSummary::oid);
    if (object != entry->objects.end() && object->blob) ++report_.removed_blobs;
  }
  return {};
}

}  // namespace zeolite::maintenance
