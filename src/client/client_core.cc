#include "client/client_core.h"

#include <algorithm>
#include <future>
#include <utility>
#include <variant>

#include "client/error_mapping.h"

namespace zeolite::client_core {

namespace {

constexpr std::uint32_t kOidsAtOnceMax = 10'000;

}  // namespace

void ClientCore::check_may_block() const {
  if (!on_own_thread()) return;
  throw client::UsageError(
      "a blocking call on the client's own thread (in a callback or a coroutine without an "
      "executor) would wait for itself");
}

Answer ClientCore::call(Request request) {
  check_may_block();
  auto answered = std::make_shared<std::promise<Answer>>();
  std::future<Answer> answer = answered->get_future();
  request.done = [answered](Answer given) { answered->set_value(std::move(given)); };
  submit(std::move(request));
  return answer.get();
}

Request ClientCore::request(wire::Message message) const {
  Request request;
  request.message = std::move(message);
  request.deadline = call_deadline();
  return request;
}

ConnectionView::Deadline ClientCore::wait_deadline() const {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(call_timeout_);
}

// Nobody waits for an answer with the lock held: the thread that brings the answer may want an oid,
// too. So several threads that find none left may ask at the same time.
Oid ClientCore::new_oid() {
  if (const std::optional<Oid> oid = take_oid()) return *oid;
  const std::uint64_t history = view_.history();
  const Answer answer = call(request(wire::NewOids{next_oids_count()}));
  if (answer.error) throw_error(answer);
  const auto* oids = std::get_if<wire::Oids>(&answer.message);
  if (oids == nullptr || oids->count == 0) {
    throw client::ServerError("the server answered a request for new oids with something else");
  }
  const std::uint64_t first = oids->first.value();
  if (oids->count > 1) keep_oids({.next = first + 1, .left = oids->count - 1, .history = history});
  return Oid(first);
}

std::optional<Oid> ClientCore::take_oid() {
  const std::lock_guard lock(oids_mutex_);
  std::erase_if(oids_, [now = view_.history()](const OidRange& r) { return r.history != now; });
  if (oids_.empty()) return std::nullopt;
  OidRange& range = oids_.back();
  const Oid oid(range.next++);
  if (--range.left == 0) oids_.pop_back();
  return oid;
}

std::uint32_t ClientCore::next_oids_count() {
  const std::lock_guard lock(oids_mutex_);
  return std::exchange(oids_count_, std::min(oids_count_ * 2, kOidsAtOnceMax));
}

void ClientCore::keep_oids(OidRange range) {
  const std::lock_guard lock(oids_mutex_);
  oids_.push_back(range);
}

}  // namespace zeolite::client_core
