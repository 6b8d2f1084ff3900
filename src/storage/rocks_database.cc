#include "storage/rocks_database.h"

#include <rocksdb/listener.h>

#include <atomic>

#include "storage/rocks_options.h"
#include "storage/wal_file_system.h"

namespace zeolite::storage {

std::unexpected<Error> rocks_error(std::string_view action, const rocksdb::Status& status) {
  ErrorCode code = ErrorCode::io_error;
  if (status.IsIncomplete()) code = ErrorCode::unavailable;
  if (status.IsCorruption()) code = ErrorCode::corruption;
  return make_error(code, "cannot " + std::string(action) + ": " + status.ToString());
}

// Learns of errors in RocksDB's own threads.
class RocksDatabase::Listener final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    // The write-ahead log still has what could not be moved to tables.
    const bool in_background = reason == rocksdb::BackgroundErrorReason::kFlush ||
                               reason == rocksdb::BackgroundErrorReason::kFlushNoWAL ||
                               reason == rocksdb::BackgroundErrorReason::kCompaction;
    Health worse = in_background && error->IsNoSpace() ? Health::starved : Health::broken;
    if (error->IsCorruption()) worse = Health::damaged;
    Health now = health.load();
    while (now < worse && !health.compare_exchange_weak(now, worse)) {
    }
  }

  // In the thread that does it; see db().
  void OnFlushBegin(rocksdb::DB* /*db*/, const rocksdb::FlushJobInfo& /*job*/) override {
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  }
  void OnCompactionBegin(rocksdb::DB* /*db*/, const rocksdb::CompactionJobInfo& /*job*/) override {
    rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  }

  std::atomic<Health> health = Health::good;
};

RocksDatabase::RocksDatabase()
    : listener_(std::make_shared<Listener>()),
      horizon_(std::make_shared<std::atomic<std::uint64_t>>(0)) {}

RocksDatabase::~RocksDatabase() {
  if (db_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* const family : families_) {
    db_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  }
}

Result<std::unique_ptr<RocksDatabase>> RocksDatabase::open(
    const RocksStoreOptions& options, const std::filesystem::path& path, bool create,
    std::function<bool(std::uint64_t)> has_room) {
  std::unique_ptr<RocksDatabase> self(new RocksDatabase());
  std::shared_ptr<rocksdb::FileSystem> files =
      options.file_system ? options.file_system : rocksdb::FileSystem::Default();
  if (!options.read_only) {
    files =
        std::make_shared<WalFileSystem>(files, path, options.wal_file_bytes, std::move(has_room));
  }
  self->env_ = rocksdb::NewCompositeEnv(files);
  RocksSettings settings =
      make_rocks_settings(options, self->env_.get(), self->listener_, self->horizon_);
  // Never on records that were there: RocksDB would make a damaged directory look new, and remove
  // the tables that it does not know of.
  settings.database.create_if_missing = create && !options.read_only;
  settings.database.create_missing_column_families = settings.database.create_if_missing;
  self->memtables_ = settings.memtables;

  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      options.read_only ? rocksdb::DB::OpenForReadOnly(settings.database, path.string(),
                                                       settings.families, &self->families_, &db)
                        : rocksdb::DB::Open(settings.database, path.string(), settings.families,
                                            &self->families_, &db);
  self->db_.reset(db);
  if (status.ok()) return self;
  const bool parts_missing = status.IsInvalidArgument() || status.IsPathNotFound();
  if (!create && parts_missing) {
    return make_error(ErrorCode::corruption, "the records in " + path.string() +
                                                 " are damaged: " + status.ToString() +
                                                 "; restore them from a backup");
  }
  return rocks_error("open the records in " + path.string(), status);
}

RocksDatabase::Health RocksDatabase::health() const { return listener_->health.load(); }

Result<> RocksDatabase::resume() {
  if (health() != Health::starved) return {};
  // RocksDB itself looks for space every few seconds and answers Busy until it has gone on.
  const rocksdb::Status status = db_->Resume();
  if (!status.ok()) return rocks_error("go on writing after the disk was full", status);
  Health starved = Health::starved;
  listener_->health.compare_exchange_strong(starved, Health::good);
  return {};
}

}  // namespace zeolite::storage
