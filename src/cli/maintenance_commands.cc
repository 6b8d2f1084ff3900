#include "cli/maintenance_commands.h"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cli/native_session.h"
#include "cli/output.h"
#include "cli/process.h"
#include "cli/progress.h"
#include "maintenance/import_filestorage.h"
#include "maintenance/verify_store.h"
#include "storage/rocks_object_store.h"

namespace zeolite::cli {

namespace {

// Verifying a large database takes hours; the server is watched by the connection, not by a clock.
constexpr Duration kVerifyTimeout = std::chrono::hours(24 * 30);

// The store to import into. A dry run makes none where there is none: null.
Result<std::unique_ptr<storage::RocksObjectStore>> open_for_import(const ImportOptions& options) {
  if (!options.data || (options.dry_run && !std::filesystem::exists(*options.data))) {
    return nullptr;
  }
  storage::RocksStoreOptions store;
  store.directory = *options.data;
  store.create_if_missing = !options.dry_run;
  store.read_only = options.dry_run;
  return storage::RocksObjectStore::open(store);
}

Result<> import(const ImportOptions& options) {
  // Before a directory is made for it.
  if (!std::filesystem::exists(options.source)) {
    return make_error(ErrorCode::not_found, "there is no file " + options.source.string());
  }
  Progress progress(Progress::style_for(options.json), "import", "B");
  maintenance::ImportOptions import;
  import.dry_run = options.dry_run;
  import.incremental = options.incremental;
  import.cancelled = &cancel_on_signal();
  import.progress = [&](const maintenance::ImportProgress& p) {
    progress.update(p.bytes_done, p.bytes_total);
  };
  ASSIGN_OR_RETURN(const auto store, open_for_import(options));
  Result<maintenance::ImportReport> report =
      maintenance::import_filestorage(options.source, store.get(), import);
  progress.clear();
  RETURN_IF_ERROR(report);
  return print(options.json ? import_json(*report, options.dry_run)
                            : import_text(*report, options.dry_run));
}

Result<wire::VerifyReport> verify_directory(const VerifyOptions& options) {
  if (!std::filesystem::exists(*options.data)) {
    return make_error(ErrorCode::not_found, "there is no directory " + options.data->string());
  }
  Progress progress(Progress::style_for(options.json), "verify", "transactions");
  maintenance::VerifyOptions verify;
  verify.cancelled = &cancel_on_signal();
  // How many there will be is not known; the tids tell how far the walk is.
  std::optional<Tid> first;
  verify.progress = [&](const maintenance::VerifyProgress& p) {
    if (!first) first = p.tid;
    progress.update_part(p.transactions, p.tid.value() - first->value(),
                         p.until.value() - first->value());
  };
  storage::RocksStoreOptions store_options;
  store_options.directory = *options.data;
  store_options.create_if_missing = false;
  store_options.read_only = true;
  ASSIGN_OR_RETURN(const auto store, storage::RocksObjectStore::open(store_options));
  Result<maintenance::VerifyReport> report = maintenance::verify_store(*store, verify);
  progress.clear();
  RETURN_IF_ERROR(report);
  wire::VerifyReport result{.transactions = report->transactions,
                            .revisions = report->revisions,
                            .blobs = report->blobs,
                            .digest = std::move(report->digest),
                            .problems = std::move(report->problems)};
  if (report->problem_count > result.problems.size()) {
    result.problems.push_back(
        "and " + std::to_string(report->problem_count - result.problems.size()) + " more");
  }
  return result;
}

Result<wire::VerifyReport> verify_server(const VerifyOptions& options) {
  ASSIGN_OR_RETURN(const auto session, NativeSession::open(options.target, {}));
  return session->ask<wire::VerifyReport>(wire::Verify{},
                                          options.target.timeout.value_or(kVerifyTimeout));
}

Result<ExitCode> verify(const VerifyOptions& options) {
  ASSIGN_OR_RETURN(const wire::VerifyReport report,
                   options.data ? verify_directory(options) : verify_server(options));
  RETURN_IF_ERROR(print(options.json ? verify_json(report) : verify_text(report)));
  return report.problems.empty() ? ExitCode::done : ExitCode::damage;
}

}  // namespace

ExitCode run_import(const ImportOptions& options) {
  const Result<> result = import(options);
  return result ? ExitCode::done : report_failure("import", result.error());
}

ExitCode run_verify(const VerifyOptions& options) {
  const Result<ExitCode> result = verify(options);
  return result ? *result : report_failure("verify", result.error());
}

}  // namespace zeolite::cli
