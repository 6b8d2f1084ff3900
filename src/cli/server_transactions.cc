#include "cli/server_transactions.h"

#include <algorithm>
#include <string>
#include <utility>

namespace zeolite::cli {

namespace {

// Under way at once. The server drops a client that leaves more than 64 MiB unread.
constexpr std::size_t kRequestsMax = 128;
constexpr std::uint64_t kBytesMax = std::uint64_t{16} << 20;
constexpr std::uint64_t kRequestBytesMax = std::uint64_t{4} << 20;
constexpr std::size_t kRequestOidsMax = 10'000;
constexpr std::uint32_t kLogItems = 10'000;
// The log does not tell how large a record is that a back-pointer leads to.
constexpr std::uint64_t kRecordBytes = 1024;

}  // namespace

ServerTransactions::ServerTransactions(NativeSession& session)
    : session_(session), until_(session.welcome().visible.tid) {}

Result<std::optional<TransactionRecord>> ServerTransactions::next() {
  while (true) {
    RETURN_IF_ERROR(ask_ahead());
    if (coming_.empty()) return std::nullopt;
    Coming& first = coming_.front();
    if (first.taken < first.item.objects.size()) {
      RETURN_IF_ERROR(take(first));
      continue;
    }
    const std::size_t gone = first.item.objects.size() - first.writes.size();
    // One that was empty from the beginning and that a pack has been over the server leaves out.
    const bool nothing_left = gone > 0 && first.writes.empty();
    TransactionRecord record;
    record.tid = first.item.tid;
    record.status = first.item.status;
    record.metadata = std::move(first.item.metadata);
    record.writes = std::move(first.writes);
    coming_.pop_front();
    if (nothing_left) continue;
    packed_records_ += gone;
    return record;
  }
}

Result<Bytes> ServerTransactions::load(Oid oid, Tid tid) {
  ASSIGN_OR_RETURN(wire::Loaded loaded, session_.ask<wire::Loaded>(wire::LoadSerial{oid, tid}));
  if (loaded.status == wire::LoadedStatus::found) return std::move(loaded.data);
  return make_error(ErrorCode::not_found, "object " + to_hex(oid) + " as of transaction " +
                                              to_hex(tid) + " is not there any more");
}

Result<Bytes> ServerTransactions::load_blob(Oid oid, Tid tid, std::uint64_t offset) {
  const wire::LoadBlob request{oid, tid, offset};
  Result<wire::BlobPart> part = session_.ask<wire::BlobPart>(request);
  if (part) return std::move(part->data);
  if (part.error().code != ErrorCode::not_found) return std::unexpected(std::move(part).error());
  return make_error(ErrorCode::not_found,
                    part.error().detail + "; if a pack ran meanwhile, export again");
}

// Makes sure that there is something in log_, unless the log has ended.
Result<> ServerTransactions::read_log() {
  while (log_.empty() && (after_ < until_ || log_request_)) {
    if (!log_request_) log_request_ = session_.start(wire::ReadLog{after_, until_, kLogItems});
    ASSIGN_OR_RETURN(wire::LogReply reply,
                     session_.finish<wire::LogReply>(*std::exchange(log_request_, std::nullopt)));
    if (reply.next_after <= after_ && !reply.end) {
      return make_error(ErrorCode::protocol_error, "the server's log does not go on");
    }
    after_ = reply.end ? until_ : reply.next_after;
    std::ranges::move(reply.items, std::back_inserter(log_));
    if (after_ < until_) log_request_ = session_.start(wire::ReadLog{after_, until_, kLogItems});
  }
  return {};
}

Result<> ServerTransactions::ask_ahead() {
  while (requests_ < kRequestsMax && bytes_ < kBytesMax && coming_.size() < kRequestsMax) {
    if (coming_.empty() || coming_.back().asked == coming_.back().item.objects.size()) {
      RETURN_IF_ERROR(read_log());
      if (log_.empty()) return {};
      coming_.emplace_back().item = std::move(log_.front());
      log_.pop_front();
    }
    if (coming_.back().asked < coming_.back().item.objects.size()) ask(coming_.back());
  }
  return {};
}

// Asks for the next records of `coming`, as many as make one answer.
void ServerTransactions::ask(Coming& coming) {
  const std::vector<ObjectSummary>& objects = coming.item.objects;
  Request request{.begin = coming.asked, .end = coming.asked};
  // The newest revision before the next tid is the one of this tid, if it is still there.
  wire::LoadMany load{.oids = {}, .before = coming.item.tid.next()};
  while (request.end < objects.size() && load.oids.size() < kRequestOidsMax) {
    const std::uint64_t bytes = objects[request.end].size + kRecordBytes;
    if (!load.oids.empty() && request.bytes + bytes > kRequestBytesMax) break;
    load.oids.push_back(objects[request.end++].oid);
    request.bytes += bytes;
  }
  request.id = session_.start(load);
  coming.asked = request.end;
  bytes_ += request.bytes;
  ++requests_;
  coming.requests.push_back(request);
}

// Waits for the first request of `coming`.
Result<> ServerTransactions::take(Coming& coming) {
  const Request request = coming.requests.front();
  coming.requests.pop_front();
  --requests_;
  bytes_ -= request.bytes;
  ASSIGN_OR_RETURN(wire::LoadedMany loaded, session_.finish<wire::LoadedMany>(request.id));
  RETURN_IF_ERROR(take_records(coming, loaded.items));
  while (coming.taken < request.end) {
    // The answer stopped early, so as to fit a frame.
    wire::LoadMany rest{.oids = {}, .before = coming.item.tid.next()};
    for (std::size_t i = coming.taken; i < request.end; ++i) {
      rest.oids.push_back(coming.item.objects[i].oid);
    }
    ASSIGN_OR_RETURN(loaded, session_.ask<wire::LoadedMany>(rest));
    RETURN_IF_ERROR(take_records(coming, loaded.items));
  }
  return {};
}

Result<> ServerTransactions::take_records(Coming& coming, std::span<wire::Loaded> records) {
  if (records.empty() || records.size() > coming.asked - coming.taken) {
    return make_error(ErrorCode::protocol_error, "the server answers with too few or too many");
  }
  for (wire::Loaded& loaded : records) {
    const ObjectSummary& object = coming.item.objects[coming.taken++];
    const bool gone = object.kind == RevisionKind::deletion;
    const auto expected = gone ? wire::LoadedStatus::deleted : wire::LoadedStatus::found;
    // Packed away: what is found is an older revision, or nothing.
    if (loaded.tid != coming.item.tid || loaded.status != expected) continue;
    ObjectWrite write{.oid = object.oid,
                      .previous = object.previous,
                      .kind = object.kind,
                      .data = {},
                      .back = object.back,
                      .blob = object.blob,
                      .via = object.via};
    if (object.kind == RevisionKind::data) {
      if (loaded.data.size() != object.size) {
        return make_error(ErrorCode::corruption,
                          "object " + to_hex(object.oid) + " as of transaction " +
                              to_hex(coming.item.tid) + " has " +
                              std::to_string(loaded.data.size()) + " bytes, the log says " +
                              std::to_string(object.size));
      }
      write.data = std::move(loaded.data);
    }
    coming.writes.push_back(std::move(write));
  }
  return {};
}

}  // namespace zeolite::cli
