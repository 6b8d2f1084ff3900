#include "cli/native_session.h"

#include <random>

#include "base/check.h"

namespace zeolite::cli {

namespace {

std::string hint(const Target& target, ErrorCode code) {
  if (code != ErrorCode::unavailable) return {};
  return target.at.size() == 1 ? "; is the server running there?" : "; is one of them running?";
}

}  // namespace

NativeSession::NativeSession(Duration timeout)
    : timeout_(timeout), shard_(std::make_unique<net::IoShard>("native-session")) {}

NativeSession::~NativeSession() {
  if (!link_) return;
  shard_->run([this] { link_->shut(); });
}

Result<std::unique_ptr<NativeSession>> NativeSession::open(const Target& target,
                                                           const Options& options) {
  const Duration timeout = target.timeout.value_or(options.default_timeout);
  std::unique_ptr<NativeSession> session(new NativeSession(timeout));
  ASSIGN_OR_RETURN(std::vector<ServerAddress> addresses, resolve_all(*session->shard_, target.at));
  ClientLink::Options link{.addresses = std::move(addresses),
                           .attempt_timeout = timeout,
                           .primary_only = options.primary_only,
                           .hello = {}};
  link.hello.storage = target.storage;
  link.hello.label = "zeolite command line";
  link.hello.wants_invalidations = options.wants_invalidations;
  if (options.session) {
    link.hello.session = *options.session;
  } else {
    std::random_device random;
    for (std::uint8_t& byte : link.hello.session) byte = static_cast<std::uint8_t>(random());
  }
  session->link_ = std::make_shared<ClientLink>(*session->shard_, std::move(link),
                                                static_cast<ClientLink::Owner&>(*session));
  session->shard_->post([&s = *session] { s.link_->connect(); });

  // The link has a timeout of its own for each attempt, so this ends.
  std::unique_lock lock(session->mutex_);
  session->changed_.wait(lock, [&] { return session->ready_ || session->down_.has_value(); });
  if (session->down_) {
    Error error = *session->down_;
    error.detail += hint(target, error.code);
    return std::unexpected(std::move(error));
  }
  lock.unlock();
  return session;
}

std::uint32_t NativeSession::begin_request() {
  const std::lock_guard lock(mutex_);
  // Id 0 is for what nobody asked for.
  if (++last_id_ == 0) ++last_id_;
  under_way_[last_id_].reset();
  return last_id_;
}

Result<wire::Message> NativeSession::wait_reply(std::uint32_t id, Duration timeout) {
  std::unique_lock lock(mutex_);
  const auto request = under_way_.find(id);
  CHECK(request != under_way_.end(), "a request that was started, and finished once");
  const bool answered = changed_.wait_for(
      lock, timeout, [&] { return request->second.has_value() || down_.has_value(); });
  std::optional<wire::Message> reply = std::move(request->second);
  under_way_.erase(request);
  if (reply) return std::move(*reply);
  if (!answered) return make_error(ErrorCode::timeout, "the server did not answer in time");
  return std::unexpected(*down_);
}

Result<Tid> NativeSession::wait_for_news(Tid seen) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return news_ > seen || down_.has_value(); });
  if (news_ > seen) return news_;
  return std::unexpected(*down_);
}

void NativeSession::on_ready(const wire::Welcome& welcome) {
  const std::lock_guard lock(mutex_);
  welcome_ = welcome;
  news_ = welcome.visible.tid;
  ready_ = true;
  changed_.notify_all();
}

void NativeSession::on_message(std::uint32_t request_id, wire::Message message) {
  const std::lock_guard lock(mutex_);
  if (const auto* invalidate = std::get_if<wire::Invalidate>(&message)) {
    if (invalidate->last) news_ = invalidate->tid;
  } else if (const auto request = under_way_.find(request_id); request != under_way_.end()) {
    request->second = std::move(message);
  }
  changed_.notify_all();
}

void NativeSession::on_down(const Error& why) {
  const std::lock_guard lock(mutex_);
  down_ = why;
  changed_.notify_all();
}

}  // namespace zeolite::cli
