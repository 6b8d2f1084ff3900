#include "daemon/zeo_connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "daemon/shard_hub.h"
#include "daemon/zeo_prepare.h"
#include "daemon/zeo_reads.h"
#include "daemon/zeo_status.h"

namespace zeolite::daemon {

using zeo::Value;

namespace {

// Bytes of uploads that wait to be written, before more is read.
constexpr std::size_t kUnwrittenMax = std::size_t{1} << 20;
// Pieces of blobs that are being read for one client, or wait for it to take them.
constexpr std::size_t kBlobPiecesAtOnce = 8;
// A greeting, or a register call; more is not taken from a client that did not register.
constexpr std::size_t kFirstMessagesMax = 64 * 1024;
// Bytes of what a client calls itself that the log tells.
constexpr std::size_t kLabelMax = 200;
// Clients that follow the first rules of the protocol ask for this storage when told nothing else.
constexpr std::string_view kDefaultName = "1";

zeo::Session::Options session_options(const ServerConfig& config) {
  return {.announce = config.zeo_msgpack ? zeo::Encoding::msgpack : zeo::Encoding::pickle,
          .read_only = config.zeo_read_only,
          .transaction_bytes_max = config.transaction_bytes_max};
}

}  // namespace

ZeoConnection::ZeoConnection(ConnectionEnvironment& environment, net::IoShard& shard,
                             std::size_t shard_index, commit::OwnerId owner, net::Socket socket)
    : ClientConnection(environment),
      shard_index_(shard_index),
      session_(owner, session_options(*environment.config)),
      socket_(std::make_shared<SizedConnection>(
          shard, std::move(socket), *this,
          net::StreamConnection::Limits{.body_max = kFirstMessagesMax,
                                        .outbound_max = environment.config->outbound_bytes_max,
                                        .buffers_shared = environment.buffers,
                                        .progress_timeout = environment.config->progress_timeout})),
      opened_(environment.clock->now().instant),
      staged_(environment.staged),
      iterators_(environment.staged) {}

ZeoConnection::~ZeoConnection() { socket_->detach(); }

void ZeoConnection::start() {
  const std::shared_ptr<ZeoConnection> self = shared_from_this();
  if (environment().zeo_tls != nullptr) socket_->secure(*environment().zeo_tls);
  socket_->start();
  if (!must_wait()) greet();
}

bool ZeoConnection::must_wait() const {
  return environment().config->zeo_parks && environment().cluster &&
         environment().cluster()->role != wire::NodeRole::primary;
}

void ZeoConnection::cluster_changed() {
  if (!greeted_ && !must_wait()) greet();
}

void ZeoConnection::try_elsewhere(Instant parked_before) {
  if (!greeted_ && opened_ < parked_before)
    end(Error{ErrorCode::not_primary, "another server is the primary"});
}

void ZeoConnection::greet() {
  greeted_ = environment().clock->now().instant;
  zeo::SessionEffects effects;
  session_.start(effects);
  run(effects);
}

void ZeoConnection::reply(const Value& id, const Value& result) {
  if (std::optional<Error> why = why_silent()) {
    end(*std::move(why));
    return;
  }
  std::string message;
  zeo::encode_result(session_.encoding(), id, result, message);
  socket_->send_encoded(message);
}

void ZeoConnection::fail(const Value& id, const zeo::Exception& why) {
  if (std::optional<Error> silent = why_silent()) {
    end(*std::move(silent));
    return;
  }
  std::string message;
  zeo::encode_exception(session_.encoding(), id, why, message);
  socket_->send_encoded(message);
}

void ZeoConnection::send_encoded(ByteView messages) {
  if (std::optional<Error> why = why_silent()) {
    end(*std::move(why));
    return;
  }
  socket_->send_encoded(messages);
}

std::string ZeoConnection::name() const {
  return label_.empty() ? socket_->peer() : label_ + " " + socket_->peer();
}

void ZeoConnection::on_message(Bytes message) {
  const std::shared_ptr<ZeoConnection> self = shared_from_this();  // closing forgets it
  // What became visible before this request was sent comes first (docs/ordering.md, I2).
  if (hub_ != nullptr) hub_->take_deliveries();
  if (socket_->closed()) return;
  if (std::optional<Error> why = why_silent()) {
    end(*std::move(why));
    return;
  }
  zeo::SessionEffects effects;
  session_.on_message(message, effects);
  run(effects);
  after_run();
}

void ZeoConnection::run(zeo::SessionEffects& effects) {
  if (effects.answer_ruok) answer_ruok();
  if (effects.attach) attach(*effects.attach, effects);
  socket_->send_encoded(effects.output);
  if (effects.label) {
    label_ = *std::move(effects.label);
    if (label_.size() > kLabelMax) label_.resize(kLabelMax);
    environment().log(LogLevel::debug, "ZEO client " + name() + " has told its label");
  }
  for (zeo::Read& read : effects.reads) {
    if (socket_->closed()) return;
    answer_read(*hub_, shared_from_this(), std::move(read));
  }
  for (const std::int64_t iterator : effects.forget) iterators_.forget(iterator);
  if (!effects.blobs.empty() && hub_->engine().blobs() == nullptr) {
    effects.close = Error{ErrorCode::protocol_error, "this storage keeps no blobs"};
  } else {
    for (const auto& step : effects.blobs) uploads_.step(step);
  }
  if (effects.drop_blobs) abandoned_->store(true);
  if (effects.drop_blobs && !uploads_.empty()) uploads_.drop(false);
  if (effects.prepare) waiting_preparation_ = std::move(effects.prepare);
  if (waiting_preparation_ || !effects.blobs.empty()) write_uploads();
  for (commit::calls::Call& call : effects.engine) {
    if (socket_->closed()) return;
    if (std::holds_alternative<commit::calls::Finish>(call)) uploads_.release(session_.blobs());
    hub_->engine().call(session_.owner(), std::move(call));
  }
  if (effects.committed) committed(*effects.committed);
  remove_dropped();
  if (effects.close) socket_->close_after_flush(*std::move(effects.close));
}

void ZeoConnection::after_run() {
  if (socket_->closed()) return;
  if (!staged_.settle(session_.held_bytes() + uploads_.unwritten())) {
    end(Error{ErrorCode::unavailable, "the server holds too much of unfinished transactions"});
    return;
  }
  adjust_reading();
}

void ZeoConnection::attach(const zeo::SessionEffects::Register& request,
                           zeo::SessionEffects& effects) {
  ShardHub* hub = environment().find_hub(shard_index_, request.storage);
  if (hub == nullptr && request.storage == kDefaultName) {
    hub = environment().find_hub(shard_index_, environment().config->storages.front().name);
  }
  if (hub == nullptr) {
    session_.refused(zeo::value_error("unknown storage " + request.storage), effects);
    return;
  }
  hub_ = hub;
  hub_->take_deliveries();
  session_.registered(hub_->last_told(), effects);
  hub_->add(shared_from_this());
  socket_->set_message_max(environment().config->transaction_bytes_max + kFirstMessagesMax);
  environment().log(LogLevel::debug, "ZEO client " + name() + " uses storage " +
                                         hub_->engine().name() +
                                         (session_.read_only() ? ", reading only" : ""));
}

void ZeoConnection::write_uploads() {
  ZeoUploads::Batch batch = uploads_.take_batch();
  if (batch.empty()) {
    if (!uploads_.is_written() || !waiting_preparation_) return;
    zeo::Preparation preparation = *std::exchange(waiting_preparation_, std::nullopt);
    if (session_.is_preparing(preparation.ticket)) prepare(std::move(preparation));
    return;
  }
  work_on_blobs(
      [blobs = hub_->engine().blobs(), batch = std::move(batch)]() mutable -> Result<> {
        // What it holds must not come back to the shard: letting go of a file may take long.
        const ZeoUploads::Batch written = std::exchange(batch, {});
        ZeoUploads::write(*blobs, written);
        return {};
      },
      [self = shared_from_this()](const Result<>&) {
        self->uploads_.written();
        if (self->socket_->closed()) return;
        self->write_uploads();
        self->after_run();
      });
}

template <typename Work, typename Done>
void ZeoConnection::work_on_blobs(Work work, Done done) {
  hub_->run_on(
      *hub_->environment().blob_pool, shared_from_this(), ShardHub::Pin::no,
      [work = std::move(work)](const storage::ObjectStore&, Tid) mutable { return work(); },
      [done = std::move(done)](auto result, Tid) { done(std::move(result)); });
}

void ZeoConnection::remove_dropped() {
  ZeoUploads::Dropped dropped = uploads_.take_dropped();
  if (dropped.empty()) return;
  work_on_blobs(
      [blobs = hub_->engine().blobs(), dropped = std::move(dropped)]() mutable -> Result<> {
        ZeoUploads::remove(*blobs, dropped);
        return {};
      },
      [](const Result<>&) {});
}

void ZeoConnection::prepare(zeo::Preparation preparation) {
  abandoned_ = std::make_shared<std::atomic<bool>>(false);
  const commit::Ticket ticket = preparation.ticket;
  std::vector<Oid> blobs = preparation.blobs;
  if (preparation.undos.empty() && preparation.restored.empty()) {
    prepare_blobs(ticket, {}, blobs);
    return;
  }
  hub_->read_in_turns(shared_from_this(), ShardHub::Pin::no,
                      VoteReading(std::move(preparation), abandoned_),
                      [self = shared_from_this(), ticket, blobs](Result<zeo::Prepared> found, Tid) {
                        if (!self->session_.is_preparing(ticket)) return;
                        if (found && found->undo_failures.empty()) {
                          self->prepare_blobs(ticket, *std::move(found), blobs);
                        } else {
                          self->prepared(ticket, std::move(found));
                        }
                      });
}

void ZeoConnection::prepare_blobs(commit::Ticket ticket, zeo::Prepared found,
                                  const std::vector<Oid>& blobs) {
  const bool undoes_blobs =
      std::ranges::any_of(found.undone, [](const auto& write) { return write.blob.has_value(); });
  if (blobs.empty() && !undoes_blobs) {
    prepared(ticket, std::move(found));
    return;
  }
  work_on_blobs(
      [blobs = hub_->engine().blobs(), found = std::move(found), uploads = uploads_.of(blobs),
       abandoned = abandoned_]() mutable {
        // As in write_uploads().
        const ZeoUploads::Uploads sealed = std::exchange(uploads, {});
        return daemon::prepare_blobs(blobs, std::move(found), sealed, abandoned);
      },
      [self = shared_from_this(), ticket](Result<VotePreparation> vote) {
        if (!vote) {
          self->prepared(ticket, std::unexpected(std::move(vote).error()));
        } else if (self->socket_->closed() || !self->session_.is_preparing(ticket)) {
          self->uploads_.drop_restaged(std::move(vote->restaged));
          self->remove_dropped();
        } else {
          self->uploads_.restaged(std::move(vote->restaged));
          self->prepared(ticket, std::move(vote->prepared));
        }
      });
}

void ZeoConnection::prepared(commit::Ticket ticket, Result<zeo::Prepared> result) {
  if (socket_->closed()) return;
  zeo::SessionEffects effects;
  session_.prepared(ticket, std::move(result), effects);
  run(effects);
  after_run();
}

void ZeoConnection::on_reply(commit::CommitEffects::Reply reply) {
  const std::shared_ptr<ZeoConnection> self = shared_from_this();
  zeo::SessionEffects effects;
  session_.on_reply(std::move(reply), effects);
  run(effects);
  after_run();
}

std::string ZeoConnection::info() const {
  const std::array<Value, 1> size{Value(storage_size(hub_->engine()))};
  std::string message;
  zeo::encode_one_way(session_.encoding(), "info", size, message);
  return message;
}

// The size first, so that the application sees the one that its commit made.
void ZeoConnection::committed(const zeo::SessionEffects::Committed& committed) {
  if (!uploads_.empty()) uploads_.drop(true);
  std::string messages = info();
  zeo::encode_result(session_.encoding(), committed.id, zeo::value_of(committed.tid), messages);
  socket_->send_encoded(messages);
}

void ZeoConnection::offer(PublishedBatch& published, RecordKind kind, bool own) {
  // The server's own records say nothing to clients, and who commits is told by the answer.
  if (own || kind != RecordKind::transaction || socket_->closed()) return;
  socket_->send_encoded(published.messages(session_.encoding()));
}

void ZeoConnection::answer_ruok() {
  const std::string json = environment().monitoring();
  std::string message;
  put_u32(message, static_cast<std::uint32_t>(json.size()));
  message += json;
  socket_->send_encoded(message);
  socket_->close_after_flush(Error{ErrorCode::unavailable, "the monitoring was answered"});
}

bool ZeoConnection::holds_enough() const { return uploads_.unwritten() > kUnwrittenMax; }

void ZeoConnection::close(Error why) { socket_->close(std::move(why)); }

void ZeoConnection::end(Error why) {
  const std::shared_ptr<ZeoConnection> self = shared_from_this();
  socket_->close_after_flush(std::move(why));
}

void ZeoConnection::check_progress(Instant now) {
  if (!socket_->established() && now - opened_ > environment().config->handshake_timeout) {
    end(Error{ErrorCode::protocol_error,
              "the client did not begin to speak TLS in time; its configuration needs <ssl>"});
    return;
  }
  // Who is parked waits for this server, not the other way round.
  if (hub_ == nullptr && greeted_ && now - *greeted_ > environment().config->handshake_timeout) {
    end(Error{ErrorCode::timeout, "the client did not register in time"});
    return;
  }
  if (neglects_transaction(now)) {
    end(Error{ErrorCode::timeout, "a transaction was begun and not gone on with in time"});
    return;
  }
  socket_->check_progress(now);
}

bool ZeoConnection::neglects_transaction(Instant now) {
  const std::uint64_t parts = session_.parts();
  const bool goes_on = std::exchange(parts_seen_, parts) != parts || socket_->receiving();
  if (goes_on || reading_paused() || !session_.is_building()) went_on_at_ = now;
  return now - went_on_at_ > environment().config->vote_timeout;
}

void ZeoConnection::when_blob_turn(std::function<void()> read) {
  if (closed()) return;
  blob_turns_.push_back(std::move(read));
  give_blob_turns();
}

void ZeoConnection::when_next_blob_turn(std::function<void()> read) {
  if (closed()) return;
  if (pieces_unsent_ == 0) {  // it has drained already
    when_blob_turn(std::move(read));
    return;
  }
  next_blob_turns_.push_back(std::move(read));
}

void ZeoConnection::blob_turn_over() {
  CHECK(pieces_reading_ > 0, "a piece was read out of its turn");
  --pieces_reading_;
  // Whether it is sent or refused, there is output that will drain.
  ++pieces_unsent_;
}

void ZeoConnection::give_blob_turns() {
  while (!blob_turns_.empty() && pieces_reading_ + pieces_unsent_ < kBlobPiecesAtOnce) {
    const std::function<void()> read = std::move(blob_turns_.front());
    blob_turns_.pop_front();
    ++pieces_reading_;
    read();
  }
}

void ZeoConnection::on_drained() {
  pieces_unsent_ = 0;
  output_gone();
  for (auto& read : std::exchange(next_blob_turns_, {})) blob_turns_.push_back(std::move(read));
  give_blob_turns();
}

void ZeoConnection::on_closed(const Error& why) {
  log_end("ZEO client " + name(), hub_ != nullptr, why);
  const std::shared_ptr<ZeoConnection> self = shared_from_this();
  abandoned_->store(true);
  blob_turns_.clear();
  next_blob_turns_.clear();
  (void)staged_.settle(0);
  output_gone();
  if (hub_ != nullptr) {
    hub_->remove(*this);
    uploads_.drop(true);
    remove_dropped();
  }
  environment().ended(shard_index_, session_.owner());
}

}  // namespace zeolite::daemon
