#include "cli/client_commands.h"

#include <cstdio>
#include <memory>
#include <string>

#include "cli/load_generator.h"
#include "cli/native_session.h"
#include "cli/output.h"
#include "cli/process.h"

namespace zeolite::cli {

namespace {

// Why there is nothing to print.
Error not_loaded(const LoadOptions& options, const wire::Loaded& loaded) {
  const std::string object = "object " + to_hex(options.oid);
  const bool current = options.before == kMaxTid;
  const std::string when = current ? "" : " before " + to_hex(options.before);
  switch (loaded.status) {
    case wire::LoadedStatus::deleted:
      return {ErrorCode::not_found, object + " was deleted by " + to_hex(loaded.tid)};
    case wire::LoadedStatus::not_yet:
      return {ErrorCode::not_found, object + " did not exist yet" + when};
    case wire::LoadedStatus::found:
    case wire::LoadedStatus::unknown:
      break;
  }
  return {ErrorCode::not_found, object + " does not exist" + when};
}

// Prints the log up to the server's line; returns where it ended.
Result<Tid> print_log(NativeSession& session, Tid after, bool json) {
  while (true) {
    ASSIGN_OR_RETURN(const wire::LogReply reply,
                     session.ask<wire::LogReply>(wire::ReadLog{.after = after}));
    for (const wire::LogReply::Item& item : reply.items) {
      RETURN_IF_ERROR(print(json ? log_json(item) : log_text(item)));
    }
    if (reply.next_after <= after && !reply.end) {
      return make_error(ErrorCode::protocol_error, "the server's log does not go on");
    }
    after = std::max(after, reply.next_after);
    if (reply.end) return after;
  }
}

Result<> status(const StatusOptions& options) {
  ASSIGN_OR_RETURN(const auto session, NativeSession::open(options.target, {}));
  ASSIGN_OR_RETURN(const wire::StatusReport report,
                   session->ask<wire::StatusReport>(wire::StatusQuery{}));
  return print(options.json ? status_json(report) : status_text(report));
}

Result<> load(const LoadOptions& options) {
  ASSIGN_OR_RETURN(const auto session, NativeSession::open(options.target, {}));
  ASSIGN_OR_RETURN(const wire::Loaded loaded,
                   session->ask<wire::Loaded>(wire::Load{options.oid, options.before}));
  if (loaded.status != wire::LoadedStatus::found) {
    return std::unexpected(not_loaded(options, loaded));
  }
  if (options.json) return print(loaded_json(options.oid, loaded));
  return print(loaded.data.view());
}

Result<> log(const LogOptions& options) {
  ASSIGN_OR_RETURN(const auto session,
                   NativeSession::open(options.target, {.wants_invalidations = options.follow}));
  Tid after = options.since;
  Tid news = session->welcome().visible.tid;
  while (true) {
    ASSIGN_OR_RETURN(after, print_log(*session, after, options.json));
    if (!options.follow) return {};
    ASSIGN_OR_RETURN(news, session->wait_for_news(news));
  }
}

Result<> check_open_files(const BenchOptions& options) {
  constexpr std::uint64_t kFilesBesideClients = 32;
  const std::uint64_t allowed = raise_open_files_limit();
  if (options.clients + kFilesBesideClients <= allowed) return {};
  return make_error(ErrorCode::invalid_argument,
                    "--clients " + std::to_string(options.clients) + " needs " +
                        std::to_string(options.clients + kFilesBesideClients) +
                        " open files, but the system allows this process " +
                        std::to_string(allowed) + "; raise the limit (ulimit -n) or take fewer");
}

Result<ExitCode> bench(const BenchOptions& options) {
  RETURN_IF_ERROR(check_open_files(options));
  ASSIGN_OR_RETURN(const BenchReport report, run_bench(options));
  RETURN_IF_ERROR(print(options.json ? bench_json(report) : bench_text(report)));
  if (report.silence) return std::unexpected(*report.silence);
  if (report.acknowledged() > 0) return ExitCode::done;
  std::string why = "nothing was acknowledged";
  if (!report.last_error.empty()) {
    why += ": " + report.last_error;
  } else if (report.conflicts == 0) {
    why += " within --seconds; give it more";
  }
  return make_error(ErrorCode::aborted, std::move(why));
}

ExitCode finish(std::string_view command, const Result<>& result) {
  return result ? ExitCode::done : report_failure(command, result.error());
}

}  // namespace

ExitCode run_status(const StatusOptions& options) { return finish("status", status(options)); }

ExitCode run_load(const LoadOptions& options) { return finish("load", load(options)); }

ExitCode run_log(const LogOptions& options) { return finish("log", log(options)); }

ExitCode run_bench_command(const BenchOptions& options) {
  const Result<ExitCode> result = bench(options);
  return result ? *result : report_failure("bench", result.error());
}

}  // namespace zeolite::cli
