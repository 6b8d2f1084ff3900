// What RocksDB alone allows: one thread, synced write batches of small records, default options.
// See bench/README.md.

#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "bench/load_generator/latency_log.h"
#include "bench/load_generator/object_choice.h"

namespace zeolite::bench {
namespace {

using Clock = std::chrono::steady_clock;

Result<std::unique_ptr<rocksdb::DB>> open_new(const std::string& path) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.error_if_exists = true;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, path, &db);
  if (!status.ok()) return make_error(ErrorCode::io_error, path + ": " + status.ToString());
  return std::unique_ptr<rocksdb::DB>(db);
}

Result<> measure(const std::string& path, double seconds, std::uint64_t batch_records,
                 std::size_t record_bytes, std::uint64_t objects) {
  ASSIGN_OR_RETURN(const std::unique_ptr<rocksdb::DB> db, open_new(path));
  ObjectChoice choice(0, 1, objects, record_bytes);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  LatencyLog log;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  for (auto start = Clock::now(); start < end; start = Clock::now()) {
    rocksdb::WriteBatch batch;
    for (std::uint64_t i = 0; i < batch_records; ++i) {
      // A new key each time, as every commit makes a new revision.
      std::string key;
      put_u64(key, choice.next_oid());
      const std::string& record = choice.next_record();
      put_u64(key, choice.serial());
      batch.Put(key, record);
    }
    const rocksdb::Status status = db->Write(synced, &batch);
    if (!status.ok()) return make_error(ErrorCode::io_error, status.ToString());
    log.add(start, Clock::now());
  }
  const std::uint64_t records = log.count() * batch_records;
  std::printf(
      "{\"commits_per_s\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"acknowledged\": %llu}\n",
      static_cast<double>(records) / seconds, log.percentile_us(0.5), log.percentile_us(0.99),
      static_cast<unsigned long long>(records));
  return {};
}

int run(int argc, char** argv) {
  CLI::App app("Writes synced batches of small records to a new RocksDB and prints the rate.");
  std::string path;
  double seconds = 5;
  std::uint64_t batch_records = 16;
  std::size_t record_bytes = 300;
  std::uint64_t objects = 10'000;
  app.add_option("--data", path, "Directory to create")->required();
  app.add_option("--seconds", seconds)->check(CLI::PositiveNumber);
  app.add_option("--batch", batch_records, "Records per batch")->check(CLI::Range(1, 100'000));
  app.add_option("--size", record_bytes, "Bytes per record")->check(CLI::Range(8, 1 << 20));
  app.add_option("--objects", objects)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  const Result<> done = measure(path, seconds, batch_records, record_bytes, objects);
  if (done) return 0;
  std::cerr << "rocks_writer: " << done.error().detail << '\n';
  return 1;
}

}  // namespace
}  // namespace zeolite::bench

int main(int argc, char** argv) { return zeolite::bench::run(argc, argv); }
