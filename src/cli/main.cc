#include <cstdio>
#include <exception>
#include <string>
#include <variant>
#include <vector>

#include "cli/client_commands.h"
#include "cli/command_line.h"
#include "cli/divergence_command.h"
#include "cli/maintenance_commands.h"
#include "cli/output.h"
#include "cli/pack_command.h"
#include "cli/process.h"
#include "cli/role_commands.h"
#include "cli/serve_command.h"

namespace zeolite::cli {

namespace {

struct Run {
  ExitCode operator()(const ServeOptions& options) const { return run_serve(options); }
  ExitCode operator()(const StatusOptions& options) const { return run_status(options); }
  ExitCode operator()(const LoadOptions& options) const { return run_load(options); }
  ExitCode operator()(const LogOptions& options) const { return run_log(options); }
  ExitCode operator()(const ImportOptions& options) const { return run_import(options); }
  ExitCode operator()(const ExportOptions& options) const { return run_export(options); }
  ExitCode operator()(const VerifyOptions& options) const { return run_verify(options); }
  ExitCode operator()(const PackOptions& options) const { return run_pack(options); }
  ExitCode operator()(const PromoteOptions& options) const { return run_promote(options); }
  ExitCode operator()(const SwitchoverOptions& options) const { return run_switchover(options); }
  ExitCode operator()(const DemoteOptions& options) const { return run_demote(options); }
  ExitCode operator()(const DivergenceOptions& options) const { return run_divergence(options); }
  ExitCode operator()(const BenchOptions& options) const { return run_bench_command(options); }
  ExitCode operator()(const VersionOptions& options) const {
    const Result<> printed = print(options.json ? version_json() : version_text());
    return printed ? ExitCode::done : report_failure("version", printed.error());
  }
};

ExitCode run(std::vector<std::string> args) {
  const std::variant<Command, NoCommand> parsed = parse_command_line(std::move(args));
  if (const auto* command = std::get_if<Command>(&parsed)) return std::visit(Run{}, *command);
  const NoCommand& nothing = std::get<NoCommand>(parsed);
  std::FILE* out = nothing.exit_code == ExitCode::done ? stdout : stderr;
  std::fputs(nothing.text.c_str(), out);
  if (!nothing.text.ends_with('\n')) std::fputc('\n', out);
  return nothing.exit_code;
}

}  // namespace

}  // namespace zeolite::cli

int main(int argc, char** argv) {
  try {
    return static_cast<int>(zeolite::cli::run({argv + 1, argv + argc}));
  } catch (const std::exception& error) {
    // Only what the standard library throws for want of memory or threads gets here.
    std::fprintf(stderr, "zeolite: %s\n", error.what());
    return static_cast<int>(zeolite::cli::ExitCode::failed);
  }
}
