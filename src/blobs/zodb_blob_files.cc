#include "blobs/zodb_blob_files.h"

#include <string>
#include <utility>

#include "blobs/open_directory.h"

namespace zeolite::blobs {

namespace {

// ZODB takes every unmarked directory that is not empty for lawn. A bushy one that was copied
// without its dot files shows by its directories within directories.
Result<Layout> guess_layout(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const OpenDirectory base, OpenDirectory::open(path));
  ASSIGN_OR_RETURN(const auto names, base.names());
  bool used = false;
  for (const std::string& name : names) {
    if (name.starts_with('.') || name == "tmp") continue;
    used = true;
    if (!parse_bushy_level(name)) continue;
    const auto below = base.descend(name, OpenDirectory::IfMissing::fail);
    if (!below) continue;
    ASSIGN_OR_RETURN(const auto inner, below->names());
    for (const std::string& level : inner) {
      if (parse_bushy_level(level)) return Layout::bushy;
    }
  }
  return used ? Layout::lawn : Layout::bushy;
}

}  // namespace

Result<ZodbBlobFiles> ZodbBlobFiles::open(std::filesystem::path path) {
  std::error_code failure;
  if (!std::filesystem::is_directory(path, failure)) {
    return make_error(ErrorCode::not_found, "there is no blob directory " + path.string());
  }
  ASSIGN_OR_RETURN(const auto marker, storage::read_small_file(path / ".layout"));
  if (!marker) {
    ASSIGN_OR_RETURN(const Layout layout, guess_layout(path));
    return ZodbBlobFiles(std::move(path), layout);
  }
  if (const auto layout = parse_layout(*marker)) return ZodbBlobFiles(std::move(path), *layout);
  return make_error(ErrorCode::invalid_argument,
                    "the blob directory " + path.string() + " has the layout \"" +
                        marker->substr(0, marker->find_first_of("\r\n")) +
                        "\", not \"bushy\" or \"lawn\": give the server's blob directory, not a "
                        "client's cache");
}

Result<std::optional<std::filesystem::path>> ZodbBlobFiles::find(Oid oid, Tid tid) const {
  std::filesystem::path file = path_ / object_directory(layout_, oid) / blob_file_name(tid);
  std::error_code failure;
  const auto status = std::filesystem::status(file, failure);
  if (std::filesystem::is_regular_file(status)) return file;
  if (status.type() == std::filesystem::file_type::not_found) return std::nullopt;
  if (failure) return file_error("read", file, failure.value());
  return make_error(ErrorCode::io_error, file.string() + " is in place of a blob, but is no file");
}

}  // namespace zeolite::blobs
