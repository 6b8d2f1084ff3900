#include "daemon/client_connection.h"

#include <utility>

namespace zeolite::daemon {

namespace {

// Requests of one connection that may wait for answers before its socket is no longer read.
constexpr std::size_t kPendingMax = 1024;

}  // namespace

void ClientConnection::read_ended(std::size_t room) {
  --reads_waiting_;
  // The answer is output now: counted there before it is not counted here.
  room_.set_unsent(stream().closed() ? 0 : stream().outbound());
  room_.give_back(room);
  resume_one();
  adjust_reading();
}

void ClientConnection::when_room(std::function<void()> resume) {
  waiting_for_room_.push_back(std::move(resume));
  crowded_.store(true);
  // Else what is under way, or unsent, has an end that resumes it.
  if (stream().closed() || room_.empty()) resume_one();
}

void ClientConnection::resume_one() {
  if (waiting_for_room_.empty()) return;
  const std::function<void()> resume = std::move(waiting_for_room_.front());
  waiting_for_room_.pop_front();
  crowded_.store(!waiting_for_room_.empty());
  resume();
}

void ClientConnection::output_gone() {
  room_.set_unsent(0);
  if (stream().closed()) {
    room_.lift();
    while (!waiting_for_room_.empty()) resume_one();
    return;
  }
  resume_one();
  if (reading_paused_) adjust_reading();
}

std::optional<Error> ClientConnection::why_silent() const {
  const ServingLimits* const limits = environment_.limits;
  if (limits == nullptr || !limits->bounded()) return std::nullopt;
  if (limits->may_serve(environment_.clock->now().instant)) return std::nullopt;
  return Error{ErrorCode::not_primary,
               "this server has not confirmed in time that it is still the primary"};
}

void ClientConnection::adjust_reading() {
  if (stream().closed()) return;
  room_.set_unsent(stream().outbound());
  const bool busy =
      pending() + reads_waiting_ >= kPendingMax || holds_enough() ||
      stream().outbound() + room_.taken() > environment_.config->outbound_bytes_max / 8;
  if (busy == reading_paused_) return;
  reading_paused_ = busy;
  if (busy) {
    stream().pause_reading();
  } else {
    stream().resume_reading();
  }
}

void ClientConnection::log_end(const std::string& who, bool attached, const Error& why) const {
  // Connect-and-close probes are not worth a line.
  if (!attached && why.code != ErrorCode::protocol_error) return;
  const bool offence = why.code == ErrorCode::protocol_error || why.code == ErrorCode::timeout;
  environment_.log(offence ? LogLevel::warning : LogLevel::debug, who + " closed: " + why.detail);
}

}  // namespace zeolite::daemon
