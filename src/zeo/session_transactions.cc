// The calls of a transaction, from tpc_begin to tpc_finish.
#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "pickle/codec.h"
#include "zeo/arguments.h"
#include "zeo/session.h"
#include "zeo/undo_id.h"

namespace zeolite::zeo {

using commit::CommitEffects;
using pickle::Dict;
using pickle::List;
using pickle::None;

namespace {

constexpr std::int64_t kOidsMax = 100;  // per call; what clients ask for
// User, description and extension, each.
constexpr std::size_t kMetadataMax = 65'535;
// Clients give up resolving conflicts after this many votes, and then finish what was never voted.
// They are told before.
constexpr unsigned kRoundsMax = 8;
// Undos that were planned anew because another transaction came in between.
constexpr unsigned kPlansMax = 10;
// Transactions that one may undo. Planning it takes as long as all that they changed.
constexpr std::size_t kUndosMax = 1'000;
// What every protocol can carry back in one message.
constexpr std::size_t kRecordMax = (std::size_t{512} << 20) - (std::size_t{64} << 10);
// A record shares the memory it came in, with whatever came beside it. A shorter one is copied, so
// that what a transaction holds is not much more than what was sent for it.
constexpr std::size_t kCopiedBelow = std::size_t{64} << 10;

Bytes own(Bytes data) {
  return data.size() < kCopiedBelow ? Bytes::copy_of(data.view()) : std::move(data);
}

std::unexpected<Exception> wrong(const Error& error) {
  return std::unexpected(type_error(error.detail));
}

// The first two arguments of most calls: an object, and the revision of it that was read.
struct ReadRevision {
  Oid oid;
  Tid serial;
};
std::expected<ReadRevision, Exception> read_revision(const Arguments& arguments) {
  const Result<Oid> oid = arguments.oid(0);
  if (!oid) return wrong(oid.error());
  const Result<Tid> serial = arguments.serial(1);
  if (!serial) return wrong(serial.error());
  return ReadRevision{*oid, *serial};
}

commit::StagedWrite* write_in(commit::StagedTransaction& staged, std::optional<std::size_t> place) {
  return place ? &staged.writes[*place] : nullptr;
}

}  // namespace

commit::Ticket Session::new_ticket() { return (owner_ << 32) | next_ticket_++; }

bool Session::is_current(const Value* id) const {
  return transaction_ && id != nullptr && transaction_->id() == *id;
}

std::expected<Transaction*, Exception> Session::open_transaction(const Call& call, std::size_t i) {
  if (!is_current(Arguments(call).at(i))) {
    return std::unexpected(transaction_error(call.method + ": no such transaction is open"));
  }
  if (stage_ != Stage::open) {
    return std::unexpected(transaction_error(call.method + ": the transaction is being voted"));
  }
  return &*transaction_;
}

Session::Answer Session::new_oids(const Call& call, SessionEffects& effects) {
  if (read_only_) return std::unexpected(read_only_error());
  std::int64_t count = kOidsMax;
  if (!Arguments(call).is_none(0)) {
    const Result<std::int64_t> wanted = Arguments(call).integer(0);
    if (!wanted) return wrong(wanted.error());
    count = std::clamp<std::int64_t>(*wanted, 1, kOidsMax);
  }
  const commit::Ticket ticket = new_ticket();
  oid_calls_.emplace_back(ticket, call.id);
  effects.engine.push_back(commit::calls::AllocateOids{ticket, static_cast<std::uint32_t>(count)});
  return std::nullopt;
}

// tpc_begin(id, user, description, extension, tid or None, status)
Session::Answer Session::tpc_begin(const Call& call, SessionEffects& /*effects*/) {
  const Arguments arguments(call);
  if (arguments.at(0) == nullptr) return std::unexpected(type_error("tpc_begin: no id"));
  if (read_only_) return std::unexpected(read_only_error());
  if (transaction_) {
    if (is_current(arguments.at(0))) return Value(None{});
    return std::unexpected(transaction_error("tpc_begin: another transaction is open"));
  }
  Transaction transaction(*arguments.at(0));
  const Result<std::string> user = arguments.text(1);
  if (!user) return wrong(user.error());
  const Result<std::string> description = arguments.text(2);
  if (!description) return wrong(description.error());
  transaction.metadata.user = *user;
  transaction.metadata.description = *description;
  if (const Value* extension = arguments.at(3)) {
    const auto* dict = extension->get<Dict>();
    const bool given = dict == nullptr ? !extension->is<None>() : !dict->items.empty();
    if (given) pickle::encode(*extension, transaction.metadata.extension);
  }
  const Result<std::optional<Tid>> tid = arguments.optional_tid(4);
  if (!tid) return wrong(tid.error());
  transaction.fixed_tid = *tid;
  if (!arguments.is_none(5)) {
    const Result<std::string> status = arguments.text(5);
    // It is told as text again.
    if (!status || status->size() != 1 || static_cast<unsigned char>(status->front()) > 127) {
      return std::unexpected(type_error("tpc_begin: the status must be one ASCII character"));
    }
    transaction.status = status->front();
  }
  const TransactionMetadata& metadata = transaction.metadata;
  doomed_.reset();
  if (transaction.status != kStatusNormal && transaction.status != kStatusPacked) {
    doomed_ = storage_error("a transaction's status may be ' ' or 'p'");
  }
  if (std::max({metadata.user.size(), metadata.description.size(), metadata.extension.size()}) >
      kMetadataMax) {
    doomed_ = storage_error("user, description and extension may have 65,535 bytes each, no more");
  }
  transaction_ = std::move(transaction);
  stage_ = Stage::open;
  rounds_ = 0;
  prepared_ = {};
  return Value(None{});
}

void Session::judge_record(const Bytes& data) {
  if (data.empty()) doomed_ = storage_error("a record of no bytes cannot be kept");
  if (data.size() > kRecordMax) {
    doomed_ = storage_error("a record may have " + std::to_string(kRecordMax) + " bytes, no more");
  }
}

// storea(oid, serial, data, id)
Session::Answer Session::storea(const Call& call, SessionEffects& /*effects*/) {
  const auto transaction = open_transaction(call, 3);
  if (!transaction) return std::unexpected(transaction.error());
  const Arguments arguments(call);
  const auto read = read_revision(arguments);
  if (!read) return std::unexpected(read.error());
  Result<Bytes> data = arguments.bytes(2);
  if (!data) return wrong(data.error());
  judge_record(*data);
  (*transaction)->store(read->oid, read->serial, own(*std::move(data)));
  return Value(None{});
}

// restorea(oid, serial, data or None, tid of the same data or None, id)
Session::Answer Session::restorea(const Call& call, SessionEffects& /*effects*/) {
  const auto transaction = open_transaction(call, 4);
  if (!transaction) return std::unexpected(transaction.error());
  const Arguments arguments(call);
  const Result<Oid> oid = arguments.oid(0);
  if (!oid) return wrong(oid.error());
  const Result<Tid> source = arguments.serial(3);
  if (!source) return wrong(source.error());
  std::optional<Bytes> data;
  if (!arguments.is_none(2)) {
    Result<Bytes> given = arguments.bytes(2);
    if (!given) return wrong(given.error());
    judge_record(*given);
    data = own(*std::move(given));
  }
  (*transaction)->restore(*oid, std::move(data), *source);
  return Value(None{});
}

// deleteObject(oid, serial, id)
Session::Answer Session::delete_object(const Call& call, SessionEffects& /*effects*/) {
  const auto transaction = open_transaction(call, 2);
  if (!transaction) return std::unexpected(transaction.error());
  const auto read = read_revision(Arguments(call));
  if (!read) return std::unexpected(read.error());
  (*transaction)->remove(read->oid, read->serial);
  return Value(None{});
}

// checkCurrentSerialInTransaction(oid, serial, id)
Session::Answer Session::check_current(const Call& call, SessionEffects& /*effects*/) {
  const auto transaction = open_transaction(call, 2);
  if (!transaction) return std::unexpected(transaction.error());
  const auto read = read_revision(Arguments(call));
  if (!read) return std::unexpected(read.error());
  (*transaction)->check_read(read->oid, read->serial);
  return Value(None{});
}

// undoa(id of the transaction to undo, id)
Session::Answer Session::undoa(const Call& call, SessionEffects& /*effects*/) {
  const auto transaction = open_transaction(call, 1);
  if (!transaction) return std::unexpected(transaction.error());
  const Result<Bytes> undo_id = Arguments(call).bytes(0);
  if (!undo_id) return wrong(undo_id.error());
  const std::optional<Tid> tid = parse_undo_id(undo_id->view());
  if (!tid) {
    doomed_ = multiple_undo_errors({{{Oid{}, "Invalid undo transaction id"}}});
  } else if ((*transaction)->undos().size() >= kUndosMax) {
    doomed_ = storage_error("a transaction may undo " + std::to_string(kUndosMax) +
                            " transactions, no more");
  } else {
    (*transaction)->undo(*tid);
  }
  return Value(None{});
}

Session::Answer Session::store_blob_start(const Call& /*call*/, SessionEffects& effects) {
  if (read_only_) return std::unexpected(read_only_error());
  if (!transaction_ || stage_ != Stage::open || uploading_) {
    return std::unexpected(transaction_error("a blob comes out of place"));
  }
  uploading_ = true;
  effects.blobs.emplace_back(SessionEffects::BlobBegin{});
  return Value(None{});
}

Session::Answer Session::store_blob_chunk(const Call& call, SessionEffects& effects) {
  Result<Bytes> chunk = Arguments(call).bytes(0);
  if (!chunk) return wrong(chunk.error());
  if (!uploading_) return std::unexpected(transaction_error("a blob comes out of place"));
  effects.blobs.emplace_back(SessionEffects::BlobChunk{*std::move(chunk)});
  return Value(None{});
}

// storeBlobEnd(oid, serial, data, id)
Session::Answer Session::store_blob_end(const Call& call, SessionEffects& effects) {
  if (!uploading_) return std::unexpected(transaction_error("a blob comes out of place"));
  Answer stored = storea(call, effects);
  if (!stored) return stored;
  uploading_ = false;
  const Oid oid = *Arguments(call).oid(0);
  attach_blob(oid);
  effects.blobs.emplace_back(SessionEffects::BlobEnd{oid});
  return Value(None{});
}

// storeBlobShared(oid, serial, data, file name, id)
Session::Answer Session::store_blob_shared(const Call& call, SessionEffects& effects) {
  Result<std::string> name = Arguments(call).text(3);
  if (!name) return wrong(name.error());
  if (call.arguments.size() < 5) return std::unexpected(type_error("storeBlobShared: no id"));
  Call store = call;
  store.arguments.erase(store.arguments.begin() + 3);
  Answer stored = storea(store, effects);
  if (!stored) return stored;
  const Oid oid = *Arguments(call).oid(0);
  attach_blob(oid);
  effects.blobs.emplace_back(SessionEffects::BlobShared{oid, *std::move(name)});
  return Value(None{});
}

void Session::attach_blob(Oid oid) {
  transaction_->attach_blob(oid);
  // What was made durable for an earlier vote was another upload.
  std::erase_if(prepared_.blobs, [oid](const Prepared::Blob& blob) { return blob.oid == oid; });
}

// vote(id)
Session::Answer Session::vote(const Call& call, SessionEffects& effects) {
  if (is_current(Arguments(call).at(0)) && stage_ != Stage::open) {
    return std::unexpected(transaction_error("Already voting"));
  }
  const auto transaction = open_transaction(call, 0);
  if (!transaction) return std::unexpected(transaction.error());
  if (uploading_) return std::unexpected(transaction_error("vote: a blob is not complete"));
  reply_id_ = call.id;
  ticket_ = new_ticket();
  plans_ = 0;
  if (doomed_) {
    fail_vote(*doomed_, effects);
    return std::nullopt;
  }
  prepare(effects);
  return std::nullopt;
}

void Session::prepare(SessionEffects& effects) {
  // All is found out anew for every vote, but for uploads, which are made durable once.
  prepared_ = Prepared{.blobs = std::move(prepared_.blobs)};
  Preparation preparation;
  preparation.ticket = ticket_;
  preparation.undos = transaction_->undos();
  std::set<Oid> done;
  for (const Prepared::Blob& blob : prepared_.blobs) done.insert(blob.oid);
  std::ranges::set_difference(transaction_->blobs(), done, std::back_inserter(preparation.blobs));
  const std::vector<commit::StagedWrite>& writes = transaction_->writes();
  for (const Transaction::RestoredFrom& restored : transaction_->restored()) {
    const commit::StagedWrite& write = writes[restored.write];
    std::optional<Bytes> data;
    if (write.kind != RevisionKind::deletion) data = write.data;
    preparation.restored.push_back({write.oid, restored.source, std::move(data)});
  }
  if (preparation.undos.empty() && preparation.blobs.empty() && preparation.restored.empty()) {
    submit(effects);
    return;
  }
  stage_ = Stage::preparing;
  effects.prepare = std::move(preparation);
}

void Session::prepared(commit::Ticket ticket, Result<Prepared> result, SessionEffects& effects) {
  if (!is_preparing(ticket)) return;
  if (!result) {
    fail_vote(exception_of(result.error()), effects);
    return;
  }
  if (!result->undo_failures.empty()) {
    fail_vote(multiple_undo_errors(result->undo_failures), effects);
    return;
  }
  std::ranges::move(prepared_.blobs, std::back_inserter(result->blobs));
  prepared_ = *std::move(result);
  submit(effects);
}

void Session::submit(SessionEffects& effects) {
  commit::StagedTransaction staged = transaction_->staged();
  for (const auto& [oid, back, via] : prepared_.repeated) {
    commit::StagedWrite* const write = write_in(staged, transaction_->place_of(oid));
    if (write == nullptr) continue;
    if (!back.is_zero()) write->kind = RevisionKind::back_pointer;
    write->back = back;
    write->via = via;
    write->data = {};
  }
  for (const Prepared::Blob& blob : prepared_.blobs) {
    commit::StagedWrite* const write = write_in(staged, transaction_->place_of(blob.oid));
    if (write == nullptr || !transaction_->blobs().contains(blob.oid)) continue;
    write->blob = blob.info;
    write->staged_blob = blob.staged_name;
  }
  for (const commit::StagedWrite& write : prepared_.undone) {
    // What the transaction stores itself counts more.
    if (!transaction_->data_of(write.oid)) staged.writes.push_back(write);
  }
  staged.swept_pack = prepared_.swept_pack;
  stage_ = Stage::voting;
  staged.logged_when_empty = true;
  effects.engine.emplace_back(std::in_place_type<commit::calls::Submit>);
  auto& submit = std::get<commit::calls::Submit>(effects.engine.back());
  submit.ticket = ticket_;
  submit.transaction = std::move(staged);
}

// tpc_finish(id)
Session::Answer Session::tpc_finish(const Call& call, SessionEffects& effects) {
  if (!is_current(Arguments(call).at(0)) || stage_ != Stage::voted) {
    return std::unexpected(transaction_error("tpc_finish: the transaction is not voted"));
  }
  reply_id_ = call.id;
  stage_ = Stage::finishing;
  finish_ticket_ = new_ticket();
  effects.engine.emplace_back(commit::calls::Finish{ticket_, finish_ticket_});
  return std::nullopt;
}

// tpc_abort(id), of any transaction or none.
Session::Answer Session::tpc_abort(const Call& call, SessionEffects& effects) {
  if (is_current(Arguments(call).at(0)) && stage_ != Stage::finishing) {
    const bool waiting = stage_ == Stage::preparing || stage_ == Stage::voting;
    if (stage_ == Stage::voting || stage_ == Stage::voted) {
      effects.engine.emplace_back(commit::calls::Abort{ticket_});
    }
    if (waiting) {
      send_exception(reply_id_, transaction_error("the transaction was aborted"), effects);
    }
    end_transaction(effects);
  }
  return Value(None{});
}

void Session::end_transaction(SessionEffects& effects) {
  effects.drop_blobs = true;
  uploading_ = false;
  transaction_.reset();
  stage_ = Stage::open;
  prepared_ = {};
}

bool Session::hangs_up(const Error& why, SessionEffects& effects) {
  if (why.code != ErrorCode::shutting_down) return false;
  state_ = State::closed;
  effects.close = why;
  return true;
}

void Session::fail_vote(const Exception& why, SessionEffects& effects) {
  send_exception(reply_id_, why, effects);
  end_transaction(effects);
}

void Session::on_voted(SessionEffects& effects) {
  stage_ = Stage::voted;
  // The client cannot know what was undone but from here.
  List changed;
  for (const commit::StagedWrite& write : prepared_.undone) {
    changed.items.push_back(value_of(write.oid));
  }
  send_result(reply_id_, Value(std::move(changed)), effects);
}

std::optional<Exception> Session::fatal_conflict(
    const std::vector<commit::Conflict>& conflicts) const {
  for (const commit::Conflict& conflict : conflicts) {
    const ConflictFacts facts{
        .message =
            conflict.read ? "data read by the transaction was changed" : "database conflict error",
        .oid = conflict.oid,
        .committed = conflict.current,
        .read = conflict.base == Transaction::kNeverRead ? kNoTid : conflict.base};
    const bool removes = !conflict.read && transaction_->removes(conflict.oid);
    if ((conflict.read || removes) && conflict.current.is_zero()) {
      return pos_key_error(conflict.oid);
    }
    if (conflict.read) return read_conflict_error(facts);
    // What is gone cannot be resolved with; an undo is planned again.
    const bool lost = conflict.deleted && transaction_->data_of(conflict.oid);
    if (removes || lost || rounds_ >= kRoundsMax) return conflict_error(facts);
  }
  return std::nullopt;
}

void Session::on_conflicts(const std::vector<commit::Conflict>& conflicts,
                           SessionEffects& effects) {
  if (const std::optional<Exception> fatal = fatal_conflict(conflicts)) {
    fail_vote(*fatal, effects);
    return;
  }
  const bool undo_overtaken = std::ranges::any_of(
      conflicts, [this](const auto& conflict) { return !transaction_->data_of(conflict.oid); });
  if (undo_overtaken) {
    if (++plans_ > kPlansMax) {
      fail_vote(conflict_error({.message = "the objects to undo are changed all the time",
                                .oid = conflicts.front().oid}),
                effects);
      return;
    }
    ticket_ = new_ticket();
    prepare(effects);
    return;
  }
  ++rounds_;
  List unresolved;
  for (const commit::Conflict& conflict : conflicts) {
    Dict facts;
    facts.items.emplace_back(Value::text("oid"), value_of(conflict.oid));
    facts.items.emplace_back(Value::text("serials"),
                             Value::tuple(value_of(conflict.current), value_of(conflict.base)));
    facts.items.emplace_back(Value::text("data"), Value(*transaction_->data_of(conflict.oid)));
    unresolved.items.emplace_back(std::move(facts));
  }
  stage_ = Stage::open;
  send_result(reply_id_, Value(std::move(unresolved)), effects);
}

void Session::on_reply(CommitEffects::Reply reply, SessionEffects& effects) {
  if (state_ == State::closed) return;
  const auto oid_call =
      std::ranges::find(oid_calls_, reply.ticket, &std::pair<commit::Ticket, Value>::first);
  if (oid_call != oid_calls_.end()) {
    const Value id = std::move(oid_call->second);
    oid_calls_.erase(oid_call);
    on_oids(id, reply, effects);
    return;
  }
  const bool of_vote = transaction_ && reply.ticket == ticket_ && stage_ == Stage::voting;
  const bool of_finish =
      transaction_ && reply.ticket == finish_ticket_ && stage_ == Stage::finishing;
  if (!of_vote && !of_finish) return;  // aborted meanwhile
  switch (reply.kind) {
    case CommitEffects::Reply::Kind::voted:
      on_voted(effects);
      break;
    case CommitEffects::Reply::Kind::conflicted:
      on_conflicts(reply.conflicts, effects);
      break;
    case CommitEffects::Reply::Kind::committed:
      effects.committed = {reply_id_, reply.tid};
      transaction_.reset();
      stage_ = Stage::open;
      break;
    default:
      if (hangs_up(reply.error, effects)) break;
      fail_vote(exception_of(reply.error), effects);
      break;
  }
}

void Session::on_oids(const Value& id, const CommitEffects::Reply& reply, SessionEffects& effects) {
  if (reply.kind != CommitEffects::Reply::Kind::oids) {
    if (!hangs_up(reply.error, effects)) send_exception(id, exception_of(reply.error), effects);
    return;
  }
  List oids;
  oids.items.reserve(reply.oid_count);
  for (std::uint32_t i = 0; i < reply.oid_count; ++i) {
    oids.items.push_back(id_value(reply.first_oid.value() + i));
  }
  send_result(id, Value(std::move(oids)), effects);
}

}  // namespace zeolite::zeo
