#pragma once

#include <atomic>
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
  std::optional<Error> failed;          // it could not be written; its vote will fail
  std::atomic<bool> abandoned = false;  // nobody wants it any more: what is begun is given up
};

// The blobs of a ZEO client's transaction, from its first chunk to its commit. Chunks are written
// by a thread that may wait for the disk, in order, one batch at a time; the connection reads no
// further while much waits, so memory does not grow with a blob. A blob that is complete reaches
// the disk for good and is closed, so that the number of open files does not grow with a
// transaction; one in the shared directory is taken over then. When the client votes they are
// sealed. What is dropped is removed by such a thread, too: to give the room of a large file back
// takes long.
// Thread: its connection's shard; write(), remove() and seal_uploads() any.
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
  // What is to be removed from the disk.
  struct Dropped {
    std::vector<std::shared_ptr<ZeoUpload>> uploads;
    std::vector<blobs::StagedBlob> restaged;
    std::vector<std::string> released;  // names of staged files
    Batch given;                        // files in the shared directory, not taken over
    [[nodiscard]] bool empty() const {
      return uploads.empty() && restaged.empty() && released.empty() && given.empty();
    }
  };

  void step(const zeo::SessionEffects::BlobStep& step);

  // What waits to be written, if there is anything and nothing is being written: to be passed to
  // write(), then written() to be called.
  [[nodiscard]] Batch take_batch();
  // The caller lets go of the batch on the same thread: that may remove a file.
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
  void restaged(std::vector<blobs::StagedBlob> blobs);
  // The same, but their transaction has ended meanwhile.
  void drop_restaged(std::vector<blobs::StagedBlob> blobs);
  // Their transaction is about to commit, with blobs of these objects: their files are the log
  // writer's from now on.
  void release(const std::set<Oid>& oids);
  // The transaction has ended. What was released but not committed goes from the disk as well; what
  // is being written goes when that is done.
  void drop(bool committed);
  // What was dropped since the last call: to be passed to remove(), which empties it.
  [[nodiscard]] Dropped take_dropped() { return std::exchange(dropped_, {}); }
  static void remove(blobs::BlobDirectory& directory, Dropped& dropped);
  [[nodiscard]] bool empty() const {
    return waiting_.empty() && by_oid_.empty() && !current_ && restaged_.empty() &&
           released_.empty();
  }

 private:
  void abandon(std::shared_ptr<ZeoUpload> upload);

  std::shared_ptr<ZeoUpload> current_;  // between begin and end
  Uploads by_oid_;
  Batch waiting_;
  std::size_t waiting_bytes_ = 0;
  std::optional<std::size_t> writing_bytes_;  // while a batch is being written
  std::vector<blobs::StagedBlob> restaged_;
  std::vector<std::string> released_;
  Dropped dropped_;
};

// Seals the uploads; waits for the disk. Error aborted when they are abandoned.
[[nodiscard]] Result<std::vector<zeo::Prepared::Blob>> seal_uploads(
    const ZeoUploads::Uploads& uploads);

}  // namespace zeolite::daemon
