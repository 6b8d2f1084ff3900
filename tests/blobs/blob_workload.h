#pragma once

#include <array>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "blobs/blob_directory.h"
#include "blobs/blob_hash.h"
#include "blobs/recovery.h"
#include "model/transaction_record.h"
#include "storage/object_store.h"
#include "storage/store_builders.h"

namespace zeolite::blobs::testing {

// Transactions with blobs that are known in advance, each committed as a server does it. What a
// killed process left behind can be judged by it without any other record.

inline constexpr std::uint64_t kObjects = 5;
inline constexpr std::uint64_t kPackEvery = 20;

[[nodiscard]] inline Oid workload_oid(std::uint64_t tid) { return Oid(0xFF + tid % kObjects); }
[[nodiscard]] inline bool is_pack(std::uint64_t tid) { return tid % kPackEvery == 0; }
[[nodiscard]] inline bool is_removal(std::uint64_t tid) {
  return tid > kPackEvery && is_pack(tid - 1);
}
// No transaction.
[[nodiscard]] inline bool is_own(std::uint64_t tid) { return is_pack(tid) || is_removal(tid); }
// It takes over the blob of the object's revision before, as undo does.
[[nodiscard]] inline bool is_restaged(std::uint64_t tid) {
  return tid % 7 == 3 && tid > kObjects && !is_own(tid - kObjects);
}
[[nodiscard]] inline bool is_adopted(std::uint64_t tid) { return tid % 7 == 5; }

[[nodiscard]] inline std::string workload_content(std::uint64_t tid) {
  if (is_restaged(tid)) return workload_content(tid - kObjects);
  std::string content = std::to_string(tid) + ":";
  content.resize(content.size() + tid * 7919 % 20'000, static_cast<char>('a' + tid % 26));
  return content;
}
[[nodiscard]] inline BlobInfo workload_info(std::uint64_t tid) {
  BlobHash hash;
  hash.update(workload_content(tid));
  return hash.finish();
}

[[nodiscard]] inline Result<StagedBlob> stage_content(BlobDirectory& blobs, Oid oid,
                                                      const std::string& content) {
  ASSIGN_OR_RETURN(StagedBlob blob, blobs.stage());
  RETURN_IF_ERROR(blob.append(content));
  RETURN_IF_ERROR(blob.seal(oid));
  return blob;
}

[[nodiscard]] inline Result<StagedBlob> stage_workload(BlobDirectory& blobs, std::uint64_t tid) {
  const Oid oid = workload_oid(tid);
  if (is_restaged(tid)) return blobs.restage(oid, Tid(tid - kObjects), workload_info(tid));
  if (!is_adopted(tid)) return stage_content(blobs, oid, workload_content(tid));
  const std::filesystem::path directory = blobs.path_of(oid, Tid(tid)).parent_path();
  std::filesystem::create_directories(directory);
  const std::string name = std::to_string(tid) + ".tmp-";
  std::ofstream(directory / name) << workload_content(tid);
  return blobs.adopt(oid, name);
}

[[nodiscard]] inline Result<> pack_workload(storage::ObjectStore& store, std::uint64_t tid) {
  TransactionRecord record;
  record.kind = RecordKind::pack;
  record.epoch = Epoch(1);
  record.tid = Tid(tid);
  record.pack_horizon = Tid(tid - 1);
  RETURN_IF_ERROR(store.append(std::span(&record, 1)));
  return {};
}

// Removes, for the pack record before it, the first revisions that are not needed any more.
[[nodiscard]] inline Result<> remove_workload(BlobDirectory& blobs, storage::ObjectStore& store,
                                              std::uint64_t tid) {
  const std::uint64_t pack = tid - 1;
  std::vector<RevisionKey> gone;
  for (std::uint64_t old = pack - kPackEvery + 1; old < pack - 2 * kObjects; ++old) {
    if (!is_own(old)) gone.push_back({workload_oid(old), Tid(old)});
  }
  const TransactionRecord record = storage::testing::removal(tid, pack, std::move(gone), true);
  RETURN_IF_ERROR(store.append(std::span(&record, 1)));
  std::uint64_t removed = 0;
  return remove_packed(blobs, record.removed, removed);
}

// Commits transaction `tid`, and stages what is never committed beside it.
[[nodiscard]] inline Result<> commit_workload(BlobDirectory& blobs, storage::ObjectStore& store,
                                              std::uint64_t tid) {
  if (is_pack(tid)) return pack_workload(store, tid);
  if (is_removal(tid)) return remove_workload(blobs, store, tid);
  const Oid oid = workload_oid(tid);
  ASSIGN_OR_RETURN(const StagedBlob loser, stage_content(blobs, oid, "loser"));
  ASSIGN_OR_RETURN(const StagedBlob same, stage_content(blobs, oid, workload_content(tid)));
  ASSIGN_OR_RETURN(StagedBlob blob, stage_workload(blobs, tid));
  TransactionRecord record;
  record.epoch = Epoch(1);
  record.tid = Tid(tid);
  ObjectWrite write;
  write.oid = oid;
  write.data = Bytes::copy_of("blob record");
  write.blob = blob.info();
  record.writes.push_back(std::move(write));
  const std::string name = blob.release();
  RETURN_IF_ERROR(store.append(std::span(&record, 1)));
  RETURN_IF_ERROR(blobs.install(name, oid, Tid(tid)));
  if (tid % 3 == 0) return blobs.settle();
  return {};
}

}  // namespace zeolite::blobs::testing
