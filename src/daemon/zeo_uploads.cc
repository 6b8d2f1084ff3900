#include "daemon/zeo_uploads.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

namespace zeolite::daemon {

using zeo::SessionEffects;

void ZeoUploads::step(const SessionEffects::BlobStep& step) {
  using Kind = Write::Kind;
  if (std::holds_alternative<SessionEffects::BlobBegin>(step)) {
    abandon(std::move(current_));
    current_ = std::make_shared<ZeoUpload>();
    waiting_.push_back({Kind::begin, current_});
  } else if (const auto* chunk = std::get_if<SessionEffects::BlobChunk>(&step)) {
    if (!current_ || chunk->data.empty()) return;
    waiting_bytes_ += chunk->data.size();
    waiting_.push_back({Kind::append, current_, chunk->data});
  } else if (const auto* end = std::get_if<SessionEffects::BlobEnd>(&step)) {
    if (!current_) return;
    waiting_.push_back({Kind::complete, current_});
    abandon(std::exchange(by_oid_[end->oid], std::exchange(current_, nullptr)));
  } else if (const auto* shared = std::get_if<SessionEffects::BlobShared>(&step)) {
    const auto upload = std::make_shared<ZeoUpload>();
    waiting_.push_back({Kind::adopt, upload, {}, shared->oid, shared->file_name});
    abandon(std::exchange(by_oid_[shared->oid], upload));
  }
}

void ZeoUploads::abandon(std::shared_ptr<ZeoUpload> upload) {
  if (!upload) return;
  upload->abandoned = true;
  dropped_.uploads.push_back(std::move(upload));
}

ZeoUploads::Batch ZeoUploads::take_batch() {
  if (writing_bytes_ || waiting_.empty()) return {};
  writing_bytes_ = std::exchange(waiting_bytes_, 0);
  return std::exchange(waiting_, {});
}

namespace {

std::unexpected<Error> abandoned_error() {
  return make_error(ErrorCode::aborted, "nobody waits for the blob any more");
}

Result<> carry_out(blobs::BlobDirectory& directory, const ZeoUploads::Write& write) {
  std::optional<blobs::StagedBlob>& blob = write.upload->blob;
  const std::atomic<bool>& abandoned = write.upload->abandoned;
  // A file that a client has given away is taken over all the same: it is ours to remove.
  if (abandoned && write.kind != ZeoUploads::Write::Kind::adopt) return abandoned_error();
  switch (write.kind) {
    case ZeoUploads::Write::Kind::begin: {
      ASSIGN_OR_RETURN(blob, directory.stage());
      return {};
    }
    case ZeoUploads::Write::Kind::append:
      return blob->append(write.chunk.view());
    case ZeoUploads::Write::Kind::complete:
      return blob->complete();
    case ZeoUploads::Write::Kind::adopt: {
      ASSIGN_OR_RETURN(blob, directory.adopt(write.oid, write.shared_name, &abandoned));
      return {};
    }
  }
  return {};
}

}  // namespace

void ZeoUploads::write(blobs::BlobDirectory& directory, const Batch& batch) {
  for (const Write& write : batch) {
    ZeoUpload& upload = *write.upload;
    if (upload.failed) continue;
    if (Result<> done = carry_out(directory, write); !done) {
      upload.failed = std::move(done).error();
      upload.blob.reset();
    }
  }
}

ZeoUploads::Uploads ZeoUploads::of(const std::vector<Oid>& oids) const {
  Uploads result;
  for (const Oid oid : oids) {
    if (const auto found = by_oid_.find(oid); found != by_oid_.end()) result.insert(*found);
  }
  return result;
}

void ZeoUploads::restaged(std::vector<blobs::StagedBlob> blobs) {
  drop_restaged(std::exchange(restaged_, std::move(blobs)));
}

void ZeoUploads::drop_restaged(std::vector<blobs::StagedBlob> blobs) {
  std::ranges::move(blobs, std::back_inserter(dropped_.restaged));
}

void ZeoUploads::release(const std::set<Oid>& oids) {
  for (auto& [oid, upload] : std::exchange(by_oid_, {})) {
    if (oids.contains(oid)) {
      released_.push_back(upload->blob->release());
    } else {
      abandon(upload);
    }
  }
  for (blobs::StagedBlob& blob : restaged_) released_.push_back(blob.release());
  restaged_.clear();
}

void ZeoUploads::drop(bool committed) {
  abandon(std::exchange(current_, nullptr));
  for (auto& [oid, upload] : std::exchange(by_oid_, {})) abandon(upload);
  for (Write& write : std::exchange(waiting_, {})) {
    // The client has given it away.
    if (write.kind == Write::Kind::adopt) dropped_.given.push_back(std::move(write));
  }
  waiting_bytes_ = 0;
  restaged({});
  std::vector<std::string> names = std::exchange(released_, {});
  if (!committed) std::ranges::move(names, std::back_inserter(dropped_.released));
}

void ZeoUploads::remove(blobs::BlobDirectory& directory, Dropped& dropped) {
  for (const Write& write : dropped.given) {
    (void)directory.discard_shared(write.oid, write.shared_name);
  }
  // What cannot be removed now is found when the directory is opened the next time.
  for (const std::string& name : dropped.released) (void)directory.discard(name);
  dropped = {};
}

Result<std::vector<zeo::Prepared::Blob>> seal_uploads(const ZeoUploads::Uploads& uploads) {
  std::vector<zeo::Prepared::Blob> sealed;
  for (const auto& [oid, upload] : uploads) {
    if (upload->failed) return std::unexpected(*upload->failed);
    if (upload->abandoned) return abandoned_error();
    if (!upload->blob->is_sealed()) RETURN_IF_ERROR(upload->blob->seal(oid));
    sealed.push_back({oid, upload->blob->info(), upload->blob->name()});
  }
  return sealed;
}

}  // namespace zeolite::daemon
