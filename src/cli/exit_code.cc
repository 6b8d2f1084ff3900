#include "cli/exit_code.h"

#include <cstdio>

namespace zeolite::cli {

ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::unavailable:
    case ErrorCode::shutting_down:
      return ExitCode::unreachable;
    case ErrorCode::busy:
    case ErrorCode::too_new:
      return ExitCode::refused;
    case ErrorCode::corruption:
      return ExitCode::damage;
    case ErrorCode::timeout:
      return ExitCode::timed_out;
    case ErrorCode::not_found:
    case ErrorCode::conflict:
    case ErrorCode::read_only:
    case ErrorCode::not_primary:
    case ErrorCode::stale_epoch:
    case ErrorCode::io_error:
    case ErrorCode::protocol_error:
    case ErrorCode::invalid_argument:
    case ErrorCode::out_of_space:
    case ErrorCode::outcome_unknown:
    case ErrorCode::expired:
    case ErrorCode::aborted:
      return ExitCode::failed;
  }
  return ExitCode::failed;
}

ExitCode report_failure(std::string_view command, const Error& error) {
  std::fprintf(stderr, "zeolite %.*s: %s\n", static_cast<int>(command.size()), command.data(),
               error.detail.c_str());
  return exit_code_of(error.code);
}

}  // namespace zeolite::cli
