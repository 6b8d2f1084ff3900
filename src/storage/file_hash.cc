#include "storage/file_hash.h"

#include <xxhash.h>

#include <cstring>

#include "base/check.h"

namespace zeolite::storage {

struct FileHash::State {
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> xxh{XXH3_createState()};
};

FileHash::FileHash() : state_(std::make_unique<State>()) {
  CHECK(state_->xxh != nullptr && XXH3_128bits_reset(state_->xxh.get()) == XXH_OK, "memory");
}
FileHash::~FileHash() = default;
FileHash::FileHash(FileHash&&) noexcept = default;
FileHash& FileHash::operator=(FileHash&&) noexcept = default;

void FileHash::update(ByteView bytes) {
  CHECK(XXH3_128bits_update(state_->xxh.get(), bytes.data(), bytes.size()) == XXH_OK, "memory");
}

Id128 FileHash::finish() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->xxh.get()));
  Id128 hash{};
  static_assert(sizeof(hash) == sizeof(canonical));
  std::memcpy(&hash, &canonical, sizeof(hash));
  return hash;
}

}  // namespace zeolite::storage
