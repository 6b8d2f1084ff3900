#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "blobs/blob_directory.h"
#include "model/ids.h"
#include "zeo/session.h"

namespace zeolite::daemon {

// A blob that a client has uploaded, or has put into the shared directory.
struct ZeoUpload {
  std::optional<blobs::StagedBlob> blob;
  std::optional<Error> failed;  // it could not be written; its vote will fail
};

// The blobs of a ZEO client's transaction, from its first chunk to its commit. Chunks are written
// by a thread that may wait for the disk, in order, one batch at a time; the connection reads no
// further while much waits, so memory does not grow with a blob. A blob that is complete reaches
// the disk for good and is closed, so that the number of open files does not grow with a
// transaction; one in the shared directory is taken over then. When the client votes they are
// sealed.
// Thread: its connection's shard; write() and seal_uploads() any.
class ZeoUploads {
 public:
  using Uploads = std::map<Oid, std::shared_ptr<ZeoUpload>>;
  // What is to be written, in order.
  struct Write {
    enum class Kind : std::uint8_t {
      begin,
      append,    // `chunk`
      complete,  // it
      adopt      // the client's file `shared_name` for `oid`
    };
    Kind kind;
    std::shared_ptr<ZeoUpload> upload;
    Bytes chunk{};
    Oid oid{};
    std::string shared_name{};
  };
  using Batch = std::vector<Write>;

  void step(const zeo::SessionEffects::BlobStep& step);

  // What waits to be written, if there is anything and nothing is being written: to be passed to
  // write(), then written() to be called.
  [[nodiscard]] Batch take_batch();
  static void write(blobs::BlobDirectory& directory, const Batch& batch);
  void written() { writing_bytes_.reset(); }
  // All that came is written.
  [[nodiscard]] bool is_written() const { return waiting_.empty() && !writing_bytes_; }
  // Bytes that came and are not written.
  [[nodiscard]] std::size_t unwritten() const {
    return waiting_bytes_ + writing_bytes_.value_or(0);
  }

  // Those for `oids`, to be sealed. When all is written.
  [[nodiscard]] Uploads of(const std::vector<Oid>& oids) const;
  // The files of blobs that the transaction takes from earlier revisions, instead of those before.
  void restaged(std::vector<blobs::StagedBlob> blobs) { restaged_ = std::move(blobs); }
  // Their transaction is about to commit, with blobs of these objects: their files are the log
  // writer's from now on.
  void release(const std::set<Oid>& oids);
  // The transaction has ended. What was released but not committed goes from the disk as well; what
  // is being written goes when that is done.
  void drop(blobs::BlobDirectory& directory, bool committed);
  [[nodiscard]] bool empty() const {
    return waiting_.empty() && by_oid_.empty() && !current_ && restaged_.empty() &&
           released_.empty();
  }

 private:
  std::shared_ptr<ZeoUpload> current_;  // between begin and end
  Uploads by_oid_;
  Batch waiting_;
  std::size_t waiting_bytes_ = 0;
  std::optional<std::size_t> writing_bytes_;  // while a batch is being written
  std::vector<blobs::StagedBlob> restaged_;
  std::vector<std::string> released_;
};

// Seals the uploads; waits for the disk.
[[nodiscard]] Result<std::vector<zeo::Prepared::Blob>> seal_uploads(
    const ZeoUploads::Uploads& uploads);

}  // namespace zeolite::daemon
