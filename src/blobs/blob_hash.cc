#include "blobs/blob_hash.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace zeolite::blobs {

namespace {

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

struct BlobHash::State {
  std::unique_ptr<EVP_MD_CTX, ContextDeleter> context{EVP_MD_CTX_new()};
  std::uint64_t size = 0;
};

BlobHash::BlobHash() : state_(std::make_unique<State>()) {
  CHECK(state_->context != nullptr, "out of memory");
  CHECK(EVP_DigestInit_ex(state_->context.get(), EVP_blake2b512(), nullptr) == 1,
        "BLAKE2b cannot start");
}

BlobHash::~BlobHash() = default;
BlobHash::BlobHash(BlobHash&&) noexcept = default;
BlobHash& BlobHash::operator=(BlobHash&&) noexcept = default;

void BlobHash::update(ByteView bytes) {
  CHECK(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1,
        "BLAKE2b cannot go on");
  state_->size += bytes.size();
}

BlobInfo BlobHash::finish() {
  std::array<unsigned char, 64> full{};
  CHECK(EVP_DigestFinal_ex(state_->context.get(), full.data(), nullptr) == 1,
        "BLAKE2b cannot finish");
  BlobInfo info{.size = state_->size};
  std::copy_n(full.begin(), info.hash.size(), info.hash.begin());
  return info;
}

}  // namespace zeolite::blobs
