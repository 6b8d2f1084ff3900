#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "blobs/blob_directory.h"
#include "blobs/blob_hash.h"
#include "model/transaction_record.h"
#include "storage/memory_object_store.h"
#include "storage/store_builders.h"

namespace zeolite::blobs::testing {

// In memory, as most of the tests sync a lot and prove nothing about the disk.
class TemporaryDirectory : public storage::testing::TemporaryDirectory {
 public:
  [[nodiscard]] std::filesystem::path operator/(const std::filesystem::path& name) const {
    return path() / name;
  }
};

[[nodiscard]] inline BlobInfo info_of(std::string_view content) {
  BlobHash hash;
  hash.update(content);
  return hash.finish();
}

inline void write_file(const std::filesystem::path& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  ASSERT_TRUE(file.flush()) << path;
}

[[nodiscard]] inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The error code of a result; fails the test when there is none.
template <typename T>
[[nodiscard]] ErrorCode code_of(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? ErrorCode{} : result.error().code;
}

// A transaction that writes one object with a blob.
[[nodiscard]] inline TransactionRecord blob_transaction(Tid tid, Oid oid, const BlobInfo& info) {
  TransactionRecord record;
  record.epoch = Epoch(1);
  record.tid = tid;
  ObjectWrite write;
  write.oid = oid;
  write.data = Bytes::copy_of("blob record");
  write.blob = info;
  record.writes.push_back(std::move(write));
  return record;
}

// A blob directory in a temporary one, and a store in memory.
class BlobFixture : public ::testing::Test {
 protected:
  BlobFixture() { reopen(); }

  void reopen(BlobDirectoryOptions options = {}) {
    blobs_.reset();
    options.path = directory_ / "blobs";
    if (!options.reserve_bytes) options.reserve_bytes = 0;
    auto blobs = BlobDirectory::open(std::move(options));
    ASSERT_TRUE(blobs) << blobs.error().to_string();
    blobs_ = std::move(*blobs);
  }
  [[nodiscard]] BlobDirectory& blobs() { return *blobs_; }

  [[nodiscard]] StagedBlob staged(Oid oid, std::string_view content) {
    auto blob = blobs().stage();
    EXPECT_TRUE(blob && blob->append(content) && blob->seal(oid));
    return std::move(*blob);
  }
  void append(Tid tid, Oid oid, std::string_view content) {
    const TransactionRecord record = blob_transaction(tid, oid, info_of(content));
    const auto appended = store_.append(std::span(&record, 1));
    ASSERT_TRUE(appended) << appended.error().to_string();
  }
  // As a commit does it.
  void commit(Tid tid, Oid oid, std::string_view content) {
    StagedBlob blob = staged(oid, content);
    append(tid, oid, content);
    const Result<> installed = blobs().install(blob.release(), oid, tid);
    ASSERT_TRUE(installed) << installed.error().to_string();
  }
  [[nodiscard]] std::string content_of(Oid oid, Tid tid) {
    const auto file = blobs().open_for_reading(oid, tid);
    if (!file) return file.error().to_string();
    std::string content(file->size(), '\0');
    EXPECT_EQ(file->read(0, content), content.size());
    return content;
  }
  [[nodiscard]] std::filesystem::path private_path() const {
    return directory_ / "blobs" / ".zeolite";
  }
  // What waits there, under any name.
  [[nodiscard]] std::vector<std::string> waiting() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(private_path())) {
      std::string name = entry.path().filename();
      if (name != "LOCK" && name != "OWNER" && name != "REMOVED") names.push_back(std::move(name));
    }
    return names;
  }

  const TemporaryDirectory directory_;
  storage::MemoryObjectStore store_;
  std::unique_ptr<BlobDirectory> blobs_;
};

}  // namespace zeolite::blobs::testing
