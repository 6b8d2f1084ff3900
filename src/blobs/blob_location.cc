#include "blobs/blob_location.h"

#include <system_error>

#include "blobs/open_directory.h"
#include "storage/file_descriptor.h"

namespace zeolite::blobs {

namespace fs = std::filesystem;

Result<fs::path> locate_blobs(const fs::path& data, const fs::path& elsewhere) {
  fs::path place = data / "blobs";
  if (elsewhere.empty()) return place;
  std::error_code failure;
  const fs::path target = fs::absolute(elsewhere, failure).lexically_normal();
  if (failure) return file_error("find", elsewhere, failure.value());
  if (target == fs::absolute(place).lexically_normal()) return place;

  const fs::file_status status = fs::symlink_status(place, failure);
  if (status.type() == fs::file_type::not_found) {
    fs::create_directory_symlink(target, place, failure);
    if (failure) return file_error("make the link", place, failure.value());
    RETURN_IF_ERROR(storage::sync_directory(data));
    return target;
  }
  if (fs::is_symlink(status) && fs::read_symlink(place, failure) == target) return target;
  if (fs::equivalent(place, target, failure)) return target;
  return make_error(ErrorCode::invalid_argument,
                    "the blobs of " + data.string() + " are in " + place.string() + ", not in " +
                        target.string() + ": move them there and remove " + place.string());
}

}  // namespace zeolite::blobs
