#include "cli/maintenance_commands.h"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "blobs/blob_directory.h"
#include "blobs/blob_export.h"
#include "blobs/recovery.h"
#include "blobs/zodb_blob_files.h"
#include "cli/native_session.h"
#include "cli/output.h"
#include "cli/process.h"
#include "cli/progress.h"
#include "cli/server_transactions.h"
#include "daemon/read_service.h"
#include "maintenance/export_filestorage.h"
#include "maintenance/import_filestorage.h"
#include "maintenance/store_transactions.h"
#include "maintenance/verify_store.h"
#include "storage/rocks_object_store.h"

namespace zeolite::cli {

namespace {

// Verifying a large database takes hours; the server is watched by the connection, not by a clock.
constexpr Duration kVerifyTimeout = std::chrono::hours(24 * 30);

// Larger than a server's: what is flushed in larger pieces is rewritten less often.
constexpr std::size_t kImportMemtableBytes = std::size_t{128} << 20;

// The store to import into. A dry run makes none where there is none: null.
Result<std::unique_ptr<storage::RocksObjectStore>> open_for_import(const ImportOptions& options) {
  if (!options.data || (options.dry_run && !std::filesystem::exists(*options.data))) {
    return nullptr;
  }
  storage::RocksStoreOptions store;
  store.directory = *options.data;
  store.create_if_missing = !options.dry_run;
  store.read_only = options.dry_run;
  store.memtable_bytes = kImportMemtableBytes;
  store.bulk_load = true;
  store.wal_file_bytes = 0;  // it writes none
  return storage::RocksObjectStore::open(store);
}

// The blob directory of a store that is open for this process alone.
Result<std::unique_ptr<blobs::BlobDirectory>> open_blobs(const std::filesystem::path& data,
                                                         const storage::ObjectStore& store) {
  blobs::BlobDirectoryOptions options;
  options.path = data / "blobs";
  options.cluster_id = store.cluster_id();
  ASSIGN_OR_RETURN(auto directory, blobs::BlobDirectory::open(std::move(options)));
  RETURN_IF_ERROR(blobs::recover(*directory, store));
  return directory;
}

Result<> import(const ImportOptions& options) {
  // Before a directory is made for it.
  RETURN_IF_ERROR(maintenance::check_importable(options.source));
  Progress progress(Progress::style_for(options.json), "import", "B");
  maintenance::ImportOptions import;
  import.dry_run = options.dry_run;
  import.incremental = options.incremental;
  import.cancelled = &cancel_on_signal();
  import.progress = [&](const maintenance::ImportProgress& p) {
    progress.update(p.bytes_done, p.bytes_total);
  };
  std::optional<blobs::ZodbBlobFiles> blob_files;
  if (options.blobs) {
    ASSIGN_OR_RETURN(blob_files, blobs::ZodbBlobFiles::open(*options.blobs));
    import.blob_files = &*blob_files;
    import.allow_missing_blobs = options.allow_missing_blobs;
  }
  ASSIGN_OR_RETURN(const auto store, open_for_import(options));
  std::unique_ptr<blobs::BlobDirectory> blobs;
  if (blob_files && !options.dry_run) {
    ASSIGN_OR_RETURN(blobs, open_blobs(*options.data, *store));
    import.blob_directory = blobs.get();
  }
  Result<maintenance::ImportReport> report =
      maintenance::import_filestorage(options.source, store.get(), import);
  progress.clear();
  RETURN_IF_ERROR(report);
  return print(options.json ? import_json(*report, options.dry_run)
                            : import_text(*report, options.dry_run));
}

Result<std::unique_ptr<storage::RocksObjectStore>> open_for_reading(
    const std::filesystem::path& directory) {
  if (!std::filesystem::exists(directory)) {
    return make_error(ErrorCode::not_found, "there is no directory " + directory.string());
  }
  storage::RocksStoreOptions options;
  options.directory = directory;
  options.create_if_missing = false;
  options.read_only = true;
  return storage::RocksObjectStore::open(options);
}

Result<maintenance::ExportReport> export_from(maintenance::TransactionSource& source,
                                              const ExportOptions& options,
                                              maintenance::ExportOptions how) {
  Progress progress(Progress::style_for(options.json), "export", "B");
  how.overwrite = options.force;
  if (options.python2) how.magic = filestorage::kMagicPython2;
  how.cancelled = &cancel_on_signal();
  // How long the file will be is not known; the tids tell how far it is.
  how.progress = [&](const maintenance::ExportProgress& p) {
    progress.update_part(p.bytes, p.tid.value() - p.first.value(),
                         p.until.value() - p.first.value());
  };
  return maintenance::export_filestorage(source, options.destination, how);
}

Result<maintenance::ExportReport> export_directory(const ExportOptions& options) {
  ASSIGN_OR_RETURN(const auto store, open_for_reading(*options.data));
  maintenance::StoreTransactions transactions(*store);
  if (!options.blobs) return export_from(transactions, options, {});
  ASSIGN_OR_RETURN(const auto directory, open_blobs(*options.data, *store));
  ASSIGN_OR_RETURN(blobs::BlobExport blob_export, blobs::BlobExport::open(*options.blobs));
  maintenance::ExportOptions how;
  how.blob_directory = directory.get();
  how.blob_export = &blob_export;
  return export_from(transactions, options, std::move(how));
}

Result<maintenance::ExportReport> export_server(const ExportOptions& options) {
  ASSIGN_OR_RETURN(const auto session, NativeSession::open(options.target, {}));
  ServerTransactions transactions(*session);
  if (!options.blobs) return export_from(transactions, options, {});
  ASSIGN_OR_RETURN(blobs::BlobExport blob_export, blobs::BlobExport::open(*options.blobs));
  maintenance::ExportOptions how;
  how.blob_export = &blob_export;
  how.blob_reader = [&transactions](Oid oid, Tid tid, std::uint64_t offset) {
    return transactions.load_blob(oid, tid, offset);
  };
  return export_from(transactions, options, std::move(how));
}

Result<> export_all(const ExportOptions& options) {
  ASSIGN_OR_RETURN(const maintenance::ExportReport report,
                   options.data ? export_directory(options) : export_server(options));
  return print(options.json ? export_json(report) : export_text(report));
}

// Looks at the files of the blobs of `data`, which nobody else has open.
Result<decltype(maintenance::VerifyOptions::check_blob)> blob_check(
    const std::filesystem::path& data) {
  std::shared_ptr<blobs::BlobDirectory> directory;
  if (std::filesystem::exists(data / "blobs")) {
    ASSIGN_OR_RETURN(directory,
                     blobs::BlobDirectory::open({.path = data / "blobs", .read_only = true}));
  }
  return [directory, data](Oid oid, Tid tid, const BlobInfo& info) -> Result<> {
    if (directory) return directory->verify(oid, tid, info, &cancel_on_signal());
    return make_error(ErrorCode::not_found, "the blob of object " + to_hex(oid) + " at " +
                                                to_hex(tid) + " is missing, with all of " +
                                                (data / "blobs").string());
  };
}

Result<wire::VerifyReport> verify_directory(const VerifyOptions& options) {
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
  ASSIGN_OR_RETURN(const auto store, open_for_reading(*options.data));
  ASSIGN_OR_RETURN(verify.check_blob, blob_check(*options.data));
  Result<maintenance::VerifyReport> report = maintenance::verify_store(*store, verify);
  progress.clear();
  RETURN_IF_ERROR(report);
  return daemon::to_wire(*std::move(report));
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

// Of a copy. A conflict is with what is in the place that it should go to.
ExitCode finish(std::string_view command, const Result<>& result) {
  if (result) return ExitCode::done;
  const ExitCode code = report_failure(command, result.error());
  return result.error().code == ErrorCode::conflict ? ExitCode::refused : code;
}

}  // namespace

ExitCode run_import(const ImportOptions& options) { return finish("import", import(options)); }

ExitCode run_export(const ExportOptions& options) { return finish("export", export_all(options)); }

ExitCode run_verify(const VerifyOptions& options) {
  const Result<ExitCode> result = verify(options);
  return result ? *result : report_failure("verify", result.error());
}

}  // namespace zeolite::cli
