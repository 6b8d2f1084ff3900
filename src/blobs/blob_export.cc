#include "blobs/blob_export.h"

#include <fcntl.h>

#include <cerrno>
#include <string>
#include <utility>

#include "blobs/blob_hash.h"
#include "storage/file_descriptor.h"

namespace zeolite::blobs {

namespace {

constexpr const char* kLayoutFile = ".layout";
constexpr std::size_t kReadBytes = std::size_t{1} << 20;
constexpr mode_t kBlobMode = 0444;  // less the umask, as ZODB leaves them

}  // namespace

Result<BlobExport> BlobExport::open(const std::filesystem::path& path) {
  std::error_code failure;
  std::filesystem::create_directories(path / "tmp", failure);
  if (failure) return file_error("make the directory", path, failure.value());
  ASSIGN_OR_RETURN(OpenDirectory base, OpenDirectory::open(path));
  ASSIGN_OR_RETURN(const auto marker, storage::read_small_file(path / kLayoutFile));
  ASSIGN_OR_RETURN(const auto names, base.names());
  for (const std::string& name : names) {
    const bool ours = name == ".zeolite";
    if (!ours && (marker || name.starts_with('.') || name == "tmp")) continue;
    return make_error(ErrorCode::invalid_argument,
                      path.string() +
                          (ours ? " is the blob directory of a server"
                                : " holds \"" + name + "\" and is no blob directory") +
                          ": give another directory to export the blobs to");
  }
  if (!marker) {
    RETURN_IF_ERROR(storage::replace_file(path / kLayoutFile, to_string(Layout::bushy)));
  } else if (parse_layout(*marker) != Layout::bushy) {
    return make_error(ErrorCode::invalid_argument,
                      path.string() +
                          " has another layout than \"bushy\": give another directory "
                          "to export the blobs to");
  }
  return BlobExport(std::move(base));
}

Result<> BlobExport::add(const BlobDirectory& from, Oid oid, Tid tid, const BlobInfo& info) {
  ASSIGN_OR_RETURN(const BlobFile file, from.open_for_reading(oid, tid));
  if (file.size() != info.size) {
    return make_error(ErrorCode::corruption, from.path_of(oid, tid).string() + " has " +
                                                 std::to_string(file.size()) + " bytes, not " +
                                                 std::to_string(info.size));
  }
  ASSIGN_OR_RETURN(
      const OpenDirectory directory,
      base_.descend(object_directory(Layout::bushy, oid), OpenDirectory::IfMissing::create));
  const std::string name = blob_file_name(tid);
  const std::filesystem::path source = from.path_of(oid, tid);
  if (::linkat(AT_FDCWD, source.c_str(), directory.descriptor(), name.c_str(), 0) != 0) {
    // There already, on another file system, or not to be linked.
    ASSIGN_OR_RETURN(const bool there, has(directory, name, info));
    const auto next = [&file](std::uint64_t offset) -> Result<Bytes> {
      std::string buffer(kReadBytes, '\0');
      ASSIGN_OR_RETURN(const std::size_t got, file.read(offset, buffer));
      buffer.resize(got);
      return Bytes(std::move(buffer));
    };
    if (!there) RETURN_IF_ERROR(write(next, directory, name, info));
  }
  ++blobs_;
  bytes_ += info.size;
  return {};
}

Result<> BlobExport::fetch(const Reader& read, Oid oid, Tid tid, const BlobInfo& info) {
  ASSIGN_OR_RETURN(
      const OpenDirectory directory,
      base_.descend(object_directory(Layout::bushy, oid), OpenDirectory::IfMissing::create));
  const std::string name = blob_file_name(tid);
  ASSIGN_OR_RETURN(const bool there, has(directory, name, info));
  if (!there) {
    RETURN_IF_ERROR(
        write([&](std::uint64_t offset) { return read(oid, tid, offset); }, directory, name, info));
  }
  ++blobs_;
  bytes_ += info.size;
  return {};
}

Result<bool> BlobExport::has(const OpenDirectory& directory, const std::string& name,
                             const BlobInfo& info) {
  ASSIGN_OR_RETURN(const auto status, directory.status(name));
  if (!status) return false;
  if (static_cast<std::uint64_t>(status->st_size) == info.size) return true;
  return make_error(ErrorCode::conflict,
                    (directory.path() / name).string() + " is there with another content");
}

// All of it, or nothing under its name.
Result<> BlobExport::write(const std::function<Result<Bytes>(std::uint64_t offset)>& next,
                           const OpenDirectory& directory, const std::string& name,
                           const BlobInfo& info) {
  const std::string part = name + ".part";
  RETURN_IF_ERROR(directory.unlink(part));
  ASSIGN_OR_RETURN(const storage::FileDescriptor out, directory.create_file(part, kBlobMode));
  BlobHash hash;
  for (std::uint64_t offset = 0; offset <= info.size;) {
    ASSIGN_OR_RETURN(const Bytes bytes, next(offset));
    if (bytes.empty()) break;
    hash.update(bytes.view());
    RETURN_IF_ERROR(write_all(out, bytes.view(), directory.path() / part));
    offset += bytes.size();
  }
  if (hash.finish() != info) {
    RETURN_IF_ERROR(directory.unlink(part));
    return make_error(ErrorCode::corruption, "the blob for " + (directory.path() / name).string() +
                                                 " is not what its transaction says");
  }
  if (::renameat(directory.descriptor(), part.c_str(), directory.descriptor(), name.c_str()) != 0) {
    return file_error("create", directory.path() / name, errno);
  }
  return {};
}

}  // namespace zeolite::blobs
