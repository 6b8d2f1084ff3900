#include "server/native_session.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace zeolite::server {

namespace {

constexpr std::size_t kLabelMax = 200;
// What a staged write or read costs beside its data.
constexpr std::uint64_t kEntryOverhead = 64;
// Records from this size on stay in the buffer they were received in.
constexpr std::size_t kSliceMin = 16 * 1024;
// Objects in one transaction: its log entry and its conflicts must fit a frame.
constexpr std::size_t kObjectsMax = 500'000;
constexpr std::size_t kConflictsToldMax = 1'000;
// What an open transaction costs beside its objects and metadata, here and in the coordinator.
constexpr std::uint64_t kTransactionOverhead = 1024;
// Transactions of one connection that are staged or voted at the same time.
constexpr std::size_t kTransactionsMax = 4096;

// Features this side understands.
constexpr std::uint64_t kFeatures = wire::kFeatureTopology;

// The first oid that stands twice in `entries`, if one does.
template <typename Entries>
std::optional<Oid> find_repeated(const Entries& entries) {
  if (entries.size() < 2) return std::nullopt;
  std::vector<Oid> oids;
  oids.reserve(entries.size());
  for (const auto& entry : entries) oids.push_back(entry.oid);
  std::ranges::sort(oids);
  const auto found = std::ranges::adjacent_find(oids);
  return found == oids.end() ? std::nullopt : std::optional(*found);
}

Result<> check_objects(const commit::StagedTransaction& staged) {
  if (staged.writes.size() + staged.reads.size() > kObjectsMax) {
    return make_error(ErrorCode::invalid_argument,
                      "the transaction has more than " + std::to_string(kObjectsMax) + " objects");
  }
  std::optional<Oid> repeated = find_repeated(staged.writes);
  if (!repeated) repeated = find_repeated(staged.reads);
  if (repeated) {
    return make_error(ErrorCode::invalid_argument,
                      "object " + to_hex(*repeated) + " stands twice in the transaction");
  }
  return {};
}

template <typename T, typename Variant>
struct is_alternative;
template <typename T, typename... Ts>
struct is_alternative<T, std::variant<Ts...>> : std::disjunction<std::is_same<T, Ts>...> {};

}  // namespace

void SessionEffects::clear() {
  send.clear();
  attach.reset();
  read.clear();
  engine.clear();
  close.reset();
}

NativeSession::NativeSession(commit::OwnerId owner) : owner_(owner) {
  CHECK(owner != 0 && owner < kOwnerLimit, "owner ids are 1 to 2^32-1");
}

void NativeSession::on_message(wire::Message message, std::uint32_t request_id,
                               SessionEffects& effects, std::size_t frame_bytes) {
  frame_bytes_ = frame_bytes;
  switch (state_) {
    case State::closed:
      return;
    case State::expecting_hello:
      if (auto* hello = std::get_if<wire::Hello>(&message)) {
        on_hello(std::move(*hello), request_id, effects);
      } else {
        protocol_error("the first message must be hello", effects);
      }
      return;
    case State::attaching:
    case State::catching_up:
      protocol_error("a request before the welcome", effects);
      return;
    case State::live:
      on_request(std::move(message), request_id, effects);
      return;
  }
}

void NativeSession::on_hello(wire::Hello hello, std::uint32_t request_id, SessionEffects& effects) {
  hello_request_id_ = request_id;
  if (hello.version_min > wire::kProtocolVersion || hello.version_max < wire::kProtocolVersion) {
    refused(
        Error{ErrorCode::protocol_error, "no common protocol version: the client speaks " +
                                             std::to_string(hello.version_min) + " to " +
                                             std::to_string(hello.version_max) + ", the server " +
                                             std::to_string(wire::kProtocolVersion)},
        effects);
    return;
  }
  hello_ = std::move(hello);
  if (hello_.label.size() > kLabelMax) hello_.label.resize(kLabelMax);
  state_ = State::attaching;
  effects.attach = hello_.storage;
}

void NativeSession::attached(const AttachedStorage& storage) {
  CHECK(state_ == State::attaching, "attached answers attach");
  storage_ = storage;
  state_ = State::catching_up;
}

void NativeSession::refused(Error why, SessionEffects& effects, std::string leader) {
  effects.send.push_back({hello_request_id_, wire::ErrorReply{why, std::move(leader)}});
  effects.close = std::move(why);
  state_ = State::closed;
}

void NativeSession::caught_up(bool cache_valid, SessionEffects& effects) {
  CHECK(state_ == State::catching_up, "caught_up follows attached");
  state_ = State::live;
  effects.send.push_back(
      {hello_request_id_, wire::Welcome{.version = wire::kProtocolVersion,
                                        .features = hello_.features & kFeatures,
                                        .cluster_id = storage_.cluster_id,
                                        .node = storage_.node,
                                        .role = storage_.role,
                                        .epoch = storage_.epoch,
                                        .visible = storage_.visible,
                                        .cache_valid = cache_valid,
                                        .body_max = storage_.body_max,
                                        .transaction_bytes_max = storage_.transaction_bytes_max}});
}

void NativeSession::on_request(wire::Message message, std::uint32_t request_id,
                               SessionEffects& effects) {
  std::visit(
      [&]<typename M>(M&& m) {
        using T = std::remove_cvref_t<M>;
        if constexpr (is_alternative<T, decltype(SessionEffects::Read::what)>::value) {
          effects.read.push_back({request_id, std::forward<M>(m)});
        } else if constexpr (std::is_same_v<T, wire::Stage>) {
          on_stage(std::forward<M>(m), effects);
        } else if constexpr (std::is_same_v<T, wire::Vote>) {
          on_body(std::forward<M>(m), false, request_id, effects);
        } else if constexpr (std::is_same_v<T, wire::Commit>) {
          on_body(std::forward<M>(m), true, request_id, effects);
        } else if constexpr (std::is_same_v<T, wire::Finish>) {
          on_finish(m, request_id, effects);
        } else if constexpr (std::is_same_v<T, wire::Abort>) {
          on_abort(m, request_id, effects);
        } else if constexpr (std::is_same_v<T, wire::OutcomeQuery>) {
          const commit::Ticket ticket = new_ticket();
          pending_[ticket] = {Pending::Kind::outcome, request_id, 0};
          effects.engine.emplace_back(SessionEffects::QueryOutcome{ticket, m.commit_id, m.begun});
        } else if constexpr (std::is_same_v<T, wire::NewOids>) {
          const commit::Ticket ticket = new_ticket();
          pending_[ticket] = {Pending::Kind::oids, request_id, 0};
          effects.engine.emplace_back(SessionEffects::AllocateOids{ticket, m.count});
        } else {
          protocol_error(
              "message type " + std::to_string(static_cast<int>(T::kType)) + " is not a request",
              effects);
        }
      },
      std::move(message));
}

void NativeSession::on_stage(wire::Stage stage, SessionEffects& effects) {
  Transaction* const opened = open(stage.number, effects);
  if (opened == nullptr) return;
  Transaction& transaction = *opened;
  if (transaction.stage != Transaction::Stage::staging) {
    protocol_error("stage after the vote of transaction " + std::to_string(stage.number), effects);
    return;
  }
  static_cast<void>(add(transaction, std::move(stage.writes), stage.reads, effects));
}

NativeSession::Transaction* NativeSession::open(std::uint64_t number, SessionEffects& effects) {
  const auto [found, is_new] = transactions_.try_emplace(number);
  if (!is_new) return &found->second;
  found->second.bytes = kTransactionOverhead;
  held_bytes_ += kTransactionOverhead;
  if (transactions_.size() <= kTransactionsMax) return &found->second;
  protocol_error(
      "more than " + std::to_string(kTransactionsMax) + " transactions are open on one connection",
      effects);
  return nullptr;
}

std::optional<std::uint64_t> NativeSession::oldest_staging() const {
  for (const auto& [number, transaction] : transactions_) {
    if (transaction.stage == Transaction::Stage::staging) return number;
  }
  return std::nullopt;
}

bool NativeSession::add(Transaction& transaction, std::vector<wire::WireWrite> writes,
                        const std::vector<wire::WireRead>& reads, SessionEffects& effects) {
  std::uint64_t bytes = 0;
  for (const wire::WireWrite& write : writes) bytes += write.data.size();
  // A slice keeps its whole frame: fine when the frame is mostly records, else they are copied out,
  // so that what is counted is what is held.
  const bool copy = bytes * 2 < frame_bytes_;
  for (wire::WireWrite& write : writes) {
    if (copy || write.data.size() < kSliceMin) write.data = Bytes::copy_of(write.data.view());
  }
  bytes += (writes.size() + reads.size()) * kEntryOverhead;
  transaction.bytes += bytes;
  held_bytes_ += bytes;
  if (transaction.bytes > storage_.transaction_bytes_max) {
    protocol_error("the transaction is larger than the server's limit of " +
                       std::to_string(storage_.transaction_bytes_max) + " bytes",
                   effects);
    return false;
  }
  commit::StagedTransaction& staged = transaction.staged;
  staged.writes.reserve(staged.writes.size() + writes.size());
  for (wire::WireWrite& write : writes) {
    staged.writes.push_back({write.oid, write.base, write.kind, std::move(write.data), kNoTid});
  }
  staged.reads.reserve(staged.reads.size() + reads.size());
  for (const wire::WireRead& read : reads) staged.reads.push_back({read.oid, read.tid});
  return true;
}

void NativeSession::on_body(wire::CommitBody body, bool one_request, std::uint32_t request_id,
                            SessionEffects& effects) {
  Transaction* const opened = open(body.number, effects);
  if (opened == nullptr) return;
  Transaction& transaction = *opened;
  if (transaction.stage != Transaction::Stage::staging) {
    protocol_error("transaction " + std::to_string(body.number) + " has voted already", effects);
    return;
  }
  const std::uint64_t metadata =
      body.metadata.user.size() + body.metadata.description.size() + body.metadata.extension.size();
  transaction.bytes += metadata;
  held_bytes_ += metadata;
  if (!add(transaction, std::move(body.writes), body.reads, effects)) return;
  commit::StagedTransaction& staged = transaction.staged;
  if (Result<> valid = check_objects(staged); !valid) {
    end_transaction(body.number);
    fail(request_id, std::move(valid).error(), effects);
    return;
  }
  staged.commit_id = CommitId{hello_.session, body.number};
  staged.begun = body.begun;
  staged.metadata = std::move(body.metadata);
  transaction.stage = Transaction::Stage::voting;
  transaction.ticket = new_ticket();
  const auto kind = one_request ? Pending::Kind::commit : Pending::Kind::vote;
  pending_[transaction.ticket] = {kind, request_id, body.number};
  effects.engine.emplace_back(
      SessionEffects::Submit{transaction.ticket, std::move(staged), one_request});
}

void NativeSession::on_finish(const wire::Finish& finish, std::uint32_t request_id,
                              SessionEffects& effects) {
  const auto found = transactions_.find(finish.number);
  if (found == transactions_.end() || found->second.stage != Transaction::Stage::voted) {
    fail(request_id,
         Error{ErrorCode::invalid_argument,
               "transaction " + std::to_string(finish.number) + " has not voted"},
         effects);
    return;
  }
  found->second.stage = Transaction::Stage::finishing;
  const commit::Ticket ticket = found->second.ticket;
  const commit::Ticket reply_to = new_ticket();
  pending_[reply_to] = {Pending::Kind::finish, request_id, finish.number};
  effects.engine.emplace_back(SessionEffects::Finish{ticket, reply_to});
}

void NativeSession::on_abort(const wire::Abort& abort, std::uint32_t request_id,
                             SessionEffects& effects) {
  using Stage = Transaction::Stage;
  const auto found = transactions_.find(abort.number);
  if (found != transactions_.end()) {
    const commit::Ticket ticket = found->second.ticket;
    const auto vote = pending_.find(ticket);
    switch (found->second.stage) {
      case Stage::staging:
        end_transaction(abort.number);
        break;
      case Stage::voting:
        // A whole commit may be in the log already: its own answer tells.
        if (vote == pending_.end() || vote->second.kind != Pending::Kind::vote) break;
        // So may a vote that repeats a commit; its answer is not awaited.
        fail(vote->second.request_id,
             Error{ErrorCode::outcome_unknown, "aborted by the client while it was voting"},
             effects);
        pending_.erase(vote);
        [[fallthrough]];
      case Stage::voted:
        effects.engine.emplace_back(SessionEffects::Abort{ticket});
        end_transaction(abort.number);
        break;
      case Stage::finishing:
        break;  // too late
    }
  }
  effects.send.push_back({request_id, wire::Done{}});
}

void NativeSession::on_reply(commit::CommitEffects::Reply reply, SessionEffects& effects) {
  using Kind = commit::CommitEffects::Reply::Kind;
  const auto found = pending_.find(reply.ticket);
  if (found == pending_.end() || state_ == State::closed) return;
  const Pending pending = found->second;
  pending_.erase(found);
  const bool ends_transaction =
      reply.kind != Kind::voted &&
      (pending.kind == Pending::Kind::vote || pending.kind == Pending::Kind::commit ||
       pending.kind == Pending::Kind::finish);
  if (ends_transaction) end_transaction(pending.number);
  switch (reply.kind) {
    case Kind::voted:
      if (const auto t = transactions_.find(pending.number); t != transactions_.end()) {
        t->second.stage = Transaction::Stage::voted;
      }
      effects.send.push_back({pending.request_id, wire::Voted{}});
      return;
    case Kind::committed:
      if (pending.kind == Pending::Kind::outcome) {
        effects.send.push_back({pending.request_id, wire::OutcomeKnown{true, reply.tid}});
      } else {
        effects.send.push_back({pending.request_id, wire::Committed{reply.tid, storage_.epoch}});
      }
      return;
    case Kind::conflicted: {
      wire::Conflicted conflicted;
      if (reply.conflicts.size() > kConflictsToldMax) reply.conflicts.resize(kConflictsToldMax);
      for (const commit::Conflict& c : reply.conflicts) {
        conflicted.conflicts.push_back({c.oid, c.current, c.base, c.read});
      }
      effects.send.push_back({pending.request_id, std::move(conflicted)});
      return;
    }
    case Kind::failed:
      fail(pending.request_id, std::move(reply.error), effects);
      return;
    case Kind::oids:
      effects.send.push_back({pending.request_id, wire::Oids{reply.first_oid, reply.oid_count}});
      return;
    case Kind::aborted:
      effects.send.push_back({pending.request_id, wire::OutcomeKnown{false, reply.tid}});
      return;
  }
}

commit::Ticket NativeSession::new_ticket() { return (owner_ << 32) | next_ticket_++; }

void NativeSession::end_transaction(std::uint64_t number) {
  const auto found = transactions_.find(number);
  if (found == transactions_.end()) return;
  held_bytes_ -= found->second.bytes;
  transactions_.erase(found);
}

void NativeSession::fail(std::uint32_t request_id, Error error, SessionEffects& effects) {
  effects.send.push_back({request_id, wire::ErrorReply{std::move(error)}});
}

void NativeSession::protocol_error(std::string what, SessionEffects& effects) {
  Error error{ErrorCode::protocol_error, std::move(what)};
  effects.send.push_back({0, wire::ErrorReply{error}});
  effects.close = std::move(error);
  state_ = State::closed;
}

}  // namespace zeolite::server
