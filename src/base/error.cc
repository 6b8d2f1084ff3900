#include "base/error.h"

namespace zeolite {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::conflict:
      return "conflict";
    case ErrorCode::read_only:
      return "read_only";
    case ErrorCode::not_primary:
      return "not_primary";
    case ErrorCode::stale_epoch:
      return "stale_epoch";
    case ErrorCode::timeout:
      return "timeout";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::corruption:
      return "corruption";
    case ErrorCode::io_error:
      return "io_error";
    case ErrorCode::protocol_error:
      return "protocol_error";
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::shutting_down:
      return "shutting_down";
    case ErrorCode::out_of_space:
      return "out_of_space";
    case ErrorCode::outcome_unknown:
      return "outcome_unknown";
    case ErrorCode::expired:
      return "expired";
    case ErrorCode::aborted:
      return "aborted";
    case ErrorCode::busy:
      return "busy";
    case ErrorCode::too_new:
      return "too_new";
  }
  return "unknown_error";
}

std::string Error::to_string() const {
  return std::string(zeolite::to_string(code)) + ": " + detail;
}

Error Error::prefixed(std::string_view prefix) && {
  return Error{code, std::string(prefix) + ": " + detail};
}

}  // namespace zeolite
