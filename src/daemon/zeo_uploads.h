#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "blobs/blob_directory.h"
#include "model/ids.h"
#include "zeo/session.h"

namespace zeolite::daemon {

// A blob that a client has uploaded, or has put into the shared directory.
struct ZeoUpload {
  std::optional<blobs::StagedBlob> blob;
  std::string shared_name;      // instead of blob
  std::optional<Error> failed;  // it could not be written; its vote will fail
};

// The blobs of a ZEO client's transaction, from its first chunk to its commit. Chunks are written
// as they come, so memory does not grow with a blob; they reach the disk when the client votes.
// Thread: its connection's shard, where it writes to files; seal_uploads() any.
class ZeoUploads {
 public:
  using Uploads = std::map<Oid, std::shared_ptr<ZeoUpload>>;

  void step(blobs::BlobDirectory& directory, const zeo::SessionEffects::BlobStep& step);
  // Those for `oids`, to be sealed.
  [[nodiscard]] Uploads of(const std::vector<Oid>& oids) const;
  // The files of blobs that the transaction takes from earlier revisions, instead of those before.
  void restaged(std::vector<blobs::StagedBlob> blobs) { restaged_ = std::move(blobs); }
  // Their transaction is about to commit: the files are the log writer's from now on.
  void release();
  // The transaction has ended. What was released but not committed goes from the disk as well.
  void drop(blobs::BlobDirectory& directory, bool committed);
  [[nodiscard]] bool empty() const {
    return by_oid_.empty() && !current_ && restaged_.empty() && released_.empty();
  }

 private:
  std::shared_ptr<ZeoUpload> current_;  // between begin and end
  Uploads by_oid_;
  std::vector<blobs::StagedBlob> restaged_;
  std::vector<std::string> released_;
};

// Makes the uploads durable; waits for the disk.
[[nodiscard]] Result<std::vector<zeo::Prepared::Blob>> seal_uploads(
    blobs::BlobDirectory& directory, const ZeoUploads::Uploads& uploads);

}  // namespace zeolite::daemon
