#include "daemon/zeo_uploads.h"

#include <utility>
#include <variant>

namespace zeolite::daemon {

using zeo::SessionEffects;

void ZeoUploads::step(const SessionEffects::BlobStep& step) {
  using Kind = Write::Kind;
  if (std::holds_alternative<SessionEffects::BlobBegin>(step)) {
    current_ = std::make_shared<ZeoUpload>();
    waiting_.push_back({Kind::begin, current_});
  } else if (const auto* chunk = std::get_if<SessionEffects::BlobChunk>(&step)) {
    if (!current_ || chunk->data.empty()) return;
    waiting_bytes_ += chunk->data.size();
    waiting_.push_back({Kind::append, current_, chunk->data});
  } else if (const auto* end = std::get_if<SessionEffects::BlobEnd>(&step)) {
    if (!current_) return;
    waiting_.push_back({Kind::complete, current_});
    by_oid_[end->oid] = std::exchange(current_, nullptr);
  } else if (const auto* shared = std::get_if<SessionEffects::BlobShared>(&step)) {
    const auto upload = std::make_shared<ZeoUpload>();
    waiting_.push_back({Kind::adopt, upload, {}, shared->oid, shared->file_name});
    by_oid_[shared->oid] = upload;
  }
}

ZeoUploads::Batch ZeoUploads::take_batch() {
  if (writing_bytes_ || waiting_.empty()) return {};
  writing_bytes_ = std::exchange(waiting_bytes_, 0);
  return std::exchange(waiting_, {});
}

namespace {

Result<> carry_out(blobs::BlobDirectory& directory, const ZeoUploads::Write& write) {
  std::optional<blobs::StagedBlob>& blob = write.upload->blob;
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
      ASSIGN_OR_RETURN(blob, directory.adopt(write.oid, write.shared_name));
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

void ZeoUploads::release(const std::set<Oid>& oids) {
  for (const auto& [oid, upload] : by_oid_) {
    if (oids.contains(oid)) released_.push_back(upload->blob->release());
  }
  by_oid_.clear();
  for (blobs::StagedBlob& blob : restaged_) released_.push_back(blob.release());
  restaged_.clear();
}

void ZeoUploads::drop(blobs::BlobDirectory& directory, bool committed) {
  current_.reset();
  for (const Write& write : std::exchange(waiting_, {})) {
    if (write.kind != Write::Kind::adopt) continue;
    // The client has given it away.
    (void)directory.discard_shared(write.oid, write.shared_name);
  }
  waiting_bytes_ = 0;
  by_oid_.clear();
  restaged_.clear();
  for (const std::string& name : std::exchange(released_, {})) {
    // What cannot be removed now is found when the directory is opened the next time.
    if (!committed) (void)directory.discard(name);
  }
}

Result<std::vector<zeo::Prepared::Blob>> seal_uploads(const ZeoUploads::Uploads& uploads) {
  std::vector<zeo::Prepared::Blob> sealed;
  for (const auto& [oid, upload] : uploads) {
    if (upload->failed) return std::unexpected(*upload->failed);
    if (!upload->blob->is_sealed()) RETURN_IF_ERROR(upload->blob->seal(oid));
    sealed.push_back({oid, upload->blob->info(), upload->blob->name()});
  }
  return sealed;
}

}  // namespace zeolite::daemon
