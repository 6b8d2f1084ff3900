#pragma once

#include "base/error.h"
#include "blobs/blob_directory.h"
#include "daemon/zeo_uploads.h"
#include "storage/object_store.h"
#include "zeo/session.h"

namespace zeolite::daemon {

// Finds out and does what must be known and done before a transaction can be submitted: plans its
// undos, makes its blobs durable, and so on. Waits for the disk. `blobs` null: the storage keeps
// none. Errors: invalid_argument, what cannot be undone at all; else as the store and the
// directory.
[[nodiscard]] Result<zeo::Prepared> prepare_vote(const storage::ObjectStore& store, Tid line,
                                                 blobs::BlobDirectory* blobs,
                                                 const zeo::Preparation& wanted,
                                                 const ZeoUploads::Uploads& uploads);

}  // namespace zeolite::daemon
