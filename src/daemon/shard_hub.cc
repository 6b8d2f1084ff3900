#include "daemon/shard_hub.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "storage/last_told.h"

namespace zeolite::daemon {

using commit::CommitEffects;

ShardHub::ShardHub(net::IoShard& shard, std::size_t shard_index, StorageEngine& engine,
                   const Environment& environment, Tid last_told)
    : shard_(shard),
      shard_index_(shard_index),
      engine_(engine),
      environment_(environment),
      line_(engine.visible()),
      last_told_(last_told),
      records_(environment.record_cache_bytes),
      waiters_(shard) {}

void ShardHub::wake() {
  shard_.post([this] { take_deliveries(); });
}

void ShardHub::take_deliveries() {
  for (Delivery& delivery : engine_.take_deliveries(shard_index_)) carry_out(std::move(delivery));
}

void ShardHub::carry_out(Delivery delivery) {
  if (delivery.published) {
    publish(*delivery.published, delivery.replies);
    waiters_.moved(line_);
  }
  for (CommitEffects::Reply& reply : delivery.replies) {
    if (reply.ticket != 0) answer(std::move(reply));
  }
  for (const commit::OwnerId owner : delivery.close) {
    if (const auto found = connections_.find(owner); found != connections_.end()) {
      const std::shared_ptr<HubClient> connection = found->second;
      connection->end(Error{ErrorCode::timeout, "a voted transaction was not finished in time"});
    }
  }
}

void ShardHub::publish(const Published& published, std::vector<CommitEffects::Reply>& replies) {
  CHECK(published.front().tid > line_, "deliveries move the line forward");
  line_ = published.back().tid;
  for (const CommitEffects::Publish& p : published) {
    for (const Oid oid : p.oids) records_.erase(oid);
    if (p.kind == RecordKind::transaction) {
      last_told_ = p.tid;
    } else {
      note_own(p);
    }
  }
  if (subscribers_ == 0) {
    for (const CommitEffects::Publish& p : published) history_.add(p.tid, p.oids);
    return;
  }
  std::vector<PublishedBatch> batches;
  batches.reserve(published.size());
  for (const CommitEffects::Publish& p : published) {
    batches.emplace_back(p.tid, p.oids);
    history_.add(batches.back().batch());
  }
  // The answers to the commits of this batch, in tid order.
  std::vector<CommitEffects::Reply*> committed;
  for (CommitEffects::Reply& reply : replies) {
    if (reply.kind == CommitEffects::Reply::Kind::committed) committed.push_back(&reply);
  }
  std::ranges::stable_sort(committed, {}, [](const CommitEffects::Reply* r) { return r->tid; });
  for_each_connection([&](HubClient& connection) {
    if (!connection.wants_invalidations()) return;
    for (std::size_t i = 0; i < published.size(); ++i) {
      const bool own = published[i].owner == connection.owner();
      connection.offer(batches[i], published[i].kind, own);
      if (own) answer_committed(connection, published[i].tid, committed);
    }
  });
}

void ShardHub::note_own(const CommitEffects::Publish& published) {
  const bool removal = published.kind == RecordKind::removal;
  if (!removal && published.kind != RecordKind::epoch) return;
  const auto entry = engine_.store().log_entry(published.tid);  // written just now
  const bool known = entry && *entry;
  if (known && storage::is_told(**entry)) last_told_ = published.tid;
  if (!removal) return;
  removed_ = removed_ || !known || !(*entry)->removed.empty();
  if (known && !(*entry)->pack_complete) return;
  if (!std::exchange(removed_, false)) return;
  // The pack is complete: what was garbage is not to be found in memory either.
  records_ = server::RecordCache(environment_.record_cache_bytes);
  packed_line_ = line_;
}

// The committer gets its answer in the place of the invalidation.
void ShardHub::answer_committed(HubClient& connection, Tid tid,
                                const std::vector<CommitEffects::Reply*>& committed) {
  auto it = std::ranges::lower_bound(committed, tid, {}, [](const auto* r) { return r->tid; });
  for (; it != committed.end() && (*it)->tid == tid; ++it) {
    if (((*it)->ticket >> 32) != connection.owner()) continue;
    CommitEffects::Reply reply = std::move(**it);
    (*it)->ticket = 0;  // answered
    connection.on_reply(std::move(reply));
  }
}

void ShardHub::answer(CommitEffects::Reply reply) {
  const auto found = connections_.find(reply.ticket >> 32);
  if (found == connections_.end()) return;  // closed meanwhile
  const std::shared_ptr<HubClient> connection = found->second;
  connection->on_reply(std::move(reply));
}

void ShardHub::add(std::shared_ptr<HubClient> client) {
  if (connections_.empty()) set_attended(true);
  if (client->wants_invalidations()) ++subscribers_;
  clients_.fetch_add(1, std::memory_order_relaxed);
  const commit::OwnerId owner = client->owner();
  connections_.emplace(owner, std::move(client));
}

void ShardHub::forget(commit::OwnerId owner) {
  connections_.erase(owner);
  if (connections_.empty()) set_attended(false);
}

void ShardHub::set_attended(bool attended) {
  if (engine_.set_attended(shard_index_, attended)) wake();
}

void ShardHub::remove(HubClient& client) {
  if (client.wants_invalidations()) --subscribers_;
  clients_.fetch_sub(1, std::memory_order_relaxed);
  if (walking_) {
    closed_while_walking_.push_back(client.owner());
  } else {
    forget(client.owner());
  }
  waiters_.forget(client.owner());
  engine_.owner_lost(client.owner());
}

void ShardHub::await(std::shared_ptr<HubClient> client, Tid at_least, Duration timeout,
                     LineWaiters::Done done) {
  if (at_least <= line_) {
    done(true);
    return;
  }
  client->read_began();
  const commit::OwnerId owner = client->owner();
  waiters_.add(owner, at_least, timeout,
               [client = std::move(client), done = std::move(done)](bool reached) {
                 done(reached);
                 client->read_ended(0);
               });
}

Result<storage::Loaded> ShardHub::load_from_memory(Oid oid, Tid before) {
  count_loads(1);
  if (const server::RecordCache::Entry* entry = records_.find(oid)) {
    if (entry->tid < before) {
      return storage::Loaded{storage::LoadStatus::found, entry->data, entry->tid, std::nullopt};
    }
  }
  Result<storage::Loaded> loaded =
      engine_.store().load_before(oid, before, line_, storage::ReadTier::memory);
  if (loaded) remember(oid, *loaded, line_);
  return loaded;
}

void ShardHub::correct_end(Oid oid, Tid line, storage::Loaded& loaded) const {
  const bool may_end =
      loaded.status == storage::LoadStatus::found || loaded.status == storage::LoadStatus::deleted;
  if (may_end && !loaded.end) loaded.end = history_.end_after(oid, line);
}

bool ShardHub::created_since(Oid oid, Tid line, storage::LoadStatus status) const {
  // (`not_yet` is about the past, which later revisions do not change.)
  return status == storage::LoadStatus::unknown && history_.end_after(oid, line).has_value();
}

void ShardHub::packed() {
  shard_.post([this] { for_each_connection([](HubClient& connection) { connection.packed(); }); });
}

void ShardHub::remember(Oid oid, const storage::Loaded& loaded, Tid line) {
  if (line < packed_line_ || loaded.status != storage::LoadStatus::found || loaded.end) return;
  records_.insert(oid, loaded.tid, loaded.data);
}

wire::StatusReport ShardHub::status() const {
  const commit::CommitCoordinator::Counts counts = engine_.counts();
  const StorageEngine::Counters counters = engine_.counters();
  wire::StatusReport report;
  report.role = wire::NodeRole::primary;
  report.storage = engine_.name();
  report.epoch = engine_.epoch();
  report.last_tid = engine_.store().last_position().tid;
  report.visible_tid = line_;
  report.voted = counts.voted;
  report.waiting = counts.waiting;
  report.commits = counters.commits;
  report.conflicts = counters.conflicts;
  report.aborts = counters.aborts;
  if (const Result<> space = engine_.check_space(); !space) {
    report.accepts_writes = false;
    report.refuses_why = space.error().detail;
  }
  environment_.fill_status(report);
  return report;
}

}  // namespace zeolite::daemon
