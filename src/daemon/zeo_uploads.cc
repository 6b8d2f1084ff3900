#include "daemon/zeo_uploads.h"

#include <utility>
#include <variant>

namespace zeolite::daemon {

using zeo::SessionEffects;

void ZeoUploads::step(const SessionEffects::BlobStep& step) {
  if (std::holds_alternative<SessionEffects::BlobBegin>(step)) {
    current_ = std::make_shared<ZeoUpload>();
    waiting_.push_back({current_, {}});
  } else if (const auto* chunk = std::get_if<SessionEffects::BlobChunk>(&step)) {
    if (!current_ || chunk->data.empty()) return;
    waiting_bytes_ += chunk->data.size();
    waiting_.push_back({current_, chunk->data});
  } else if (const auto* end = std::get_if<SessionEffects::BlobEnd>(&step)) {
    by_oid_[end->oid] = std::exchange(current_, nullptr);
  } else if (const auto* shared = std::get_if<SessionEffects::BlobShared>(&step)) {
    auto upload = std::make_shared<ZeoUpload>();
    upload->shared_name = shared->file_name;
    by_oid_[shared->oid] = std::move(upload);
  }
}

ZeoUploads::Batch ZeoUploads::take_batch() {
  if (writing_bytes_ || waiting_.empty()) return {};
  writing_bytes_ = std::exchange(waiting_bytes_, 0);
  return std::exchange(waiting_, {});
}

void ZeoUploads::write(blobs::BlobDirectory& directory, const Batch& batch) {
  for (const Write& write : batch) {
    ZeoUpload& upload = *write.upload;
    if (write.chunk.empty()) {
      Result<blobs::StagedBlob> staged = directory.stage();
      if (staged) {
        upload.blob = *std::move(staged);
      } else {
        upload.failed = std::move(staged).error();
      }
    } else if (!upload.failed) {
      if (Result<> written = upload.blob->append(write.chunk.view()); !written) {
        upload.failed = std::move(written).error();
        upload.blob.reset();
      }
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

void ZeoUploads::release() {
  for (const auto& [oid, upload] : by_oid_) {
    // What was not sealed belongs to no record: its object was removed after all.
    if (upload->blob && upload->blob->is_sealed()) released_.push_back(upload->blob->release());
  }
  by_oid_.clear();
  for (blobs::StagedBlob& blob : restaged_) released_.push_back(blob.release());
  restaged_.clear();
}

void ZeoUploads::drop(blobs::BlobDirectory& directory, bool committed) {
  current_.reset();
  waiting_.clear();
  waiting_bytes_ = 0;
  by_oid_.clear();
  restaged_.clear();
  for (const std::string& name : std::exchange(released_, {})) {
    // What cannot be removed now is found when the directory is opened the next time.
    if (!committed) (void)directory.discard(name);
  }
}

Result<std::vector<zeo::Prepared::Blob>> seal_uploads(blobs::BlobDirectory& directory,
                                                      const ZeoUploads::Uploads& uploads) {
  std::vector<zeo::Prepared::Blob> sealed;
  for (const auto& [oid, upload] : uploads) {
    if (upload->failed) return std::unexpected(*upload->failed);
    if (!upload->blob) {
      ASSIGN_OR_RETURN(upload->blob, directory.adopt(oid, upload->shared_name));
    } else if (!upload->blob->is_sealed()) {
      RETURN_IF_ERROR(upload->blob->seal(oid));
    }
    sealed.push_back({oid, upload->blob->info(), upload->blob->name()});
  }
  return sealed;
}

}  // namespace zeolite::daemon
