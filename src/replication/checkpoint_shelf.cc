#include "replication/checkpoint_shelf.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::replication {

// The newest that goes beyond `from`: of one that ends there, who is sent it needs a later one.
CheckpointShelf::Checkpoints::iterator CheckpointShelf::newest_for(const Position& from,
                                                                   std::optional<Instant> since) {
  auto best = kept_.end();
  for (auto it = kept_.begin(); it != kept_.end(); ++it) {
    const Kept& kept = it->second;
    if (kept.spoiled || kept.position.tid <= from.tid || (since && kept.made_at < *since)) continue;
    if (best == kept_.end() || kept.position.tid > best->second.position.tid) best = it;
  }
  return best;
}

void CheckpointShelf::give(CopyUser user, Checkpoints::iterator kept, Effects& effects) {
  kept->second.users.insert(user);
  effects.emplace_back(Give{user, kept->first});
}

CheckpointShelf::Checkpoints::iterator CheckpointShelf::remove(Checkpoints::iterator kept,
                                                               Effects& effects) {
  CHECK(kept->second.users.empty(), "a checkpoint stays while it is being sent");
  effects.emplace_back(Remove{kept->first});
  return kept_.erase(kept);
}

void CheckpointShelf::ask(CopyUser user, const Id128& resumed, const Position& from, Instant now,
                          Effects& effects) {
  const auto known = kept_.find(resumed);
  if (known != kept_.end() && !known->second.spoiled && known->second.position.tid >= from.tid) {
    if (known->second.cut_off > 0) --known->second.cut_off;
    return give(user, known, effects);
  }
  const auto shared = newest_for(from, now + -options_.shared_for);
  if (shared != kept_.end()) return give(user, shared, effects);
  waiting_[user] = {.from = from};
  if (!making_) make_for_waiting(effects);
}

// What nobody is sent goes first, of that what was made first.
bool CheckpointShelf::make_room(Effects& effects) {
  while (kept_.size() >= options_.count_max) {
    auto oldest = kept_.end();
    for (auto it = kept_.begin(); it != kept_.end(); ++it) {
      if (!it->second.users.empty()) continue;
      if (oldest == kept_.end() || it->second.made_at < oldest->second.made_at) oldest = it;
    }
    if (oldest == kept_.end()) return false;
    remove(oldest, effects);
  }
  return true;
}

void CheckpointShelf::make_for_waiting(Effects& effects) {
  if (waiting_.empty()) return;
  if (make_room(effects)) {
    making_ = true;
    made_in_vain_ = false;
    for (auto& [user, waiting] : waiting_) waiting.asked_before = true;
    effects.emplace_back(Make{});
    return;
  }
  for (const auto& [user, waiting] : std::exchange(waiting_, {})) {
    if (const auto older = newest_for(waiting.from, std::nullopt); older != kept_.end()) {
      give(user, older, effects);
    } else {
      effects.emplace_back(Refuse{user, "it sends as many copies as it keeps checkpoints for"});
    }
  }
}

void CheckpointShelf::made(const Id128& id, const Position& position, Instant now,
                           Effects& effects) {
  CHECK(making_ && !kept_.contains(id), "a checkpoint is made when it was asked for, once");
  making_ = false;
  const auto kept = kept_.emplace(id, Kept{.position = position, .made_at = now}).first;
  kept->second.spoiled = std::exchange(made_in_vain_, false);
  for (auto it = waiting_.begin(); it != waiting_.end() && !kept->second.spoiled;) {
    if (position.tid >= it->second.from.tid) {
      give(it->first, kept, effects);
      it = waiting_.erase(it);
    } else if (it->second.asked_before) {
      effects.emplace_back(Refuse{it->first, "it has less than the standby"});
      it = waiting_.erase(it);
    } else {
      ++it;
    }
  }
  if (kept->second.users.empty()) remove(kept, effects);
  make_for_waiting(effects);
}

void CheckpointShelf::not_made(const std::string& why, Effects& effects) {
  CHECK(making_, "a checkpoint was asked for");
  making_ = false;
  for (const auto& [user, waiting] : std::exchange(waiting_, {})) {
    effects.emplace_back(Refuse{user, why});
  }
}

void CheckpointShelf::ended(CopyUser user, bool complete, Instant now, Effects& effects) {
  waiting_.erase(user);
  const auto kept = std::ranges::find_if(
      kept_, [user](const auto& each) { return each.second.users.contains(user); });
  if (kept == kept_.end()) return;
  kept->second.users.erase(user);
  if (!complete) {
    ++kept->second.cut_off;
    kept->second.cut_off_at = now;
  }
  const bool wanted = kept->second.cut_off > 0 && !kept->second.spoiled;
  if (kept->second.users.empty() && !wanted) remove(kept, effects);
}

void CheckpointShelf::spoiled(const Id128& id, Effects& effects) {
  const auto kept = kept_.find(id);
  if (kept == kept_.end()) return;
  kept->second.spoiled = true;
  if (kept->second.users.empty()) remove(kept, effects);
}

void CheckpointShelf::log_undone(Effects& effects) {
  made_in_vain_ = making_;
  for (auto it = kept_.begin(); it != kept_.end();) {
    it->second.spoiled = true;
    it = it->second.users.empty() ? remove(it, effects) : std::next(it);
  }
}

void CheckpointShelf::tick(Instant now, Effects& effects) {
  for (auto it = kept_.begin(); it != kept_.end();) {
    const Kept& kept = it->second;
    const bool wanted = !kept.users.empty() || now - kept.cut_off_at < options_.kept_for;
    it = wanted ? std::next(it) : remove(it, effects);
  }
}

}  // namespace zeolite::replication
