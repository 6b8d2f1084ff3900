#include "sim/checker.h"

#include <algorithm>
#include <utility>

namespace zeolite::sim {

void Checker::fail(std::string why) {
  if (!violation_) violation_ = std::move(why);
}

void Checker::told(NodeIndex node, const SimStore& disk, Tid tid, std::string_view what) {
  if (tid.is_zero()) return;
  const std::string who =
      "node " + std::to_string(node) + " " + std::string(what) + " " + to_hex(tid);
  const std::optional<Position> position = disk.position_of(tid);
  if (!position) {
    fail(who + ", which is not on its disk");
    return;
  }
  if (forks_) return;
  if (tid <= newest_.tid) {
    const auto known = history_.find(tid);
    if (known == history_.end() || known->second != position->chain) {
      fail(who + ", which is not of the history that was told before");
    }
    return;
  }
  if (!newest_.tid.is_zero() && disk.position_of(newest_.tid) != newest_) {
    fail(who + " without having " + to_hex(newest_.tid) + ", which was told before");
    return;
  }
  if (newest_primary_ && newest_primary_->disk != &disk &&
      newest_primary_->disk->position_of(tid) != *position) {
    fail(who + ", which the primary of epoch " + std::to_string(newest_primary_->epoch.value()) +
         " does not have");
    return;
  }
  learn(disk, *position);
}

void Checker::may_lead(NodeIndex node, const SimStore& disk) {
  if (newest_.tid.is_zero() || disk.position_of(newest_.tid) == newest_) return;
  fail("node " + std::to_string(node) + " may be promoted and does not have " +
       to_hex(newest_.tid) + ", which was told");
}

void Checker::durable(NodeIndex node, const SimStore& disk, Tid known) {
  for (const SimStore::Entry& entry : disk.entries_after(known, false)) {
    const Position& position = entry.position;
    const auto [found, added] =
        chains_.emplace(std::pair(position.epoch, position.tid), position.chain);
    if (added || found->second == position.chain) continue;
    fail("node " + std::to_string(node) + " has another history at " + to_hex(position.tid) +
         " of epoch " + std::to_string(position.epoch.value()));
  }
}

void Checker::shows_promise(NodeIndex node, const SimStore& disk, Epoch promise) {
  if (promise <= disk.promise()) return;
  fail("node " + std::to_string(node) + " shows a promise of " + std::to_string(promise.value()) +
       " and has stored " + std::to_string(disk.promise().value()));
}

void Checker::shows_position(NodeIndex node, const SimStore& disk, const Position& position) {
  if (position.tid.is_zero() || disk.position_of(position.tid) == position) return;
  fail("node " + std::to_string(node) + " says that it has " + to_hex(position.tid) +
       ", which is not on its disk");
}

void Checker::undone(NodeIndex node, const SimStore& disk) {
  if (disk.undone_for_good() == 0) return;
  fail("node " + std::to_string(node) + " undoes what it has not kept in a file");
}

void Checker::begins(NodeIndex node, Epoch epoch, const SimStore& disk) {
  if (epoch <= disk.heard()) {
    fail("node " + std::to_string(node) + " begins epoch " + std::to_string(epoch.value()) +
         ", and has heard of " + std::to_string(disk.heard().value()));
  }
  const auto [found, added] = begun_.emplace(epoch, node);
  if (added) return;
  fail("node " + std::to_string(node) + " begins epoch " + std::to_string(epoch.value()) +
       ", which node " + std::to_string(found->second) + " has begun before");
}

void Checker::learn(const SimStore& disk, const Position& position) {
  const auto holders = std::ranges::count_if(
      disks_, [&](const SimStore* other) { return other->position_of(position.tid) == position; });
  if (strict_ && holders < 2) {
    fail(to_hex(position.tid) + " is told, and is on one disk only, which strict forbids");
  }
  for (const SimStore::Entry& entry : disk.entries_after(newest_.tid, false)) {
    if (entry.position.tid > position.tid) break;
    history_[entry.position.tid] = entry.position.chain;
    const CommitId& id = entry.record.commit_id;
    if (id.empty()) continue;
    if (!in_history_.emplace(id, entry.position.tid).second) {
      fail("commit " + std::to_string(id.number) + " of " + to_hex(id.session) +
           " has two outcomes in one log, the second at " + to_hex(entry.position.tid));
    }
  }
  newest_ = position;
}

void Checker::serves(NodeIndex node, Epoch epoch, const SimStore& disk) {
  if (forks_) return;
  const std::string who =
      "node " + std::to_string(node) + " serves epoch " + std::to_string(epoch.value());
  if (epoch <= newest_epoch_) {
    fail(who + ", and epoch " + std::to_string(newest_epoch_.value()) + " was served before");
    return;
  }
  newest_epoch_ = epoch;
  newest_primary_ = {.node = node, .epoch = epoch, .disk = &disk};
  if (!newest_.tid.is_zero() && disk.position_of(newest_.tid) != newest_) {
    fail(who + " without " + to_hex(newest_.tid) + ", which was told before");
  }
}

void Checker::ended(NodeIndex node) {
  if (newest_primary_ && newest_primary_->node == node) newest_primary_.reset();
}

void Checker::answers_as_primary(NodeIndex node, Epoch epoch) {
  if (!one_at_a_time_ || epoch >= newest_epoch_) return;
  fail("node " + std::to_string(node) + " answers a reader as the primary of epoch " +
       std::to_string(epoch.value()) + ", and epoch " + std::to_string(newest_epoch_.value()) +
       " is served already");
}

void Checker::committed(const CommitId& id, Tid tid) {
  if (forks_) return;
  const auto [known, added] = committed_.emplace(id, tid);
  if (!added && known->second != tid) fail("a commit was answered with two tids");
  if (aborted_.contains(id)) fail("a commit was answered as aborted, and as committed later");
}

void Checker::aborted(const CommitId& id) {
  if (forks_) return;
  aborted_[id] = true;
  if (committed_.contains(id)) fail("a commit was answered as committed, and as aborted later");
}

void Checker::balance(NodeIndex node, Tid line, std::int64_t sum, std::int64_t expected) {
  if (sum == expected) return;
  fail("node " + std::to_string(node) + " shows accounts of " + std::to_string(sum) +
       " in all at " + to_hex(line) + ", not " + std::to_string(expected));
}

void Checker::final_log(const SimStore& disk) {
  told(0, disk, disk.last().tid, "ends with");
  for (const SimStore* const other : disks_) {
    if (other->content_hash() != disk.content_hash()) {
      fail("two nodes with the same log have different content");
    }
  }
  for (const SimStore::Entry& entry : disk.entries_after(kNoTid, false)) {
    const CommitId& id = entry.record.commit_id;
    const bool commits = entry.record.kind == RecordKind::transaction;
    if (!id.empty() && commits && aborted_.contains(id)) {
      fail("a commit that was answered as aborted is in the log at " + to_hex(entry.position.tid));
    }
  }
  for (const auto& [id, tid] : committed_) {
    const auto found = in_history_.find(id);
    if (found == in_history_.end() || found->second != tid) {
      fail("the acknowledged commit at " + to_hex(tid) + " is not in the log");
    }
  }
}

}  // namespace zeolite::sim
