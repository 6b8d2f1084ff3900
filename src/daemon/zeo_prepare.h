#pragma once

#include <vector>

#include "base/error.h"
#include "blobs/blob_directory.h"
#include "daemon/zeo_uploads.h"
#include "storage/object_store.h"
#include "zeo/session.h"

namespace zeolite::daemon {

struct VotePreparation {
  zeo::Prepared prepared;
  // The files of undone blobs, which prepared.undone names.
  std::vector<blobs::StagedBlob> restaged;
};

// Finds out and does what must be known and done before a transaction can be submitted: plans its
// undos, makes its blobs durable, and so on. Waits for the disk. `blobs` null: the storage keeps
// none. Errors: as the store and the directory.
[[nodiscard]] Result<VotePreparation> prepare_vote(const storage::ObjectStore& store, Tid line,
                                                   blobs::BlobDirectory* blobs,
                                                   const zeo::Preparation& wanted,
                                                   const ZeoUploads::Uploads& uploads);

}  // namespace zeolite::daemon
