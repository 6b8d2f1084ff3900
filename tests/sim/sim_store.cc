#include "sim/sim_store.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::sim {
namespace {

// However slow a disk is, a sync takes no longer.
constexpr Duration kSyncMax = std::chrono::seconds(5);
constexpr Duration kOutcomeRetention = std::chrono::hours(24);

}  // namespace

SimStore::SimStore(EventQueue& queue, Random random, const Id128& cluster, Duration usual_sync)
    : queue_(queue),
      random_(random),
      cluster_(cluster),
      usual_sync_(usual_sync),
      tail_(kOutcomeRetention) {
  rebuild();
}

Duration SimStore::sync_time() { return std::min(random_.delay(usual_sync_), kSyncMax); }

std::size_t SimStore::pending_entries() const {
  std::size_t count = 0;
  for (const Pending& pending : pending_) count += pending.count;
  return count;
}

void SimStore::append(const Process& process, std::vector<TransactionRecord> group,
                      Appended appended, Room room) {
  if (full_ && room == Room::any) {
    queue_.after(sync_time(), process, [appended = std::move(appended)] {
      appended(make_error(ErrorCode::out_of_space, "the disk is full"));
    });
    return;
  }
  for (TransactionRecord& record : group) {
    (void)tail_.extend(record);
    entries_.push_back({.record = std::move(record), .position = tail_.last()});
  }
  pending_.push_back({.count = group.size(), .appended = std::move(appended)});
  if (pending_.size() == 1) sync_next(process);
}

void SimStore::sync_next(const Process& process) {
  queue_.after(sync_time(), process, [this, &process] {
    const Appended appended = std::move(pending_.front().appended);
    apply_first();
    if (!pending_.empty()) sync_next(process);
    appended(last());
  });
}

void SimStore::apply_first() {
  const std::size_t begin = entries_.size() - pending_entries();
  std::vector<TransactionRecord> group;
  for (std::size_t at = begin; at < begin + pending_.front().count; ++at) {
    group.push_back(entries_[at].record);
  }
  pending_.pop_front();
  const Result<Position> appended = objects_->append(group);
  CHECK(appended && *appended == last(), "the store computes the same chain");
}

void SimStore::store_promise(const Process& process, Epoch promise, Stored stored) {
  queue_.after(sync_time(), process, [this, promise, stored = std::move(stored)] {
    CHECK(promise >= promise_, "promises do not go down");  // R5
    const bool room = !full_;
    if (room) promise_ = promise;
    stored(room);
  });
}

void SimStore::store_heard(const Process& process, Epoch heard, Stored stored) {
  queue_.after(sync_time(), process, [this, heard, stored = std::move(stored)] {
    const bool room = !full_;
    if (room) heard_ = std::max(heard_, heard);
    stored(room);
  });
}

std::span<const SimStore::Entry> SimStore::entries_after(Tid tid, bool pending) const {
  const std::size_t size = entries_.size() - (pending ? 0 : pending_entries());
  const std::span<const Entry> all(entries_.data(), size);
  const auto first =
      std::ranges::upper_bound(all, tid, {}, [](const Entry& entry) { return entry.position.tid; });
  return {first, all.end()};
}

std::optional<Position> SimStore::position_of(Tid tid) const {
  if (tid.is_zero()) return std::nullopt;
  const std::span<const Entry> found = entries_after(tid.previous(), false);
  if (found.empty() || found.front().position.tid != tid) return std::nullopt;
  return found.front().position;
}

void SimStore::archive_after(const Position& to) {
  for (const Entry& entry : entries_after(to.tid, false)) archived_.insert(entry.position.chain);
}

bool SimStore::removes_after(const Position& to) const {
  return std::ranges::any_of(entries_after(to.tid, false), [](const Entry& entry) {
    return entry.record.kind == RecordKind::removal;
  });
}

std::uint64_t SimStore::content_hash() const {
  std::uint64_t hash = 0;
  const auto fold = [&](std::uint64_t value) { hash = (hash ^ value) * 0x100000001B3ULL; };
  const storage::PackState pack = objects_->pack_state();
  fold(pack.horizon.value());
  fold(pack.swept ? 1 : 0);
  std::set<Oid> oids;
  for (const Entry& entry : entries_after(kNoTid, false)) {
    for (const ObjectWrite& write : entry.record.writes) oids.insert(write.oid);
  }
  for (const Oid oid : oids) {
    for (Tid before = kMaxTid;;) {
      const storage::Loaded loaded =
          objects_->load_before(oid, before, kMaxTid, storage::ReadTier::disk).value();
      if (loaded.status != storage::LoadStatus::found) break;
      before = loaded.tid;
      fold(oid.value());
      fold(loaded.tid.value());
      for (const char byte : loaded.data.view()) fold(static_cast<unsigned char>(byte));
    }
  }
  return hash;
}

void SimStore::roll_back(const Position& to) {
  CHECK(!busy(), "nothing is appended meanwhile");
  CHECK(to.tid.is_zero() || position_of(to.tid) == to, "only to where the log has been");
  while (!entries_.empty() && entries_.back().position.tid > to.tid) {
    if (!archived_.contains(entries_.back().position.chain)) ++undone_for_good_;
    entries_.pop_back();
    ++undone_;
  }
  ++losses_;
  rebuild();
}

void SimStore::replace(std::vector<Entry> entries, const Id128& cluster) {
  CHECK(!busy(), "nothing is appended meanwhile");
  entries_ = std::move(entries);
  ++losses_;
  cluster_ = cluster;
  rebuild();
}

SimStore::Installed SimStore::install(bool looks) {
  if (!incoming_) return Installed::nothing;
  const Incoming copy = *std::exchange(incoming_, std::nullopt);
  if (!copy.complete) {
    if (copy.begin.position.tid > last().tid || !looks) incoming_ = copy;
    return Installed::nothing;
  }
  const std::optional<Position>& replaces = copy.complete->replaces;
  if (looks && last().tid > replaces.value_or(Position{}).tid) return Installed::outdated;
  std::vector<Entry> entries;
  for (const std::vector<Entry>& file : copy.files) {
    entries.insert(entries.end(), file.begin(), file.end());
  }
  std::ranges::sort(entries, {}, [](const Entry& entry) { return entry.position.tid; });
  replace(std::move(entries), copy.begin.cluster_id);
  return Installed::installed;
}

void SimStore::crash() {
  std::size_t kept = random_.index(pending_.size() + 1);
  for (; kept > 0; --kept) apply_first();
  std::size_t lost = pending_entries();
  pending_.clear();
  if (lost == 0) return;
  ++losses_;
  for (; lost > 0; --lost) entries_.pop_back();
  rebuild();
}

void SimStore::rebuild() {
  objects_ = std::make_unique<storage::MemoryObjectStore>(storage::MemoryObjectStore::Options{
      .cluster_id = cluster_, .outcome_retention = kOutcomeRetention});
  tail_ = storage::LogTail(kOutcomeRetention);
  std::vector<TransactionRecord> group;
  for (const Entry& entry : entries_) {
    (void)tail_.extend(entry.record);
    CHECK(tail_.last() == entry.position, "the chain is of the log");
    group.push_back(entry.record);
  }
  if (group.empty()) return;
  CHECK(objects_->append(group).has_value(), "what was appended once can be appended again");
}

}  // namespace zeolite::sim
