#include "maintenance/export_filestorage.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "filestorage/file_storage_writer.h"
#include "storage/file_descriptor.h"

namespace zeolite::maintenance {
namespace {

using filestorage::FileStorageWriter;

constexpr std::uint64_t kProgressBytes = std::uint64_t{1} << 20;

std::filesystem::path with_suffix(std::filesystem::path path, std::string_view suffix) {
  path += suffix;
  return path;
}

// The place of the file to be written, and the files that ZODB keeps beside it.
class Target {
 public:
  explicit Target(const std::filesystem::path& path)
      : path_(path),
        part_(with_suffix(path, ".part")),
        index_(with_suffix(path, ".index")),
        lock_(with_suffix(path, ".lock")) {}

  [[nodiscard]] const std::filesystem::path& part() const { return part_; }

  [[nodiscard]] Result<> check_free(bool overwrite) const {
    if (overwrite) return check_not_in_use();
    for (const std::filesystem::path& path : {path_, index_}) {
      std::error_code ignored;
      if (std::filesystem::exists(std::filesystem::symlink_status(path, ignored))) {
        return make_error(ErrorCode::conflict,
                          path.string() + " is there; give another path, or --force to replace it");
      }
    }
    return {};
  }

  // The part becomes the file.
  [[nodiscard]] Result<> replace(bool overwrite) const {
    RETURN_IF_ERROR(check_free(overwrite));
    std::error_code error;
    if (overwrite) std::filesystem::remove(index_, error);
    if (!error) std::filesystem::rename(part_, path_, error);
    if (error) return storage::system_error("replace", path_, error.value());
    const std::filesystem::path directory = path_.parent_path();
    return storage::sync_directory(directory.empty() ? "." : directory);
  }

  void remove_part() const {
    std::error_code ignored;
    std::filesystem::remove(part_, ignored);
  }

 private:
  // ZODB holds a lock on a file beside the database for as long as it has it open.
  [[nodiscard]] Result<> check_not_in_use() const {
    const storage::FileDescriptor lock(::open(lock_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!lock.is_open() || ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return {};
    return make_error(ErrorCode::busy, path_.string() + " is open in ZODB (" + lock_.string() +
                                           " is locked); stop it, or give another path");
  }

  const std::filesystem::path path_, part_, index_, lock_;
};

class Exporter {
 public:
  Exporter(TransactionSource& source, FileStorageWriter& writer, const ExportOptions& options)
      : source_(source), writer_(writer), options_(options) {}

  Result<> run() {
    const auto load = [this](Oid oid, Tid tid) { return source_.load(oid, tid); };
    while (true) {
      if (options_.cancelled != nullptr && options_.cancelled->load()) {
        return make_error(ErrorCode::aborted, "cancelled");
      }
      ASSIGN_OR_RETURN(const std::optional<TransactionRecord> record, source_.next());
      if (!record) break;
      RETURN_IF_ERROR(writer_.write(*record, load));
      RETURN_IF_ERROR(export_blobs(*record));
      if (first_.is_zero()) first_ = record->tid;
      last_ = record->tid;
      if (writer_.size() - told_at_ >= kProgressBytes) tell_progress(last_);
    }
    RETURN_IF_ERROR(writer_.finish());
    if (options_.blob_export != nullptr) RETURN_IF_ERROR(options_.blob_export->finish());
    tell_progress(source_.until());
    return {};
  }

  [[nodiscard]] ExportReport report() const {
    const filestorage::WriteCounts& counts = writer_.counts();
    return {.transactions = counts.transactions,
            .records = counts.records,
            .data_bytes = counts.data_bytes,
            .back_pointers = counts.back_pointers,
            .blobs = options_.blob_export != nullptr ? options_.blob_export->blobs() : 0,
            .blob_bytes = options_.blob_export != nullptr ? options_.blob_export->bytes() : 0,
            .blobs_left_out = blobs_left_out_,
            .file_bytes = writer_.size(),
            .packed_records = source_.packed_records(),
            .last_tid = last_};
  }

 private:
  Result<> export_blobs(const TransactionRecord& record) {
    for (const ObjectWrite& write : record.writes) {
      if (!write.blob) continue;
      if (options_.blob_export == nullptr) {
        ++blobs_left_out_;
        continue;
      }
      RETURN_IF_ERROR(options_.blob_directory != nullptr
                          ? options_.blob_export->add(*options_.blob_directory, write.oid,
                                                      record.tid, *write.blob)
                          : options_.blob_export->fetch(options_.blob_reader, write.oid, record.tid,
                                                        *write.blob));
    }
    return {};
  }

  void tell_progress(Tid reached) {
    told_at_ = writer_.size();
    if (!options_.progress) return;
    options_.progress({writer_.size(), first_, reached, source_.until()});
  }

  TransactionSource& source_;
  FileStorageWriter& writer_;
  const ExportOptions& options_;
  std::uint64_t blobs_left_out_ = 0;
  Tid first_;
  Tid last_;
  std::uint64_t told_at_ = 0;
};

}  // namespace

Result<ExportReport> export_filestorage(TransactionSource& source,
                                        const std::filesystem::path& path,
                                        const ExportOptions& options) {
  const bool from = options.blob_directory != nullptr || options.blob_reader != nullptr;
  CHECK(from == (options.blob_export != nullptr), "blobs go from somewhere to somewhere");
  const Target target(path);
  RETURN_IF_ERROR(target.check_free(options.overwrite));
  // Lives until the rename: it holds the lock on the part.
  ASSIGN_OR_RETURN(FileStorageWriter writer,
                   FileStorageWriter::create(target.part(), options.magic));
  Exporter exporter(source, writer, options);
  Result<> result = exporter.run();
  if (result) result = target.replace(options.overwrite);
  if (!result) {
    target.remove_part();
    return std::unexpected(std::move(result).error());
  }
  return exporter.report();
}

}  // namespace zeolite::maintenance
