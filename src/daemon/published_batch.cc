#include "daemon/published_batch.h"

#include <algorithm>
#include <memory>

#include "wire/codec.h"

namespace zeolite::daemon {

namespace {

// Oids in one invalidate frame; a transaction with more takes several.
constexpr std::size_t kOidsPerFrame = 16'384;

}  // namespace

void encode_invalidate_frames(const invalidation::InvalidationBatch& batch, std::string& out) {
  const std::span<const Oid> oids = batch.oids();
  std::size_t done = 0;
  do {
    const std::size_t n = std::min(kOidsPerFrame, oids.size() - done);
    const std::span<const Oid> part = oids.subspan(done, n);
    done += n;
    wire::encode(wire::Invalidate{batch.tid(), {part.begin(), part.end()}, done == oids.size()}, 0,
                 out);
  } while (done < oids.size());
}

PublishedBatch::PublishedBatch(Tid tid, std::span<const Oid> oids)
    : batch_(std::make_shared<const invalidation::InvalidationBatch>(
          tid, std::vector<Oid>(oids.begin(), oids.end()))) {}

const std::string& PublishedBatch::frames() {
  if (frames_.empty()) encode_invalidate_frames(*batch_, frames_);
  return frames_;
}

const std::string& PublishedBatch::messages(zeo::Encoding encoding) {
  std::string& messages = encoding == zeo::Encoding::pickle ? pickled_ : msgpacked_;
  if (messages.empty()) zeo::encode_invalidation(encoding, batch_->tid(), batch_->oids(), messages);
  return messages;
}

}  // namespace zeolite::daemon
