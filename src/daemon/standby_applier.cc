#include "daemon/standby_applier.h"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "daemon/log_news.h"
#include "storage/last_told.h"
#include "storage/log_tail.h"

namespace zeolite::daemon {
namespace {

using commit::CommitEffects;

// What is appended as one: enough to make the syncs cheap, and no more memory than that.
constexpr std::size_t kGroupBytesMax = 4 << 20;

// What a blob counts for: its file is open, and there are only so many descriptors.
constexpr std::size_t kOpenFileBytes = 32 << 10;

std::size_t bytes_of(std::span<const TransactionRecord> records) {
  std::size_t bytes = 0;
  for (const TransactionRecord& record : records) {
    bytes += 64;
    for (const ObjectWrite& write : record.writes) bytes += 64 + write.data.size();
    bytes += record.removed.size() * sizeof(RevisionKey);
  }
  return bytes;
}

CommitEffects::Publish publish_of(const TransactionRecord& record) {
  CommitEffects::Publish publish;
  publish.tid = record.tid;
  publish.kind = record.kind;
  if (record.kind == RecordKind::transaction) {
    publish.oids.reserve(record.writes.size());
    for (const ObjectWrite& write : record.writes) publish.oids.push_back(write.oid);
  }
  return publish;
}

}  // namespace

StandbyApplier::StandbyApplier(StorageEngine& engine, Events events)
    : engine_(engine),
      events_(std::move(events)),
      found_end_(engine.store().last_position().tid),
      thread_([this] { main(); }) {}

StandbyApplier::~StandbyApplier() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

void StandbyApplier::append(wire::ReplicaAppend group, std::vector<ReceivedBlob> blobs) {
  const std::size_t bytes = bytes_of(group.records) + blobs.size() * kOpenFileBytes;
  std::unique_lock lock(mutex_);
  if (mismatched_) return;
  queued_bytes_ += bytes;
  const bool joins = !tasks_.empty() && !tasks_.back().other && !tasks_.back().removes &&
                     tasks_.back().bytes < kGroupBytesMax;
  if (!joins) tasks_.emplace_back();
  Task& task = tasks_.back();
  // After a removal the files of blobs go, and recovery looks for it at the end of the log only.
  task.removes = std::ranges::any_of(group.records, [](const TransactionRecord& record) {
    return record.kind == RecordKind::removal;
  });
  task.groups.push_back(std::move(group));
  std::ranges::move(blobs, std::back_inserter(task.blobs));
  task.bytes += bytes;
  lock.unlock();  // woken before, the thread would wait for it and be woken twice
  wake_.notify_one();
}

void StandbyApplier::resume() {
  const std::lock_guard lock(mutex_);
  mismatched_ = false;
}

// Nothing of what was given is under way when this is told.
void StandbyApplier::mismatch(Error why) {
  {
    const std::lock_guard lock(mutex_);
    mismatched_ = true;
    std::erase_if(tasks_, [this](const Task& task) {
      if (task.other) return false;
      queued_bytes_ -= task.bytes;
      return true;
    });
  }
  events_.mismatched(std::move(why));
}

std::size_t StandbyApplier::queued_bytes() const {
  const std::lock_guard lock(mutex_);
  return queued_bytes_;
}

void StandbyApplier::main() {
  pthread_setname_np(pthread_self(), "standby-log");
  Task task;
  while (take(task)) {
    if (task.other) {
      task.other();
    } else {
      append_groups(task);
    }
    const std::lock_guard lock(mutex_);
    queued_bytes_ -= task.bytes;
  }
}

bool StandbyApplier::take(Task& task) {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
  if (tasks_.empty()) return false;
  task = std::move(tasks_.front());
  tasks_.pop_front();
  return true;
}

// Matches the files with the writes they belong to. Until all are sealed none is released: those
// of a group that is refused go with it.
Result<> StandbyApplier::seal_blobs(std::vector<ReceivedBlob>& blobs,
                                    std::vector<TransactionRecord>& records) {
  std::vector<std::pair<ObjectWrite*, blobs::StagedBlob*>> sealed;
  for (TransactionRecord& record : records) {
    for (ObjectWrite& write : record.writes) {
      if (!write.blob) continue;
      const auto found = std::ranges::find_if(blobs, [&](const ReceivedBlob& blob) {
        return blob.oid == write.oid && blob.tid == record.tid;
      });
      const std::string which =
          "the blob of object " + to_hex(write.oid) + " at " + to_hex(record.tid);
      if (found == blobs.end()) return make_error(ErrorCode::corruption, which + " did not come");
      ASSIGN_OR_RETURN(const BlobInfo info, found->file->seal(write.oid));
      if (info != *write.blob) {
        return make_error(ErrorCode::corruption, which + " came with another content");
      }
      sealed.emplace_back(&write, found->file.get());
    }
  }
  for (const auto& [write, file] : sealed) write->staged_blob = file->release();
  return {};
}

Result<> StandbyApplier::check_chain(const std::vector<wire::ReplicaAppend>& groups) const {
  Position end = engine_.store().last_position();
  storage::PackState packs = engine_.store().pack_state();
  for (const wire::ReplicaAppend& group : groups) {
    if (group.previous != end) {
      return make_error(
          ErrorCode::conflict,
          "a group from the primary does not follow the own log at " + to_hex(end.tid));
    }
    for (const TransactionRecord& record : group.records) {
      RETURN_IF_ERROR(storage::advance_packs(packs, record));
    }
    // What follows the last is checked when it comes, against what the store then says.
    if (&group == &groups.back()) break;
    for (const TransactionRecord& record : group.records) {
      end = storage::position_after(end, record);
    }
  }
  return {};
}

void StandbyApplier::append_groups(Task& task) {
  std::vector<wire::ReplicaAppend>& groups = task.groups;
  if (Result<> follows = check_chain(groups); !follows) {
    mismatch(std::move(follows).error());
    return;
  }
  std::vector<TransactionRecord> records = std::move(groups.front().records);
  for (std::size_t i = 1; i < groups.size(); ++i) {
    records.insert(records.end(), std::make_move_iterator(groups[i].records.begin()),
                   std::make_move_iterator(groups[i].records.end()));
  }
  if (Result<> sealed = seal_blobs(task.blobs, records); !sealed) {
    mismatch(std::move(sealed).error());
    return;
  }
  std::span<TransactionRecord> rest = records;
  while (!rest.empty()) {
    const std::span<TransactionRecord> part = before_next_removal(rest);
    rest = rest.subspan(part.size());
    if (part.empty() || !append_part(part)) return;
  }
}

// A reader who has not been shown the pack record yet may look at what the removal takes away. The
// primary removes nothing before its own readers see that record: so it may be shown here.
std::span<TransactionRecord> StandbyApplier::before_next_removal(
    std::span<TransactionRecord> records) {
  const auto removal = std::ranges::find_if(records, [this](const TransactionRecord& record) {
    return record.kind == RecordKind::removal && record.pack_record > engine_.visible();
  });
  if (removal != records.begin()) {
    return records.first(static_cast<std::size_t>(removal - records.begin()));
  }
  show(records.front().pack_record);
  if (engine_.visible() < records.front().pack_record) return {};  // the storage has failed
  return before_next_removal(records);
}

// The result of `step`, which has done nothing while it answers out_of_space: then it is done again
// until there is space, or until this is ended.
template <typename Step>
auto StandbyApplier::when_there_is_space(Step step) -> decltype(step()) {
  const auto starved = [](const auto& result) {
    return !result && result.error().code == ErrorCode::out_of_space;
  };
  auto result = step();
  if (!starved(result)) return result;
  events_.starved(result.error());
  while (starved(result)) {
    {
      std::unique_lock lock(mutex_);
      if (wake_.wait_for(lock, kSpaceRetry, [this] { return stopping_; })) {
        tasks_.clear();  // they would not follow the log
        return result;
      }
    }
    result = step();
  }
  events_.starved(std::nullopt);
  return result;
}

bool StandbyApplier::append_part(std::span<TransactionRecord> records) {
  const Result<Position> last =
      when_there_is_space([&] { return engine_.append_settled(records); });
  if (!last && last.error().code == ErrorCode::out_of_space) return false;  // this is being ended
  if (!last) {
    events_.failed(last.error());
    return false;
  }
  remember(records);
  events_.appended(*last);
  for (const TransactionRecord& record : records) engine_.remove_blobs(record.removed);
  engine_.objects_removed(objects_gone(records));
  return true;
}

// Those that the records took all revisions of. What cannot be read is not counted.
std::uint64_t StandbyApplier::objects_gone(std::span<const TransactionRecord> records) const {
  std::uint64_t gone = 0;
  std::optional<Oid> looked_up;  // one object's revisions may be in two records
  for (const TransactionRecord& record : records) {
    for (const RevisionKey& key : record.removed) {
      if (std::exchange(looked_up, key.oid) == key.oid) continue;
      const auto left = engine_.store().history(key.oid, engine_.store().last_position().tid, 1);
      if (left && left->empty()) ++gone;
    }
  }
  return gone;
}

void StandbyApplier::remember(std::span<const TransactionRecord> records) {
  const std::lock_guard lock(mutex_);
  for (const TransactionRecord& record : records) unshown_.push_back(publish_of(record));
}

void StandbyApplier::show(Tid visible) {
  const std::lock_guard one_at_a_time(show_mutex_);
  std::vector<CommitEffects::Publish> published;
  {
    const std::lock_guard lock(mutex_);
    while (!unshown_.empty() && unshown_.front().tid <= visible) {
      published.push_back(std::move(unshown_.front()));
      unshown_.pop_front();
    }
  }
  if (visible <= engine_.visible()) return;
  if (!shown_) {
    if (Result<> found = remember_found(visible); !found) {
      events_.failed(std::move(found).error());
      return;
    }
    // There are no readers yet: only where they begin matters.
    published = first_shown(visible);
    shown_ = true;
  }
  engine_.show(std::move(published));
}

// The log that was found at the start may go on after what may be shown first: others had not
// acknowledged it yet.
Result<> StandbyApplier::remember_found(Tid visible) {
  Tid end;
  {
    const std::lock_guard lock(mutex_);
    end = found_end_;
  }
  ASSIGN_OR_RETURN(std::vector<CommitEffects::Publish> found,
                   log_news(engine_.store(), visible, end));
  const std::lock_guard lock(mutex_);
  // Some of it may have been undone meanwhile.
  while (!found.empty() && found.back().tid > found_end_) found.pop_back();
  unshown_.insert(unshown_.begin(), std::make_move_iterator(found.begin()),
                  std::make_move_iterator(found.end()));
  return {};
}

std::vector<CommitEffects::Publish> StandbyApplier::first_shown(Tid visible) const {
  std::vector<CommitEffects::Publish> published;
  if (const auto told = storage::last_told(engine_.store(), visible); told && *told) {
    published.push_back({.tid = (*told)->position.tid, .kind = (*told)->kind});
  }
  if (published.empty() || published.back().tid < visible) {
    published.push_back({.tid = visible, .kind = RecordKind::oids});  // one that nobody is told of
  }
  return published;
}

// The disk may fill up in between: what was archived stays so, and what is left is undone later.
Result<Position> StandbyApplier::undo(const Position& to, const BesideUndo& beside) {
  storage::ObjectStore& store = engine_.mutable_store();
  if (!to.tid.is_zero()) {
    ASSIGN_OR_RETURN(const std::optional<LogEntry> entry, store.log_entry(to.tid));
    if (!entry || entry->position != to) {
      return make_error(ErrorCode::not_found, "the position to go back to is not in the log");
    }
  }
  const auto archive_all = [&]() -> Result<> {
    RETURN_IF_ERROR(store.check_space());
    Result<> archived = beside.archive(to);
    // It may have needed more than there was.
    if (!archived) RETURN_IF_ERROR(store.check_space());
    return archived;
  };
  RETURN_IF_ERROR(when_there_is_space(archive_all));
  RETURN_IF_ERROR(when_there_is_space([&] { return store.rollback(to); }));
  if (beside.tidy) beside.tidy();
  return store.last_position();
}

void StandbyApplier::rollback(Position to, BesideUndo beside) {
  Task task;
  task.other = [this, to, beside = std::move(beside)] {
    Result<Position> end = undo(to, beside);
    if (!end && end.error().code == ErrorCode::out_of_space) return;  // this is being ended
    if (end) {
      const std::lock_guard lock(mutex_);
      while (!unshown_.empty() && unshown_.back().tid > to.tid) unshown_.pop_back();
      found_end_ = std::min(found_end_, to.tid);
    }
    events_.rolled_back(std::move(end));
  };
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  wake_.notify_one();
}

}  // namespace zeolite::daemon
