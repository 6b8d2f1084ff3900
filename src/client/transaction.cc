#include <future>
#include <utility>

#include "client/error_mapping.h"
#include "client/transaction_impl.h"
#include "zeolite/client.h"

namespace zeolite::client {
inline namespace v1 {

using client_core::Answer;
using client_core::external;
using client_core::internal;
using client_core::RecordPtr;
using client_core::Request;
using client_core::to_exception;

namespace {

constexpr std::size_t kMetadataMax = 65'535;
constexpr std::size_t kLoadManyMax = 10'000;

void check_metadata(const std::string& text) {
  if (text.size() <= kMetadataMax) return;
  throw InvalidArgumentError(
      "a transaction's user, description and extension have at most 65,535 "
      "bytes each; this one has " +
      std::to_string(text.size()));
}

// What commit() or finish() came to.
AsyncResult<Tid> commit_result(const Answer& answer) {
  if (answer.error) return AsyncResult<Tid>(to_exception(answer));
  if (const auto* conflicted = std::get_if<wire::Conflicted>(&answer.message)) {
    return AsyncResult<Tid>(to_exception(*conflicted));
  }
  return AsyncResult<Tid>(external(std::get<wire::Committed>(answer.message).tid));
}

// Starts `start(done)` and waits for done to be called.
template <typename Start>
Answer wait_for_answer(const client_core::ClientCore& core, Start start) {
  core.check_may_block();
  auto answered = std::make_shared<std::promise<Answer>>();
  std::future<Answer> answer = answered->get_future();
  start([answered](Answer given) { answered->set_value(std::move(given)); });
  return answer.get();
}

}  // namespace

Transaction::Transaction(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&& other) noexcept {
  if (this != &other) {
    abort();
    impl_ = std::move(other.impl_);
  }
  return *this;
}
Transaction::~Transaction() { abort(); }

Tid Transaction::snapshot() const { return external(impl_->snapshot()); }

bool Transaction::active() const { return impl_->state() != Impl::State::ended; }

// ---- reading -----------------------------------------------------------------------------------

Bytes Transaction::load(Oid oid) {
  if (std::optional<Bytes> found = find(oid)) return *std::move(found);
  std::rethrow_exception(client_core::not_found(internal(oid), impl_->snapshot()));
}

std::optional<Bytes> Transaction::find(Oid public_oid) {
  impl_->check_active();
  const ::zeolite::Oid oid = internal(public_oid);
  if (std::optional<RecordPtr> own = impl_->own(oid)) {
    return *own ? std::optional(Bytes(*std::move(own))) : std::nullopt;
  }
  if (std::optional<Impl::Revision> revision = impl_->cached(oid)) {
    return Bytes(std::move(revision->data));
  }
  const Answer answer = impl_->core().call(impl_->load_request(oid));
  if (answer.error) client_core::throw_error(answer);
  RecordPtr data = impl_->take(oid, answer.records.at(0));
  return data ? std::optional(Bytes(std::move(data))) : std::nullopt;
}

std::optional<Bytes> Transaction::try_load(Oid public_oid) {
  impl_->check_active();
  const ::zeolite::Oid oid = internal(public_oid);
  if (std::optional<RecordPtr> own = impl_->own(oid)) {
    return *own ? std::optional(Bytes(*std::move(own))) : std::nullopt;
  }
  std::optional<Impl::Revision> revision = impl_->cached(oid);
  return revision ? std::optional(Bytes(std::move(revision->data))) : std::nullopt;
}

std::vector<std::optional<Bytes>> Transaction::find_many(std::span<const Oid> oids) {
  std::vector<std::optional<Bytes>> found(oids.size());
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < oids.size(); ++i) {
    found[i] = try_load(oids[i]);
    if (!found[i] && !impl_->own(internal(oids[i]))) missing.push_back(i);
  }
  for (std::size_t from = 0; from < missing.size(); from += kLoadManyMax) {
    const std::size_t count = std::min(kLoadManyMax, missing.size() - from);
    std::vector<::zeolite::Oid> wanted;
    wanted.reserve(count);
    for (std::size_t i = 0; i < count; ++i) wanted.push_back(internal(oids[missing[from + i]]));
    const Answer answer = impl_->core().call(impl_->load_many_request(wanted));
    if (answer.error) client_core::throw_error(answer);
    for (std::size_t i = 0; i < count; ++i) {
      if (RecordPtr data = impl_->take(wanted[i], answer.records.at(i))) {
        found[missing[from + i]] = Bytes(std::move(data));
      }
    }
  }
  return found;
}

void Transaction::prefetch(std::span<const Oid> oids) {
  impl_->check_active();
  std::vector<::zeolite::Oid> missing;
  for (std::size_t i = 0; i < oids.size(); ++i) {
    const ::zeolite::Oid oid = internal(oids[i]);
    if (!impl_->cached(oid)) missing.push_back(oid);
    if (missing.size() == kLoadManyMax || (i + 1 == oids.size() && !missing.empty())) {
      impl_->core().submit(impl_->load_many_request(std::exchange(missing, {})));
    }
  }
}

void Transaction::load_async(Oid public_oid, Callback<Bytes> done) {
  if (std::optional<Bytes> found = try_load(public_oid)) {
    done(AsyncResult<Bytes>(*std::move(found)));
    return;
  }
  const ::zeolite::Oid oid = internal(public_oid);
  if (impl_->own(oid)) {  // removed here
    done(AsyncResult<Bytes>(client_core::not_found(oid, impl_->snapshot())));
    return;
  }
  Request request = impl_->load_request(oid);
  // What was seen is not recorded: that belongs to the transaction's thread.
  request.done = [oid, snapshot = impl_->snapshot(), done = std::move(done)](Answer answer) {
    if (answer.error) {
      done(AsyncResult<Bytes>(to_exception(answer)));
    } else if (RecordPtr data = answer.records.at(0).data) {
      done(AsyncResult<Bytes>(Bytes(std::move(data))));
    } else {
      done(AsyncResult<Bytes>(client_core::not_found(oid, snapshot)));
    }
  };
  impl_->core().submit(std::move(request));
}

// ---- writing -----------------------------------------------------------------------------------

void Transaction::store(Oid oid, std::string data) {
  impl_->check_active();
  impl_->store(internal(oid), std::make_shared<const std::string>(std::move(data)));
}

void Transaction::store(Oid oid, const Bytes& data) {
  impl_->check_active();
  static const auto kEmpty = std::make_shared<const std::string>();
  impl_->store(internal(oid), data.shared() ? data.shared() : kEmpty);
}

void Transaction::remove(Oid oid) {
  if (!find(oid)) std::rethrow_exception(client_core::not_found(internal(oid), impl_->snapshot()));
  impl_->remove(internal(oid));
}

void Transaction::read_current(Oid oid) {
  impl_->check_active();
  impl_->read_current(internal(oid));
}

Oid Transaction::new_oid() {
  impl_->check_active();
  const ::zeolite::Oid oid = impl_->core().new_oid();
  impl_->made_new(oid);
  return external(oid);
}

void Transaction::set_user(std::string user) {
  check_metadata(user);
  impl_->metadata().user = std::move(user);
}
void Transaction::set_description(std::string description) {
  check_metadata(description);
  impl_->metadata().description = std::move(description);
}
void Transaction::set_extension(std::string extension) {
  check_metadata(extension);
  impl_->metadata().extension = std::move(extension);
}

// ---- ending ------------------------------------------------------------------------------------

Tid Transaction::commit() {
  impl_->check_active();
  const Answer answer = wait_for_answer(impl_->core(), [this](Impl::Done done) {
    impl_->send(Request::Kind::commit, std::move(done));
  });
  return commit_result(answer).get();
}

void Transaction::commit_async(Callback<Tid> done) {
  impl_->check_active();
  impl_->send(Request::Kind::commit,
              [done = std::move(done)](const Answer& answer) { done(commit_result(answer)); });
}

void Transaction::abort() noexcept {
  if (impl_) impl_->abort();
}

CommitId Transaction::prepare() {
  impl_->check_active();
  const Answer answer = wait_for_answer(impl_->core(), [this](Impl::Done done) {
    impl_->send(Request::Kind::vote, std::move(done));
  });
  if (answer.error) client_core::throw_error(answer);
  if (const auto* conflicted = std::get_if<wire::Conflicted>(&answer.message)) {
    std::rethrow_exception(to_exception(*conflicted));
  }
  return external(answer.commit_id, answer.begun);
}

Tid Transaction::finish() {
  if (impl_->state() != Impl::State::prepared) {
    throw UsageError("finish() is for a transaction that prepare() has prepared");
  }
  const Answer answer = wait_for_answer(
      impl_->core(), [this](Impl::Done done) { impl_->send_finish(std::move(done)); });
  return commit_result(answer).get();
}

}  // namespace v1
}  // namespace zeolite::client
