#include "cli/role_commands.h"

#include <string>

#include "cli/native_session.h"
#include "cli/output.h"
#include "cli/process.h"

namespace zeolite::cli {

namespace {

// A takeover by election takes its time.
constexpr Duration kRoleTimeout = std::chrono::seconds(30);
constexpr Duration kBeyondSwitchover = std::chrono::seconds(5);

template <typename M>
ExitCode change_role(std::string_view command, const Target& target, bool primary_only,
                     const M& request, Duration timeout, bool json) {
  const auto changed = [&]() -> Result<wire::RoleChanged> {
    NativeSession::Options options;
    options.primary_only = primary_only;
    ASSIGN_OR_RETURN(const auto session, NativeSession::open(target, options));
    return session->template ask<wire::RoleChanged>(request, target.timeout.value_or(timeout));
  }();
  if (!changed) {
    const ExitCode code = report_failure(command, changed.error());
    return changed.error().code == ErrorCode::conflict ? ExitCode::refused : code;
  }
  const Result<> printed = print(json ? role_changed_json(*changed) : role_changed_text(*changed));
  return printed ? ExitCode::done : report_failure(command, printed.error());
}

}  // namespace

ExitCode run_promote(const PromoteOptions& options) {
  return change_role("promote", options.target, false, wire::Promote{options.force}, kRoleTimeout,
                     options.json);
}

ExitCode run_switchover(const SwitchoverOptions& options) {
  const wire::Switchover request{options.to, options.timeout_ms};
  return change_role("switchover", options.target, true, request,
                     std::chrono::milliseconds(options.timeout_ms) + kBeyondSwitchover,
                     options.json);
}

ExitCode run_demote(const DemoteOptions& options) {
  return change_role("demote", options.target, true, wire::Demote{}, kRoleTimeout, options.json);
}

}  // namespace zeolite::cli
