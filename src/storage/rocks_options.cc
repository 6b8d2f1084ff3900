#include "storage/rocks_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include <algorithm>

#include "storage/key_encoding.h"
#include "storage/rocks_logger.h"

namespace zeolite::storage {

namespace {

constexpr std::size_t kBlockSize = 8 * 1024;
constexpr int kOpenFilesMax = 1024;
constexpr double kBloomBitsPerKey = 10;
constexpr double kMemtableBloomShare = 0.05;
constexpr std::uint64_t kDaySeconds = 24 * 60 * 60;

rocksdb::BlockBasedTableOptions table_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = kBlockSize;
  table.format_version = 5;
  // Indexes and filters count as cache, or memory would grow with the database.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  return table;
}

rocksdb::ColumnFamilyOptions family_options(const RocksStoreOptions& options,
                                            const rocksdb::BlockBasedTableOptions& table) {
  rocksdb::ColumnFamilyOptions family;
  family.compression = rocksdb::kLZ4Compression;
  family.level_compaction_dynamic_level_bytes = true;
  family.write_buffer_size = options.memtable_bytes;
  family.max_write_buffer_number = 3;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

rocksdb::DBOptions database_options(const RocksStoreOptions& options, rocksdb::Env* env) {
  rocksdb::DBOptions database;
  database.env = env;
  // RocksDB's own log file aborts the process on a full disk.
  database.info_log = std::make_shared<RocksLogger>(options.log_sink);
  // A torn end is normal after a crash and must open; what is lost beyond that, the high-water mark
  // and the chain notice.
  database.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // Nothing repairs itself behind our back after an error: the store decides.
  database.max_bgerror_resume_count = 0;
  database.paranoid_checks = true;
  // All families are flushed together, so that a log entry and its revisions are recovered, or
  // lost, together.
  database.atomic_flush = true;
  // Zero is what keeps holes out of the log; every append is synced anyway.
  database.wal_bytes_per_sync = 0;
  database.manual_wal_flush = false;
  database.unordered_write = false;
  database.enable_pipelined_write = false;
  database.two_write_queues = false;
  // Bounds what opening after a crash has to read.
  database.max_total_wal_size = 4 * options.memtable_bytes;
  database.max_open_files = kOpenFilesMax;
  database.stats_dump_period_sec = 0;
  database.stats_persist_period_sec = 0;
  database.avoid_unnecessary_blocking_io = true;
  database.max_background_jobs = 3;
  database.bytes_per_sync = 1 << 20;  // table files only: smooths their writing
  return database;
}

}  // namespace

RocksSettings make_rocks_settings(const RocksStoreOptions& options, rocksdb::Env* env,
                                  const std::shared_ptr<rocksdb::EventListener>& listener,
                                  const SharedHorizon& horizon) {
  const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  RocksSettings settings;
  settings.memtables = std::make_shared<rocksdb::WriteBufferManager>(options.memtable_bytes, cache);
  settings.database = database_options(options, env);
  settings.database.write_buffer_manager = settings.memtables;
  settings.database.listeners.push_back(listener);

  const rocksdb::BlockBasedTableOptions table = table_options(cache);
  const rocksdb::ColumnFamilyOptions plain = family_options(options, table);

  rocksdb::BlockBasedTableOptions prefix_table = table;
  prefix_table.whole_key_filtering = false;
  rocksdb::ColumnFamilyOptions revisions = family_options(options, prefix_table);
  revisions.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(kOidPrefixSize));
  if (options.bulk_load) {
    // Each group comes sorted: where the last one went is near.
    revisions.memtable_insert_with_hint_prefix_extractor.reset(
        rocksdb::NewCappedPrefixTransform(0));
  }

  // Log keys only grow: remembering where the last one went makes an insertion a step, not a
  // search.
  rocksdb::ColumnFamilyOptions log = plain;
  log.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewCappedPrefixTransform(0));

  rocksdb::ColumnFamilyOptions outcomes = plain;
  // Nearly every commit asks for an outcome that is not there.
  outcomes.memtable_prefix_bloom_size_ratio = kMemtableBloomShare;
  outcomes.memtable_whole_key_filtering = true;
  // A session's numbers only grow.
  outcomes.memtable_insert_with_hint_prefix_extractor.reset(
      rocksdb::NewFixedPrefixTransform(sizeof(SessionId)));
  outcomes.compaction_filter_factory = std::make_shared<OutcomeFilterFactory>(horizon);
  // Also forgets where nothing is written any more.
  outcomes.periodic_compaction_seconds = kDaySeconds;

  settings.families = {{std::string(kMetaFamily), plain},
                       {std::string(kLogFamily), log},
                       {std::string(kRevisionsFamily), revisions},
                       {std::string(kOutcomesFamily), outcomes}};
  return settings;
}

}  // namespace zeolite::storage
