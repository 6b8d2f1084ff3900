#include "blobs/blob_export.h"

#include <fcntl.h>

#include <cerrno>
#include <string>

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
    if (errno == EEXIST) {
      ASSIGN_OR_RETURN(const auto status, directory.status(name));
      if (!status || static_cast<std::uint64_t>(status->st_size) != info.size) {
        return make_error(ErrorCode::conflict,
                          (directory.path() / name).string() + " is there with another content");
      }
    } else {
      RETURN_IF_ERROR(copy(file, directory, name));
    }
  }
  ++blobs_;
  bytes_ += info.size;
  return {};
}

// All of it, or nothing under its name.
Result<> BlobExport::copy(const BlobFile& file, const OpenDirectory& directory,
                          const std::string& name) {
  const std::string part = name + ".part";
  RETURN_IF_ERROR(directory.unlink(part));
  ASSIGN_OR_RETURN(const storage::FileDescriptor out, directory.create_file(part, kBlobMode));
  std::string buffer(kReadBytes, '\0');
  for (std::uint64_t offset = 0; offset < file.size();) {
    ASSIGN_OR_RETURN(const std::size_t got, file.read(offset, buffer));
    if (got == 0) break;
    RETURN_IF_ERROR(write_all(out, ByteView(buffer).substr(0, got), directory.path() / part));
    offset += got;
  }
  if (::renameat(directory.descriptor(), part.c_str(), directory.descriptor(), name.c_str()) != 0) {
    return file_error("create", directory.path() / name, errno);
  }
  return {};
}

}  // namespace zeolite::blobs
