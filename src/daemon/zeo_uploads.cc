#include "daemon/zeo_uploads.h"

#include <utility>
#include <variant>

namespace zeolite::daemon {

using zeo::SessionEffects;

void ZeoUploads::step(blobs::BlobDirectory& directory, const SessionEffects::BlobStep& step) {
  if (std::holds_alternative<SessionEffects::BlobBegin>(step)) {
    current_ = std::make_shared<ZeoUpload>();
    Result<blobs::StagedBlob> staged = directory.stage();
    if (staged) {
      current_->blob = *std::move(staged);
    } else {
      current_->failed = std::move(staged).error();
    }
  } else if (const auto* chunk = std::get_if<SessionEffects::BlobChunk>(&step)) {
    if (!current_ || current_->failed) return;
    if (Result<> written = current_->blob->append(chunk->data.view()); !written) {
      current_->failed = std::move(written).error();
      current_->blob.reset();
    }
  } else if (const auto* end = std::get_if<SessionEffects::BlobEnd>(&step)) {
    by_oid_[end->oid] = std::exchange(current_, nullptr);
  } else if (const auto* shared = std::get_if<SessionEffects::BlobShared>(&step)) {
    auto upload = std::make_shared<ZeoUpload>();
    upload->shared_name = shared->file_name;
    by_oid_[shared->oid] = std::move(upload);
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
