#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/time.h"
#include "storage/data_directory.h"
#include "storage/disk_space.h"
#include "storage/high_water_mark.h"
#include "storage/log_tail.h"
#include "storage/object_store.h"

namespace rocksdb {
class FileSystem;
class WriteBatch;
struct WriteOptions;
}  // namespace rocksdb

namespace zeolite::storage {

class RocksDatabase;

// Receives RocksDB's messages, warnings and worse: level 2 is a warning, 3 an error, 4 fatal.
// Called from any thread; must not call back into the store.
using StoreLogSink = std::function<void(int level, std::string_view message)>;

struct RocksStoreOptions {
  std::filesystem::path directory = {};
  bool create_if_missing = true;
  // Opens without changing anything; append answers read_only.
  bool read_only = false;
  // These two: see DataDirectory::Options.
  std::optional<Id128> cluster_id = std::nullopt;
  std::shared_ptr<const DirectoryLock> lock = nullptr;

  // Bounds the memory of the store: blocks, indexes, filters and memtables together.
  std::size_t block_cache_bytes = 256 << 20;
  // Of that, for what is not yet in table files. Opening after a crash reads about as much.
  std::size_t memtable_bytes = 32 << 20;
  // Size of the log files prepared in advance (storage/wal_file_system.h); 0 prepares none.
  std::size_t wal_file_bytes = 36 << 20;
  // Disk space kept back; empty: see DiskSpace.
  std::optional<std::uint64_t> reserve_bytes = std::nullopt;

  // How long outcomes are kept at least, in log time; at most twice as long are answered.
  Duration outcome_retention = std::chrono::hours(24);
  // How much of the end of the log has its chain checked at open: whichever is reached first.
  std::size_t chain_check_entries = 10'000;
  std::size_t chain_check_bytes = 16 << 20;

  // To fill a store that nobody is served from: no write-ahead log is written, so what was appended
  // is durable after the next sync() only. A killed process loses the newest groups, none in part.
  bool bulk_load = false;

  // Where the records live; empty: the operating system's. For fault injection.
  std::shared_ptr<rocksdb::FileSystem> file_system = nullptr;
  StoreLogSink log_sink = nullptr;
};

// The store that keeps its records in RocksDB, in a DataDirectory of its own.
//
// Opening takes a time that does not depend on the size of the database: the directory is locked,
// RocksDB replays at most a few memtables' worth of log, and the end of the log is checked against
// the high-water mark and its own chain. After a kill at any moment, everything acknowledged is
// there, and the group in flight is there whole or not at all.
//
// After an append failed, reads go on; the process should end soon and open anew, which settles
// what became of the group.
//
// Thread: as ObjectStore says. Iterators and reads hold no lock against append.
class RocksObjectStore final : public ObjectStore {
 public:
  // Errors: what DataDirectory::open says; corruption when acknowledged transactions are missing or
  // the log's chain is broken; io_error.
  [[nodiscard]] static Result<std::unique_ptr<RocksObjectStore>> open(
      const RocksStoreOptions& options);

  ~RocksObjectStore() override;

  // Changes the disk space kept back; takes effect at once.
  void set_reserve_bytes(std::uint64_t bytes);
  // Moves everything from memory to table files; for tests and before a copy is made.
  [[nodiscard]] Result<> flush();
  // Makes a copy of the database in `directory`, which is made and must not exist: hard links on
  // the same file system, and no more than what is in memory is written. Commits go on meanwhile.
  // Everything up to the position that is returned is in it, and perhaps more was not; it is
  // durable and can be opened as a database. Errors: io_error, out_of_space, corruption (the copy's
  // log).
  [[nodiscard]] Result<Position> make_checkpoint(const std::filesystem::path& directory) const;
  // Rewrites all tables; drops what is forgotten. Takes long.
  [[nodiscard]] Result<> compact();

  [[nodiscard]] Id128 cluster_id() const override;
  [[nodiscard]] Position last_position() const override;
  [[nodiscard]] Tid last_transaction() const override;
  [[nodiscard]] Oid oid_mark() const override;
  [[nodiscard]] Tid outcome_horizon() const override;
  [[nodiscard]] PackState pack_state() const override;
  [[nodiscard]] Result<Position> append(std::span<const TransactionRecord> group) override;
  [[nodiscard]] Result<Position> append_hashed(std::span<const TransactionRecord> group,
                                               std::span<const ChainHash> body_hashes) override;
  [[nodiscard]] Result<> sync() override;
  [[nodiscard]] Result<> reserve_oids(Oid mark) override;
  [[nodiscard]] Result<> rollback(const Position& to) override;
  [[nodiscard]] Result<> check_room(std::uint64_t bytes) const override;
  [[nodiscard]] Result<Loaded> load_before(Oid oid, Tid before, Tid line,
                                           ReadTier tier) const override;
  [[nodiscard]] Result<Loaded> load_serial(Oid oid, Tid tid, Tid line) const override;
  [[nodiscard]] Result<std::vector<Tid>> current_tids(std::span<const Oid> oids,
                                                      Tid line) const override;
  [[nodiscard]] Result<std::vector<ObjectRevision>> history(Oid oid, Tid line,
                                                            std::size_t count) const override;
  [[nodiscard]] Result<std::vector<CurrentObject>> next_objects(Oid from, Tid line,
                                                                std::size_t count) const override;
  [[nodiscard]] Result<std::vector<LogEntry>> read_log(Tid after, Tid until,
                                                       LogLimit limit) const override;
  [[nodiscard]] Result<std::vector<LogEntry>> read_log_back(Tid before,
                                                            LogLimit limit) const override;
  [[nodiscard]] Result<std::optional<LogEntry>> log_entry(Tid tid) const override;
  [[nodiscard]] Result<TransactionRecord> read_record(const LogEntry& entry) const override;
  [[nodiscard]] std::vector<Result<TransactionRecord>> read_records(
      std::span<const LogEntry> entries) const override;
  [[nodiscard]] Result<std::vector<bool>> present(const LogEntry& entry) const override;
  [[nodiscard]] Result<TransactionRecord> read_surviving(const LogEntry& entry) const override;
  [[nodiscard]] Result<std::vector<StoredRevision>> revisions_from(
      Oid from, std::size_t count_max) const override;
  [[nodiscard]] StoreSize size() const override;
  [[nodiscard]] Result<std::optional<Outcome>> find_outcome(const CommitId& id) const override;

 private:
  RocksObjectStore(const RocksStoreOptions& options, DataDirectory directory);

  [[nodiscard]] Result<> open_records();
  [[nodiscard]] Result<> recover_tail();
  [[nodiscard]] Result<> check_high_water_mark() const;
  [[nodiscard]] Result<> check_chain() const;
  // `body_hashes` is empty where nobody has computed them.
  [[nodiscard]] Result<Position> append_group(std::span<const TransactionRecord> group,
                                              std::span<const ChainHash> body_hashes);
  [[nodiscard]] Result<> put_revision(rocksdb::WriteBatch& batch, Tid tid,
                                      const ObjectWrite& write) const;
  [[nodiscard]] Result<> put_sorted_revisions(rocksdb::WriteBatch& batch,
                                              std::span<const TransactionRecord> group) const;
  [[nodiscard]] Result<> put_record(rocksdb::WriteBatch& batch, const TransactionRecord& record,
                                    const std::string& entry) const;
  [[nodiscard]] Result<> put_group(rocksdb::WriteBatch& batch,
                                   std::span<const TransactionRecord> group,
                                   std::span<const ChainHash> body_hashes, LogTail& tail) const;
  [[nodiscard]] Result<> check_writable(std::uint64_t bytes) const;
  [[nodiscard]] Result<> check_undo(std::uint64_t bytes);
  [[nodiscard]] Result<> undo_newest(const Position& to);
  void delete_entry(rocksdb::WriteBatch& batch, const LogEntry& entry) const;
  void publish(const LogTail& tail);
  [[nodiscard]] Result<> decode_found(Oid oid, Tid tid, ByteView value, ReadTier tier,
                                      Loaded& loaded) const;

  const RocksStoreOptions options_;
  const DataDirectory directory_;
  const SystemClock clock_;
  mutable DiskSpace space_;
  std::unique_ptr<HighWaterMark> mark_;
  std::unique_ptr<RocksDatabase> records_;
  mutable std::mutex resume_mutex_;  // one thread at a time tries to resume

  std::atomic<bool> broken_ = false;  // an append or a rollback failed
  mutable std::mutex tail_mutex_;     // guards tail_; only append changes it
  LogTail tail_;
};

}  // namespace zeolite::storage
