#include "maintenance/pack_sweep.h"

#include <algorithm>
#include <utility>

namespace zeolite::maintenance {
namespace {

using storage::RevisionKey;
using storage::StoredRevision;

// How many keys go in one batch: an object with a long history is more than one step reads.
constexpr std::size_t kRemovalBatch = 1000;
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

PackSweep::PackSweep(storage::ObjectStore* store, const storage::ObjectStore& reads, Tid horizon,
                     PackReport& report, BlobSink sink)
    : store_(store), reads_(reads), horizon_(horizon), report_(report), sink_(std::move(sink)) {}

Result<bool> PackSweep::find_blobs(std::size_t entries) {
  ASSIGN_OR_RETURN(const std::vector<LogEntry> page,
                   reads_.read_log(blobs_found_to_, horizon_, {.entries = entries}));
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
  ASSIGN_OR_RETURN(const std::vector<StoredRevision> page, reads_.revisions_from(next_, count));
  if (page.empty()) {
    done_ = true;
    return false;
  }
  removable_.clear();
  report_.revisions += page.size();
  for (std::size_t begin = 0, end = 0; begin < page.size(); begin = end) {
    const Oid oid = page[begin].key.oid;
    while (end < page.size() && page[end].key.oid == oid) ++end;
    const std::size_t before = removable_.size();
    select_removable(std::span(page).subspan(begin, end - begin), horizon_, kept(oid), removable_);
    ++report_.objects;
    const std::size_t removed = removable_.size() - before;
    if (removed == end - begin) ++report_.removed_objects;
    RETURN_IF_ERROR(count_bytes(std::span(removable_).subspan(before)));
  }
  next_ = page.back().key.oid.next();
  done_ = next_.is_zero();
  RETURN_IF_ERROR(remove());
  return !done_;
}

Result<> PackSweep::remove() {
  RETURN_IF_ERROR(find_removed_blobs());
  report_.removed_revisions += removable_.size();
  report_.removed_blobs += removed_blobs_.size();
  if (store_ == nullptr) return {};
  // Newest first, as they are: a back-pointer is gone before what it points to.
  for (std::span<const RevisionKey> rest = removable_; !rest.empty();) {
    const std::size_t count = std::min(rest.size(), kRemovalBatch);
    RETURN_IF_ERROR(store_->remove_revisions(rest.first(count)));
    rest = rest.subspan(count);
  }
  if (sink_ && !removed_blobs_.empty()) sink_(removed_blobs_);
  return {};
}

// Damaged revisions are removed all the same; they do not count.
Result<> PackSweep::count_bytes(std::span<const RevisionKey> object) {
  auto next = object.begin();
  while (next != object.end()) {
    const auto found = reads_.history(next->oid, next->tid, kHistoryBatch);
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

Result<> PackSweep::find_removed_blobs() {
  removed_blobs_.clear();
  for (const RevisionKey& key : removable_) {
    if (!with_blobs_.contains(key.oid)) continue;
    ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, reads_.log_entry(key.tid));
    if (!entry) continue;
    const auto object = std::ranges::find(entry->objects, key.oid, &ObjectSummary::oid);
    if (object != entry->objects.end() && object->blob) removed_blobs_.push_back(key);
  }
  return {};
}

}  // namespace zeolite::maintenance
