#include "daemon/shard_hub.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "daemon/native_connection.h"
#include "daemon/read_service.h"

namespace zeolite::daemon {

namespace {

using commit::CommitEffects;

// Oids in one invalidate frame; a transaction with more takes several.
constexpr std::size_t kOidsPerFrame = 16'384;
// Log entries read at a time for a catch-up.
constexpr std::size_t kCatchUpEntries = 4'096;

void encode_frames(Tid tid, std::span<const Oid> oids, std::string& out) {
  std::size_t done = 0;
  do {
    const std::size_t n = std::min(kOidsPerFrame, oids.size() - done);
    const std::span<const Oid> part = oids.subspan(done, n);
    done += n;
    wire::encode(wire::Invalidate{tid, {part.begin(), part.end()}, done == oids.size()}, 0, out);
  } while (done < oids.size());
}

// What a catch-up found, as encoded frames.
struct CatchUp {
  bool valid = false;
  std::string frames;
};

Result<CatchUp> read_catch_up(const storage::ObjectStore& store, const Position& from, Tid line,
                              std::size_t bytes_max) {
  CatchUp result;
  ASSIGN_OR_RETURN(result.valid, is_in_history(store, from));
  if (from.tid > line) result.valid = false;
  Tid after = from.tid;
  while (result.valid && after < line) {
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries,
                     store.read_log(after, line, {.entries = kCatchUpEntries}));
    if (entries.empty()) break;
    for (const LogEntry& entry : entries) {
      std::vector<Oid> oids;
      oids.reserve(entry.objects.size());
      for (const ObjectSummary& object : entry.objects) oids.push_back(object.oid);
      encode_frames(entry.position.tid, oids, result.frames);
      after = entry.position.tid;
    }
    // Dropping the cache is cheaper than reading this much; always right.
    if (result.frames.size() > bytes_max) result.valid = false;
  }
  if (!result.valid) result.frames.clear();
  return result;
}

// A read that was made at `line` and answered later: what was called current may have ended since.
void correct_end(const invalidation::LineHistory& history, Oid oid, Tid line,
                 wire::Loaded& loaded) {
  const bool may_end =
      loaded.status == wire::LoadedStatus::found || loaded.status == wire::LoadedStatus::deleted;
  if (!may_end || !loaded.end.is_zero()) return;
  loaded.end = history.end_after(oid, line).value_or(kNoTid);
}

bool tells_what_is_current(const server::SessionEffects::Read& read) {
  return std::holds_alternative<wire::Load>(read.what) ||
         std::holds_alternative<wire::LoadMany>(read.what);
}

// Whether `answer`, read at `line`, says of an object that it does not exist which was created
// since.
bool was_created_since(const invalidation::LineHistory& history,
                       const server::SessionEffects::Read& read, Tid line,
                       const wire::Message& answer) {
  // (`not_yet` is about the past, which later revisions do not change.)
  const auto created = [&](Oid oid, const wire::Loaded& loaded) {
    return loaded.status == wire::LoadedStatus::unknown && history.end_after(oid, line).has_value();
  };
  if (const auto* load = std::get_if<wire::Load>(&read.what)) {
    const auto* loaded = std::get_if<wire::Loaded>(&answer);
    return loaded != nullptr && created(load->oid, *loaded);
  }
  if (const auto* many = std::get_if<wire::LoadMany>(&read.what)) {
    const auto* loaded = std::get_if<wire::LoadedMany>(&answer);
    if (loaded == nullptr) return false;
    for (std::size_t i = 0; i < loaded->items.size(); ++i) {
      if (created(many->oids[i], loaded->items[i])) return true;
    }
  }
  return false;
}

}  // namespace

void encode_invalidation(const invalidation::InvalidationBatch& batch, std::string& out) {
  encode_frames(batch.tid(), batch.oids(), out);
}

ShardHub::ShardHub(net::IoShard& shard, std::size_t shard_index, StorageEngine& engine,
                   const Environment& environment)
    : shard_(shard),
      shard_index_(shard_index),
      engine_(engine),
      environment_(environment),
      line_(engine.visible()),
      records_(environment.record_cache_bytes) {}

void ShardHub::wake() {
  shard_.post([this] { take_deliveries(); });
}

void ShardHub::take_deliveries() {
  for (Delivery& delivery : engine_.take_deliveries(shard_index_)) carry_out(std::move(delivery));
}

void ShardHub::carry_out(Delivery delivery) {
  if (delivery.published) publish(*delivery.published, delivery.replies);
  for (CommitEffects::Reply& reply : delivery.replies) {
    if (reply.ticket != 0) answer(std::move(reply));
  }
  for (const commit::OwnerId owner : delivery.close) {
    if (const auto found = connections_.find(owner); found != connections_.end()) {
      const std::shared_ptr<NativeConnection> connection = found->second;
      connection->end(Error{ErrorCode::timeout, "a voted transaction was not finished in time"});
    }
  }
}

void ShardHub::publish(const Published& published, std::vector<CommitEffects::Reply>& replies) {
  CHECK(published.front().tid > line_, "deliveries move the line forward");
  line_ = published.back().tid;
  for (const CommitEffects::Publish& p : published) {
    for (const Oid oid : p.oids) records_.erase(oid);
  }
  if (subscribers_ == 0) {
    for (const CommitEffects::Publish& p : published) history_.add(p.tid, p.oids);
    return;
  }
  std::vector<invalidation::BatchPtr> batches;
  std::vector<std::string> frames(published.size());  // encoded once for all connections
  batches.reserve(published.size());
  for (std::size_t i = 0; i < published.size(); ++i) {
    batches.push_back(std::make_shared<const invalidation::InvalidationBatch>(published[i].tid,
                                                                              published[i].oids));
    history_.add(batches.back());
    encode_invalidation(*batches.back(), frames[i]);
  }
  // The answers to the commits of this batch, in tid order.
  std::vector<CommitEffects::Reply*> committed;
  for (CommitEffects::Reply& reply : replies) {
    if (reply.kind == CommitEffects::Reply::Kind::committed) committed.push_back(&reply);
  }
  std::ranges::stable_sort(committed, {}, [](const CommitEffects::Reply* r) { return r->tid; });
  publishing_ = true;
  for (const auto& [owner, connection] : connections_) {
    if (!connection->wants_invalidations()) continue;
    for (std::size_t i = 0; i < published.size(); ++i) {
      const bool own = published[i].owner == owner;
      connection->offer(batches[i], frames[i], own);
      if (own) answer_committed(*connection, published[i].tid, committed);
    }
  }
  publishing_ = false;
  for (const commit::OwnerId owner : std::exchange(closed_while_publishing_, {})) {
    connections_.erase(owner);
  }
}

// The committer gets its answer in the place of the invalidation.
void ShardHub::answer_committed(NativeConnection& connection, Tid tid,
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
  const std::shared_ptr<NativeConnection> connection = found->second;
  connection->on_reply(std::move(reply));
}

void ShardHub::add(std::shared_ptr<NativeConnection> connection) {
  if (connection->wants_invalidations()) ++subscribers_;
  const commit::OwnerId owner = connection->owner();
  connections_.emplace(owner, std::move(connection));
}

void ShardHub::remove(NativeConnection& connection) {
  if (connection.wants_invalidations()) --subscribers_;
  if (publishing_) {
    closed_while_publishing_.push_back(connection.owner());
  } else {
    connections_.erase(connection.owner());
  }
  engine_.owner_lost(connection.owner());
}

void ShardHub::catch_up(const std::shared_ptr<NativeConnection>& connection, const Position& from) {
  boost::asio::post(*environment_.read_pool, [this, connection, from, line = line_] {
    Result<CatchUp> result = read_catch_up(engine_.store(), from, line, 32U << 20);
    shard_.post([connection, moved = std::move(result)] {
      if (!moved) {
        connection->end(moved.error());
        return;
      }
      connection->send_frames(moved->frames);
      connection->caught_up(moved->valid);
    });
  });
}

void ShardHub::read(const std::shared_ptr<NativeConnection>& connection,
                    server::SessionEffects::Read read) {
  const auto reply = [&](const auto& result) {
    if (result) {
      connection->send(*result, read.request_id);
    } else if (result.error().code == ErrorCode::unavailable) {
      read_on_pool(connection, std::move(read));
    } else {
      connection->send(wire::ErrorReply{result.error()}, read.request_id);
    }
  };
  const storage::ObjectStore& store = engine_.store();
  if (const auto* load = std::get_if<wire::Load>(&read.what)) {
    loads_.fetch_add(1, std::memory_order_relaxed);
    reply(load_from_memory(*load));
  } else if (const auto* many = std::get_if<wire::LoadMany>(&read.what)) {
    loads_.fetch_add(many->oids.size(), std::memory_order_relaxed);
    reply(read_load_many(store, *many, line_, environment_.body_max, storage::ReadTier::memory));
  } else if (const auto* ping = std::get_if<wire::Ping>(&read.what)) {
    connection->send(wire::Pong{ping->payload, line_}, read.request_id);
  } else if (std::holds_alternative<wire::StatusQuery>(read.what)) {
    connection->send(status(), read.request_id);
  } else {
    read_on_pool(connection, std::move(read));
  }
}

Result<wire::Loaded> ShardHub::load_from_memory(const wire::Load& load) {
  if (const server::RecordCache::Entry* entry = records_.find(load.oid)) {
    if (entry->tid < load.before) {
      return wire::Loaded{wire::LoadedStatus::found, entry->data, entry->tid, kNoTid};
    }
  }
  Result<wire::Loaded> loaded = read_load(engine_.store(), load, line_, storage::ReadTier::memory);
  if (loaded && loaded->status == wire::LoadedStatus::found && loaded->end.is_zero()) {
    records_.insert(load.oid, loaded->tid, loaded->data);
  }
  return loaded;
}

void ShardHub::read_on_pool(const std::shared_ptr<NativeConnection>& connection,
                            server::SessionEffects::Read read) {
  if (tells_what_is_current(read)) history_.pin(line_);
  connection->read_began();
  boost::asio::thread_pool* const pool = std::holds_alternative<wire::Verify>(read.what)
                                             ? environment_.check_pool
                                             : environment_.read_pool;
  boost::asio::post(*pool, [this, connection, line = line_, moved = std::move(read)] {
    Result<wire::Message> answer = read_from_disk(moved, line);
    shard_.post([this, connection, line, request = moved, result = std::move(answer)]() mutable {
      finish_read(*connection, line, request, std::move(result));
    });
  });
}

Result<wire::Message> ShardHub::read_from_disk(const server::SessionEffects::Read& read,
                                               Tid line) const {
  const storage::ObjectStore& store = engine_.store();
  const auto disk = storage::ReadTier::disk;
  const auto as_message = [](auto result) -> Result<wire::Message> {
    if (!result) return std::unexpected(std::move(result).error());
    return wire::Message(*std::move(result));
  };
  return std::visit(
      [&]<typename T>(const T& request) -> Result<wire::Message> {
        if constexpr (std::is_same_v<T, wire::Load>) {
          return as_message(read_load(store, request, line, disk));
        } else if constexpr (std::is_same_v<T, wire::LoadSerial>) {
          return as_message(read_load_serial(store, request, line));
        } else if constexpr (std::is_same_v<T, wire::LoadMany>) {
          return as_message(read_load_many(store, request, line, environment_.body_max, disk));
        } else if constexpr (std::is_same_v<T, wire::Walk>) {
          return as_message(read_walk(store, request, line));
        } else if constexpr (std::is_same_v<T, wire::ReadLog>) {
          return as_message(read_log(store, request, line, environment_.body_max));
        } else if constexpr (std::is_same_v<T, wire::Verify>) {
          return as_message(read_verify(store, line, environment_.stop_checks));
        } else {
          return make_error(ErrorCode::protocol_error, "not a read of the disk");
        }
      },
      read.what);
}

void ShardHub::finish_read(NativeConnection& connection, Tid line,
                           const server::SessionEffects::Read& read, Result<wire::Message> answer) {
  if (answer && was_created_since(history_, read, line, *answer)) {
    // "No such object" is no longer true for a client that was told of its creation.
    history_.unpin(line);
    connection.read_ended();
    this->read(connection.shared_from_this(), read);
    return;
  }
  if (!answer) {
    connection.send(wire::ErrorReply{answer.error()}, read.request_id);
  } else if (auto* loaded = std::get_if<wire::Loaded>(&*answer)) {
    if (const auto* load = std::get_if<wire::Load>(&read.what)) {
      correct_end(history_, load->oid, line, *loaded);
      if (loaded->status == wire::LoadedStatus::found && loaded->end.is_zero()) {
        records_.insert(load->oid, loaded->tid, loaded->data);
      }
    }
    connection.send(*loaded, read.request_id);
  } else if (auto* many = std::get_if<wire::LoadedMany>(&*answer)) {
    const auto& oids = std::get<wire::LoadMany>(read.what).oids;
    for (std::size_t i = 0; i < many->items.size(); ++i) {
      correct_end(history_, oids[i], line, many->items[i]);
    }
    connection.send(*many, read.request_id);
  } else {
    std::visit([&](const auto& message) { connection.send(message, read.request_id); }, *answer);
  }
  if (tells_what_is_current(read)) history_.unpin(line);
  connection.read_ended();
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
  if (const Result<> space = engine_.store().check_space(); !space) {
    report.accepts_writes = false;
    report.refuses_why = space.error().detail;
  }
  environment_.fill_status(report);
  return report;
}

}  // namespace zeolite::daemon
