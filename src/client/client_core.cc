#include "client/client_core.h"

#include <algorithm>
#include <future>
#include <utility>

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

Oid ClientCore::new_oid() {
  const std::lock_guard lock(oids_mutex_);
  if (oids_left_ == 0 || oids_history_ != view_.history()) {
    const std::uint64_t history = view_.history();
    const Answer answer = call(request(wire::NewOids{oids_count_}));
    if (answer.error) throw_error(answer);
    const auto* oids = std::get_if<wire::Oids>(&answer.message);
    if (oids == nullptr || oids->count == 0) {
      throw client::ServerError("the server answered a request for new oids with something else");
    }
    oids_next_ = oids->first.value();
    oids_left_ = oids->count;
    oids_history_ = history;
    oids_count_ = std::min(oids_count_ * 2, kOidsAtOnceMax);
  }
  --oids_left_;
  return Oid(oids_next_++);
}

}  // namespace zeolite::client_core
