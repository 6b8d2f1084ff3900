#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "blobs/blob_directory.h"
#include "blobs/open_directory.h"
#include "model/ids.h"
#include "model/transaction_record.h"

namespace zeolite::blobs {

// Writes a blob directory that ZODB opens (bushy), beside an exported Data.fs. On the same file
// system blobs are linked, not copied: neither ZODB nor we ever change one.
// Thread: one at a time.
class BlobExport {
 public:
  // Makes `path`, or goes on in one that is empty, or bushy and no server's.
  // Errors: invalid_argument (something else is in it), out_of_space, io_error.
  [[nodiscard]] static Result<BlobExport> open(const std::filesystem::path& path);

  // Adds the blob of a revision. One that is there already with the same size is kept.
  // Errors: not_found, corruption (`from` has not that size), conflict (another one is there),
  // out_of_space, io_error.
  [[nodiscard]] Result<> add(const BlobDirectory& from, Oid oid, Tid tid, const BlobInfo& info);

  // The same from elsewhere: `read(oid, tid, offset)` gives bytes of the blob from `offset` on,
  // nothing only at its end. What arrives is checked against `info`. Errors: as `read`; corruption
  // (it is another content), conflict, out_of_space, io_error.
  using Reader = std::function<Result<Bytes>(Oid oid, Tid tid, std::uint64_t offset)>;
  [[nodiscard]] Result<> fetch(const Reader& read, Oid oid, Tid tid, const BlobInfo& info);

  // Makes all of it durable.
  [[nodiscard]] Result<> finish() { return base_.sync_file_system(); }

  [[nodiscard]] std::uint64_t blobs() const { return blobs_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  explicit BlobExport(OpenDirectory base) : base_(std::move(base)) {}
  // Whether a file `name` of that size is there already.
  static Result<bool> has(const OpenDirectory& directory, const std::string& name,
                          const BlobInfo& info);
  // Makes the file from what `next(offset)` gives until it gives nothing.
  static Result<> write(const std::function<Result<Bytes>(std::uint64_t offset)>& next,
                        const OpenDirectory& directory, const std::string& name,
                        const BlobInfo& info);

  OpenDirectory base_;
  std::uint64_t blobs_ = 0;  // added or kept
  std::uint64_t bytes_ = 0;  // of them
};

}  // namespace zeolite::blobs
