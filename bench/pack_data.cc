// A database to pack, half of which goes: see bench/README.md.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/tid_time.h"
#include "storage/record_codec.h"
#include "storage/rocks_object_store.h"

namespace zeolite::bench {
namespace {

constexpr std::uint64_t kChildren = 100;
constexpr std::size_t kObjectsInTransaction = 10;
constexpr std::size_t kTransactionsInGroup = 100;
constexpr std::size_t kTextBytes = 240;
// From one transaction to the next, in the past.
constexpr std::int64_t kStepUs = 250'000;
constexpr std::int64_t kBeginUs = 1'600'000'000'000'000;

// As ZODB writes them with pickle protocol 2.
std::string zodb_record(std::string_view text, std::span<const Oid> children) {
  std::string record =
      "\x80\x02"
      "cpersistent.mapping\nPersistentMapping\n.\x80\x02(U";
  record += static_cast<char>(text.size());
  record += text;
  for (const Oid oid : children) {
    record += "U\x08";
    put_oid(record, oid);
    record += "cmodule\nClass\n\x86Q";
  }
  return record + "t.";
}

// Three objects in a row: two of a tree that hangs on the root, and one that nothing refers to. A
// quarter of the tree is written three times, the others once.
class Filler {
 public:
  Filler(storage::ObjectStore& store, std::uint64_t revisions)
      : store_(store), tree_(revisions / 2), tids_(tree_ / 2 * 3) {}

  Result<> run() {
    for (std::uint64_t i = 0; i < tids_.size(); ++i) RETURN_IF_ERROR(write(Oid(i)));
    std::uniform_int_distribution<std::uint64_t> any(0, tree_ / 4 - 1);
    for (std::uint64_t round = 0; round < 2; ++round) {
      std::vector<std::uint64_t> order(tree_ / 4);
      for (std::uint64_t i = 0; i < order.size(); ++i) order[i] = i * 4 + 3;
      std::ranges::shuffle(order, random_);
      for (const std::uint64_t i : order) RETURN_IF_ERROR(write(oid_of(i)));
    }
    return flush();
  }

 private:
  static Oid oid_of(std::uint64_t in_tree) { return Oid(in_tree / 2 * 3 + in_tree % 2); }

  Result<> write(Oid oid) {
    std::vector<Oid> children;
    const bool in_tree = oid.value() % 3 != 2;
    const std::uint64_t index = oid.value() / 3 * 2 + oid.value() % 3;
    for (std::uint64_t i = 1; in_tree && i <= kChildren; ++i) {
      if (const std::uint64_t child = index * kChildren + i; child < tree_) {
        children.push_back(oid_of(child));
      }
    }
    if (record_.writes.empty()) {
      record_.epoch = Epoch(1);
      record_.tid = tid_from_time({kBeginUs + kStepUs * ++transactions_});
    }
    for (char& c : text_) c = static_cast<char>(random_());
    record_.writes.push_back({.oid = oid,
                              .previous = tids_[oid.value()],
                              .data = Bytes(zodb_record(text_, children)),
                              .back = {}});
    tids_[oid.value()] = record_.tid;
    if (record_.writes.size() < kObjectsInTransaction) return {};
    group_.push_back(std::exchange(record_, {}));
    return group_.size() < kTransactionsInGroup ? Result<>() : flush();
  }

  Result<> flush() {
    if (!record_.writes.empty()) group_.push_back(std::exchange(record_, {}));
    RETURN_IF_ERROR(store_.append(group_));
    group_.clear();
    return {};
  }

  storage::ObjectStore& store_;
  const std::uint64_t tree_;  // objects in the tree
  std::vector<Tid> tids_;
  std::int64_t transactions_ = 0;
  std::mt19937_64 random_{1};
  std::string text_ = std::string(kTextBytes, ' ');
  TransactionRecord record_;
  std::vector<TransactionRecord> group_;
};

Result<> fill(const std::string& directory, std::uint64_t revisions) {
  storage::RocksStoreOptions options;
  options.directory = directory;
  ASSIGN_OR_RETURN(const auto store, storage::RocksObjectStore::open(options));
  return Filler(*store, revisions).run();
}

// What the removals take in the log.
Result<> count(const std::string& directory) {
  storage::RocksStoreOptions options;
  options.directory = directory;
  options.read_only = true;
  ASSIGN_OR_RETURN(const auto store, storage::RocksObjectStore::open(options));
  std::uint64_t records = 0;
  std::uint64_t revisions = 0;
  std::uint64_t bytes = 0;
  for (Tid after;;) {
    ASSIGN_OR_RETURN(const std::vector<LogEntry> entries, store->read_log(after, kMaxTid, {}));
    if (entries.empty()) break;
    for (const LogEntry& entry : entries) {
      if (entry.kind != RecordKind::removal) continue;
      ++records;
      revisions += entry.removed.size();
      bytes += storage::encode_log_entry(entry).size() + sizeof(ChainHash);
    }
    after = entries.back().position.tid;
  }
  std::printf("{\"records\": %lu, \"revisions\": %lu, \"bytes\": %lu}\n", records, revisions,
              bytes);
  return {};
}

}  // namespace
}  // namespace zeolite::bench

int main(int argc, char** argv) {
  CLI::App app("makes a database to pack, or counts what packs wrote into its log");
  std::string directory;
  std::uint64_t revisions = 400'000;
  app.require_subcommand(1);
  CLI::App* const fill = app.add_subcommand("fill", "makes a new one");
  fill->add_option("directory", directory)->required();
  fill->add_option("--revisions", revisions, "half of them can be packed away")
      ->check(CLI::Range(std::uint64_t{1000}, std::uint64_t{1} << 32));
  CLI::App* const count = app.add_subcommand("count", "counts the removals");
  count->add_option("directory", directory)->required();
  CLI11_PARSE(app, argc, argv);
  const auto done =
      *fill ? zeolite::bench::fill(directory, revisions) : zeolite::bench::count(directory);
  if (done) return 0;
  std::cerr << done.error().to_string() << "\n";
  return 1;
}
