#include "daemon/client_connection.h"

namespace zeolite::daemon {

namespace {

// Requests of one connection that may wait for answers before its socket is no longer read.
constexpr std::size_t kPendingMax = 1024;

}  // namespace

void ClientConnection::read_ended() {
  --reads_waiting_;
  adjust_reading();
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
  const bool busy = pending() + reads_waiting_ >= kPendingMax || holds_enough() ||
                    stream().outbound() > environment_.config->outbound_bytes_max / 8;
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
