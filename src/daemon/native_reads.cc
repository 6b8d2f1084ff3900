#include "daemon/native_reads.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <type_traits>
#include <utility>

#include "daemon/read_service.h"
#include "daemon/replication_service.h"

namespace zeolite::daemon {

namespace {

using Connection = std::shared_ptr<NativeConnection>;

// More loads of one request are made in turns.
constexpr std::size_t kLoadsAtOnce = 64;
// Log entries read at a time for a catch-up.
constexpr std::size_t kCatchUpEntries = 4'096;
// What a catch-up takes at most: it is made ready as a whole, and the cache may as well be filled
// anew.
constexpr std::size_t kCatchUpBytesMax = 8 * 1024 * 1024;
// For what standbys were told; it takes longer only when this server is about to end.
constexpr Duration kAnnouncedWait = std::chrono::seconds(1);

template <typename M>
constexpr bool kChangesRole =
    std::is_same_v<M, wire::Promote> || std::is_same_v<M, wire::Switchover> ||
    std::is_same_v<M, wire::Demote>;

// What a catch-up found, as encoded frames.
struct CatchUp {
  bool valid = false;
  std::string frames;
};

// It, some of the log at a time. With more than `bytes_max` the cache is dropped: that is always
// right, and above some size cheaper.
class CatchUpRead {
 public:
  CatchUpRead(const Position& from, std::size_t bytes_max)
      : from_(from), after_(from.tid), bytes_max_(bytes_max) {}

  // Nothing: there is more to read.
  std::optional<Result<CatchUp>> operator()(const storage::ObjectStore& store, Tid line) {
    const Result<bool> done = read(store, line);
    if (!done) return std::unexpected(done.error());
    if (!*done) return std::nullopt;
    if (!found_.valid) found_.frames.clear();
    return std::move(found_);
  }

 private:
  Result<bool> read(const storage::ObjectStore& store, Tid line) {
    if (!std::exchange(begun_, true)) {
      ASSIGN_OR_RETURN(found_.valid, is_in_history(store, from_));
      if (from_.tid > line) found_.valid = false;
    }
    if (!found_.valid || after_ >= line) return true;
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries,
                     store.read_log(after_, line, {.entries = kCatchUpEntries}));
    if (entries.empty()) return true;
    for (const LogEntry& entry : entries) {
      std::vector<Oid> oids;
      oids.reserve(entry.objects.size());
      for (const ObjectSummary& object : entry.objects) oids.push_back(object.oid);
      after_ = entry.position.tid;
      encode_invalidate_frames({after_, std::move(oids)}, found_.frames);
    }
    if (found_.frames.size() > bytes_max_) found_.valid = false;
    return false;
  }

  Position from_;
  Tid after_;
  std::size_t bytes_max_;
  bool begun_ = false;
  CatchUp found_;
};

template <typename M>
void send(NativeConnection& connection, std::uint32_t request_id, const Result<M>& answer) {
  if (answer) {
    connection.send(*answer, request_id);
  } else {
    connection.send(wire::ErrorReply{answer.error()}, request_id);
  }
}

void load_from_disk(ShardHub& hub, const Connection& connection, std::uint32_t request_id,
                    const wire::Load& load);

void answer_load(ShardHub& hub, const Connection& connection, std::uint32_t request_id,
                 const wire::Load& load) {
  Result<storage::Loaded> loaded = hub.load_from_memory(load.oid, load.before);
  if (loaded) {
    connection->send(to_wire(*std::move(loaded)), request_id);
  } else if (loaded.error().code == ErrorCode::unavailable) {
    load_from_disk(hub, connection, request_id, load);
  } else {
    connection->send(wire::ErrorReply{loaded.error()}, request_id);
  }
}

void load_from_disk(ShardHub& hub, const Connection& connection, std::uint32_t request_id,
                    const wire::Load& load) {
  hub.read_on_pool(
      connection, ShardHub::Pin::line,
      [load](const storage::ObjectStore& store, Tid line) {
        return store.load_before(load.oid, load.before, line, storage::ReadTier::disk);
      },
      [&hub, connection, request_id, load](Result<storage::Loaded> loaded, Tid line) {
        if (loaded && hub.created_since(load.oid, line, loaded->status)) {
          // "No such object" is no longer true for a client that was told of its creation.
          answer_load(hub, connection, request_id, load);
          return;
        }
        if (!loaded) {
          connection->send(wire::ErrorReply{loaded.error()}, request_id);
          return;
        }
        hub.correct_end(load.oid, line, *loaded);
        hub.remember(load.oid, *loaded, line);
        connection->send(to_wire(*std::move(loaded)), request_id);
      });
}

void answer_load_many(ShardHub& hub, const Connection& connection, std::uint32_t request_id,
                      const wire::LoadMany& request) {
  const std::size_t bytes_max = hub.environment().body_max;
  hub.count_loads(request.oids.size());
  const Result<std::vector<storage::Loaded>> loaded = read_load_many(
      hub.engine().store(), request, hub.line(), bytes_max, storage::ReadTier::memory);
  if (loaded || loaded.error().code != ErrorCode::unavailable) {
    send(*connection, request_id, to_wire(loaded));
    return;
  }
  using Items = Result<std::vector<storage::Loaded>>;
  auto done = [&hub, connection, request_id, request](Items items, Tid line) {
    for (std::size_t i = 0; items && i < items->size(); ++i) {
      if (hub.created_since(request.oids[i], line, (*items)[i].status)) {
        answer_load_many(hub, connection, request_id, request);
        return;
      }
      hub.correct_end(request.oids[i], line, (*items)[i]);
    }
    send(*connection, request_id, to_wire(items));
  };
  if (request.oids.size() <= kLoadsAtOnce) {
    hub.read_on_pool(
        connection, ShardHub::Pin::line,
        [request, bytes_max](const storage::ObjectStore& store, Tid line) {
          return read_load_many(store, request, line, bytes_max, storage::ReadTier::disk);
        },
        std::move(done));
    return;
  }
  hub.read_in_turns(
      connection, ShardHub::Pin::line,
      [read = LoadManyRead(request, bytes_max, storage::ReadTier::disk)](
          const storage::ObjectStore& store, Tid line) mutable -> std::optional<Items> {
        const Result<bool> all = read.advance(store, line, kLoadsAtOnce);
        if (!all) return std::unexpected(all.error());
        if (!*all) return std::nullopt;
        return read.take_items();
      },
      std::move(done));
}

// What is not corrected by what happens meanwhile.
template <typename Work>
void answer_from_pool(ShardHub& hub, const Connection& connection, std::uint32_t request_id,
                      Work work) {
  hub.read_on_pool(
      connection, ShardHub::Pin::no, std::move(work),
      [connection, request_id](const auto& answer, Tid) { send(*connection, request_id, answer); });
}

// The same for what may take long.
template <typename Work>
void answer_in_turn(ShardHub& hub, const Connection& connection, std::uint32_t request_id,
                    Work work) {
  hub.read_in_turns(
      connection, ShardHub::Pin::no,
      [work = std::move(work)](const storage::ObjectStore& store, Tid line) {
        return std::optional(work(store, line));
      },
      [connection, request_id](const auto& answer, Tid) { send(*connection, request_id, answer); });
}

wire::PackReport to_wire(maintenance::PackReport report) {
  wire::PackReport result;
  result.horizon = report.horizon;
  result.garbage_wanted = report.garbage_wanted;
  result.garbage_collected = report.garbage_collected;
  result.root_missing = report.root_missing;
  result.objects = report.objects;
  result.revisions = report.revisions;
  result.removed_objects = report.removed_objects;
  result.removed_revisions = report.removed_revisions;
  result.removed_bytes = report.removed_bytes;
  result.removed_blobs = report.removed_blobs;
  result.dangling_count = report.dangling_count;
  result.dangling = std::move(report.dangling);
  result.unreadable_count = report.unreadable_count;
  for (const maintenance::UnreadableRecord& record : report.unreadable) {
    result.unreadable.push_back("object " + to_hex(record.oid) + " at " + to_hex(record.tid) +
                                ": " + record.reason);
  }
  return result;
}

void answer_pack(ShardHub& hub, const Connection& connection, std::uint32_t request_id,
                 const wire::Pack& request) {
  hub.environment().pack(hub, {request.horizon, request.collect_garbage, request.dry_run},
                         [connection, request_id](Result<maintenance::PackReport> report) {
                           if (report) {
                             connection->send(to_wire(*std::move(report)), request_id);
                           } else {
                             connection->send(wire::ErrorReply{report.error()}, request_id);
                           }
                         });
}

void answer_verify(ShardHub& hub, const Connection& connection, std::uint32_t request_id) {
  CheckSlot& checks = *hub.environment().checks;
  const CheckSlot::Cancelled cancelled = checks.take();
  if (cancelled == nullptr) {
    connection->send(wire::ErrorReply{Error{
                         ErrorCode::unavailable,
                         "this server is being verified for another client; try again later"}},
                     request_id);
    return;
  }
  connection->cancel_when_closed(cancelled);
  hub.run_on(
      *hub.environment().check_pool, connection, ShardHub::Pin::no,
      [&checks, cancelled, blobs = hub.engine().blobs()](const storage::ObjectStore& store,
                                                         Tid line) {
        Result<wire::VerifyReport> report = read_verify(store, blobs, line, cancelled.get());
        checks.give_back(cancelled);
        return report;
      },
      [connection, request_id](const auto& answer, Tid) { send(*connection, request_id, answer); });
}

// Who asks for news may have seen at a standby what is about to be visible here.
void answer_ping(ShardHub& hub, const Connection& connection, std::uint32_t request_id,
                 const wire::Ping& request) {
  hub.await(connection, hub.engine().announced(), kAnnouncedWait,
            [&hub, connection, request_id, payload = request.payload](bool /*reached*/) {
              connection->send(wire::Pong{payload, hub.line()}, request_id);
            });
}

void answer_await(ShardHub& hub, const Connection& connection, std::uint32_t request_id,
                  const wire::Await& request) {
  // Serving a later reign, the whole of the earlier ones is at or below the line.
  if (request.epoch < hub.engine().epoch() && !request.epoch.is_zero() &&
      request.at_least > hub.line()) {
    connection->send(
        wire::ErrorReply{Error{ErrorCode::stale_epoch, "transaction " + to_hex(request.at_least) +
                                                           " is not in this server's history"}},
        request_id);
    return;
  }
  hub.await(connection, request.at_least, std::chrono::milliseconds(request.timeout_ms),
            [&hub, connection, request_id, request](bool reached) {
              if (reached) {
                connection->send(wire::Pong{{}, hub.line()}, request_id);
                return;
              }
              connection->send(
                  wire::ErrorReply{Error{ErrorCode::timeout,
                                         "transaction " + to_hex(request.at_least) +
                                             " did not become visible here in time; the last is " +
                                             to_hex(hub.line())}},
                  request_id);
            });
}

template <typename M>
void change_role(ShardHub& hub, const Connection& connection, std::uint32_t request_id,
                 const M& request) {
  ReplicationService* const service = hub.environment().replication;
  if (service == nullptr) {
    connection->send(wire::ErrorReply{Error{ErrorCode::invalid_argument,
                                            "this server has several storages, and no standbys"}},
                     request_id);
    return;
  }
  auto done = [&hub, connection, request_id](Result<wire::RoleChanged> changed) {
    hub.post([connection, request_id, changed = std::move(changed)] {
      send(*connection, request_id, changed);
    });
  };
  if constexpr (std::is_same_v<M, wire::Promote>) {
    service->promote(request, std::move(done));
  } else if constexpr (std::is_same_v<M, wire::Switchover>) {
    service->switchover(request, std::move(done));
  } else {
    service->demote(std::move(done));
  }
}

}  // namespace

void answer_read(ShardHub& hub, const Connection& connection, server::SessionEffects::Read read) {
  using storage::ObjectStore;
  const std::uint32_t id = read.request_id;
  const std::size_t bytes_max = hub.environment().body_max;
  std::visit(
      [&]<typename T>(T& request) {
        if constexpr (std::is_same_v<T, wire::Load>) {
          answer_load(hub, connection, id, request);
        } else if constexpr (std::is_same_v<T, wire::LoadMany>) {
          answer_load_many(hub, connection, id, request);
        } else if constexpr (std::is_same_v<T, wire::Ping>) {
          answer_ping(hub, connection, id, request);
        } else if constexpr (std::is_same_v<T, wire::StatusQuery>) {
          connection->send(hub.status(), id);
        } else if constexpr (std::is_same_v<T, wire::LoadSerial>) {
          answer_from_pool(hub, connection, id, [request](const ObjectStore& store, Tid line) {
            return read_load_serial(store, request, line);
          });
        } else if constexpr (std::is_same_v<T, wire::Walk>) {
          answer_in_turn(hub, connection, id, [request](const ObjectStore& store, Tid line) {
            return read_walk(store, request, line);
          });
        } else if constexpr (std::is_same_v<T, wire::ReadLog>) {
          answer_in_turn(hub, connection, id,
                         [request, bytes_max](const ObjectStore& store, Tid line) {
                           return read_log(store, request, line, bytes_max);
                         });
        } else if constexpr (std::is_same_v<T, wire::LoadBlob>) {
          answer_from_pool(hub, connection, id,
                           [request, bytes_max, blobs = hub.engine().blobs()](
                               const ObjectStore& store, Tid line) {
                             return read_blob(store, blobs, request, line, bytes_max);
                           });
        } else if constexpr (std::is_same_v<T, wire::Pack>) {
          answer_pack(hub, connection, id, request);
        } else if constexpr (std::is_same_v<T, wire::Await>) {
          answer_await(hub, connection, id, request);
        } else if constexpr (kChangesRole<T>) {
          change_role(hub, connection, id, request);
        } else {
          static_assert(std::is_same_v<T, wire::Verify>);
          answer_verify(hub, connection, id);
        }
      },
      read.what);
}

void catch_up(ShardHub& hub, const Connection& connection, const Position& from,
              std::size_t bytes_max) {
  hub.read_in_turns(connection, ShardHub::Pin::no,
                    CatchUpRead(from, std::min(bytes_max, kCatchUpBytesMax)),
                    [connection](const Result<CatchUp>& result, Tid) {
                      if (!result) {
                        connection->end(result.error());
                        return;
                      }
                      connection->send_frames(result->frames);
                      connection->caught_up(result->valid);
                    });
}

}  // namespace zeolite::daemon
