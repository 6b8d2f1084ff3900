#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "model/transaction_record.h"

namespace zeolite::storage::testing {

// A new directory in memory where the system has one (most tests sync a lot and prove nothing about
// the disk), removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const std::filesystem::path base =
        std::filesystem::exists("/dev/shm") ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string name = (base / "zeolite-storage-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Builds transaction records: record(10).data(1, "x").deletion(2).
class RecordBuilder {
 public:
  explicit RecordBuilder(std::uint64_t tid, RecordKind kind = RecordKind::transaction) {
    record_.kind = kind;
    record_.epoch = Epoch(1);
    record_.tid = Tid(tid);
  }
  RecordBuilder& epoch(std::uint64_t epoch) {
    record_.epoch = Epoch(epoch);
    return *this;
  }
  RecordBuilder& data(std::uint64_t oid, std::string bytes, std::uint64_t previous = 0) {
    record_.writes.push_back(
        {Oid(oid), Tid(previous), RevisionKind::data, Bytes(std::move(bytes)), kNoTid});
    return *this;
  }
  RecordBuilder& back(std::uint64_t oid, std::uint64_t tid, std::uint64_t previous = 0) {
    record_.writes.push_back(
        {Oid(oid), Tid(previous), RevisionKind::back_pointer, Bytes(), Tid(tid)});
    return *this;
  }
  RecordBuilder& deletion(std::uint64_t oid, std::uint64_t previous = 0) {
    record_.writes.push_back({Oid(oid), Tid(previous), RevisionKind::deletion, Bytes(), kNoTid});
    return *this;
  }
  RecordBuilder& commit(std::uint8_t session, std::uint64_t number) {
    record_.commit_id = commit_id(session, number);
    return *this;
  }
  RecordBuilder& mark(std::uint64_t oid) {
    record_.oid_mark = Oid(oid);
    return *this;
  }
  RecordBuilder& pack(std::uint64_t horizon, bool collect_garbage = false) {
    record_.pack_horizon = Tid(horizon);
    record_.collect_garbage = collect_garbage;
    return *this;
  }
  // The write added last has a blob.
  RecordBuilder& blob(std::uint64_t size) {
    record_.writes.back().blob = BlobInfo{.size = size, .hash = {1, 2, 3}};
    return *this;
  }
  RecordBuilder& metadata(std::string user, std::string description, std::string extension) {
    record_.metadata = {std::move(user), std::move(description), std::move(extension)};
    return *this;
  }
  [[nodiscard]] static CommitId commit_id(std::uint8_t session, std::uint64_t number) {
    CommitId id;
    id.session.fill(session);
    id.number = number;
    return id;
  }
  operator TransactionRecord() const { return record_; }  // NOLINT: that is what it is for

 private:
  TransactionRecord record_;
};

[[nodiscard]] inline RevisionKey key(std::uint64_t oid, std::uint64_t tid) {
  return {Oid(oid), Tid(tid)};
}

// The removal of any keys for the pack record at `pack`.
[[nodiscard]] inline TransactionRecord removal(std::uint64_t tid, std::uint64_t pack,
                                               std::vector<RevisionKey> keys,
                                               bool complete = false) {
  std::ranges::sort(keys, [](const RevisionKey& a, const RevisionKey& b) {
    return a.oid != b.oid ? a.oid < b.oid : a.tid > b.tid;
  });
  keys.erase(std::ranges::unique(keys).begin(), keys.end());
  TransactionRecord record;
  record.kind = RecordKind::removal;
  record.epoch = Epoch(1);
  record.tid = Tid(tid);
  record.pack_record = Tid(pack);
  record.pack_complete = complete;
  record.removed = std::move(keys);
  return record;
}

[[nodiscard]] inline RecordBuilder record(std::uint64_t tid,
                                          RecordKind kind = RecordKind::transaction) {
  return RecordBuilder(tid, kind);
}

}  // namespace zeolite::storage::testing
