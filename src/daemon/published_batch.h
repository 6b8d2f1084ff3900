#pragma once

#include <span>
#include <string>

#include "invalidation/invalidation_batch.h"
#include "model/ids.h"
#include "zeo/message.h"

namespace zeolite::daemon {

// Appends the invalidate frames of a batch on the native port: several for one with very many oids.
void encode_invalidate_frames(const invalidation::InvalidationBatch& batch, std::string& out);

// Something that became visible, as the connections of one shard are told of it. Its message is
// encoded once for each way of writing it, when the first connection needs it that way.
// Thread: the shard's.
class PublishedBatch {
 public:
  PublishedBatch(Tid tid, std::span<const Oid> oids);

  [[nodiscard]] const invalidation::BatchPtr& batch() const { return batch_; }
  // For the native port.
  [[nodiscard]] const std::string& frames();
  // For a ZEO port.
  [[nodiscard]] const std::string& messages(zeo::Encoding encoding);

 private:
  invalidation::BatchPtr batch_;
  std::string frames_;
  std::string pickled_;
  std::string msgpacked_;
};

}  // namespace zeolite::daemon
