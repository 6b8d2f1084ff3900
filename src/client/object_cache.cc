#include "client/object_cache.h"

#include <bit>
#include <utility>

namespace zeolite::client_core {

namespace {

constexpr std::size_t kShardsMax = 16;
constexpr std::size_t kShardBytesWanted = 4 << 20;

std::size_t choose_shards(std::size_t bytes_max) {
  const std::size_t wanted = bytes_max / kShardBytesWanted;
  return std::bit_floor(std::min(std::max<std::size_t>(wanted, 1), kShardsMax));
}

// Whether the interval is still open after `tid`.
bool reaches_beyond(const ObjectCache::Revision& revision, Tid tid) {
  return revision.end == kNoTid || revision.end > tid;
}

}  // namespace

ObjectCache::ObjectCache(std::size_t bytes_max) {
  const std::size_t count = choose_shards(bytes_max);
  shard_bytes_max_ = bytes_max / count;
  shard_shift_ = 64U - static_cast<unsigned>(std::countr_zero(count));
  for (std::size_t i = 0; i < count; ++i) shards_.push_back(std::make_unique<Shard>());
}

ObjectCache::Shard& ObjectCache::shard_of(Oid oid) {
  // The high bits of a Fibonacci hash; the map within the shard uses the low ones. A shift by 64
  // would be undefined: one shard needs no hash.
  if (shard_shift_ == 64) return *shards_.front();
  return *shards_[static_cast<std::size_t>((oid.value() * 0x9E3779B97F4A7C15ULL) >> shard_shift_)];
}

std::size_t ObjectCache::cost(const Revision& revision) {
  return kOverheadBytes + (revision.data ? revision.data->capacity() : 0);
}

std::optional<ObjectCache::Revision> ObjectCache::find(Oid oid, Tid snapshot) {
  Shard& shard = shard_of(oid);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.newest.find(oid);
  if (found != shard.newest.end()) {
    for (auto entry = found->second; entry != shard.entries.end(); entry = entry->older) {
      if (entry->revision.tid > snapshot) continue;
      if (!reaches_beyond(entry->revision, snapshot)) break;
      if (!entry->referenced) entry->referenced = true;
      ++shard.counters.hits;
      return entry->revision;
    }
  }
  ++shard.counters.misses;
  return std::nullopt;
}

void ObjectCache::link(Shard& shard, Entries::iterator entry) {
  const Entries::iterator none = shard.entries.end();
  Revision& revision = entry->revision;
  const auto [head, is_first] = shard.newest.try_emplace(entry->oid, entry);
  if (is_first) return;
  Entries::iterator newer = none;
  Entries::iterator older = head->second;
  while (older != none && older->revision.tid > revision.tid) {
    newer = older;
    older = older->older;
  }
  // Tids order the revisions whatever was said about their ends.
  if (newer != none && reaches_beyond(revision, newer->revision.tid)) {
    revision.end = newer->revision.tid;
  }
  if (older != none && reaches_beyond(older->revision, revision.tid)) {
    older->revision.end = revision.tid;
  }
  entry->older = older;
  if (newer == none) {
    head->second = entry;
  } else {
    newer->older = entry;
  }
}

void ObjectCache::limit_revisions(Shard& shard, Oid oid) {
  const Entries::iterator none = shard.entries.end();
  Entries::iterator entry = shard.newest.find(oid)->second;
  for (std::size_t kept = 1; kept < kRevisionsMax && entry->older != none; ++kept) {
    entry = entry->older;
  }
  while (entry->older != none) remove(shard, entry->older);
}

void ObjectCache::insert(Oid oid, Revision revision) {
  const std::size_t bytes = cost(revision);
  if (bytes > shard_bytes_max_ / 2) {
    forget(oid);  // an older answer for the same revision may be there, with an older end
    return;
  }
  Shard& shard = shard_of(oid);
  const std::lock_guard lock(shard.mutex);
  if (const auto head = shard.newest.find(oid); head != shard.newest.end()) {
    Entries::iterator same = head->second;
    while (same != shard.entries.end() && same->revision.tid > revision.tid) same = same->older;
    if (same != shard.entries.end() && same->revision.tid == revision.tid) remove(shard, same);
  }
  shard.entries.push_front(Entry{oid, std::move(revision), shard.entries.end()});
  link(shard, shard.entries.begin());
  shard.counters.bytes += bytes;
  ++shard.counters.revisions;
  limit_revisions(shard, oid);
  evict(shard);
}

void ObjectCache::remove(Shard& shard, Entries::iterator entry) {
  const auto head = shard.newest.find(entry->oid);
  if (head->second == entry) {
    if (entry->older == shard.entries.end()) {
      shard.newest.erase(head);
    } else {
      head->second = entry->older;
    }
  } else {
    Entries::iterator newer = head->second;
    while (newer->older != entry) newer = newer->older;
    newer->older = entry->older;
  }
  shard.counters.bytes -= cost(entry->revision);
  --shard.counters.revisions;
  shard.entries.erase(entry);
}

void ObjectCache::evict(Shard& shard) const {
  while (shard.counters.bytes > shard_bytes_max_) {
    const Entries::iterator last = std::prev(shard.entries.end());
    if (last->referenced) {
      last->referenced = false;
      shard.entries.splice(shard.entries.begin(), shard.entries, last);
    } else {
      remove(shard, last);
      ++shard.counters.evictions;
    }
  }
}

void ObjectCache::invalidate(Oid oid, Tid tid) {
  Shard& shard = shard_of(oid);
  const std::lock_guard lock(shard.mutex);
  const auto head = shard.newest.find(oid);
  if (head == shard.newest.end()) return;
  Revision& newest = head->second->revision;
  if (newest.tid < tid && reaches_beyond(newest, tid)) newest.end = tid;
}

void ObjectCache::truncate(Oid oid, Tid position) {
  Shard& shard = shard_of(oid);
  const std::lock_guard lock(shard.mutex);
  auto head = shard.newest.find(oid);
  while (head != shard.newest.end() && head->second->revision.tid > position) {
    remove(shard, head->second);
    head = shard.newest.find(oid);
  }
  if (head == shard.newest.end()) return;
  Revision& newest = head->second->revision;
  if (reaches_beyond(newest, position)) newest.end = position.next();
}

void ObjectCache::forget(Oid oid) {
  Shard& shard = shard_of(oid);
  const std::lock_guard lock(shard.mutex);
  for (auto head = shard.newest.find(oid); head != shard.newest.end();
       head = shard.newest.find(oid)) {
    remove(shard, head->second);
  }
}

void ObjectCache::clear() {
  for (const std::unique_ptr<Shard>& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    shard->newest.clear();
    shard->entries.clear();
    shard->counters.bytes = 0;
    shard->counters.revisions = 0;
  }
}

void ObjectCache::save_shard(std::size_t index, Tid position, std::vector<Saved>& out) {
  Shard& shard = *shards_[index];
  const std::lock_guard lock(shard.mutex);
  for (auto entry = shard.entries.rbegin(); entry != shard.entries.rend(); ++entry) {
    if (entry->revision.tid > position) continue;
    Saved saved{entry->oid, entry->revision};
    if (saved.revision.end > position) saved.revision.end = kNoTid;
    out.push_back(std::move(saved));
  }
}

ObjectCache::Counters ObjectCache::counters() const {
  Counters sum;
  for (const std::unique_ptr<Shard>& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    sum.hits += shard->counters.hits;
    sum.misses += shard->counters.misses;
    sum.evictions += shard->counters.evictions;
    sum.bytes += shard->counters.bytes;
    sum.revisions += shard->counters.revisions;
  }
  return sum;
}

}  // namespace zeolite::client_core
