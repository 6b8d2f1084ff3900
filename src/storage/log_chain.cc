#include "storage/log_chain.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/check.h"

namespace zeolite::storage {

namespace {

// Fetching looks through OpenSSL's providers and takes longer than hashing a record.
const EVP_MD* blake2b() {
  static const EVP_MD* const digest = EVP_MD_fetch(nullptr, "BLAKE2B-512", nullptr);
  CHECK(digest != nullptr, "OpenSSL has no BLAKE2b");
  return digest;
}

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// One hash computation; the context is kept per thread, as making one costs as much as a block.
class Blake2b {
 public:
  Blake2b() : context_(thread_context()) {
    CHECK(EVP_DigestInit_ex2(context_, blake2b(), nullptr) == 1, "BLAKE2b cannot start");
  }
  void update(ByteView bytes) {
    CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1, "BLAKE2b cannot go on");
  }
  ChainHash finish() {
    std::array<unsigned char, 64> full{};
    CHECK(EVP_DigestFinal_ex(context_, full.data(), nullptr) == 1, "BLAKE2b cannot finish");
    ChainHash hash;
    std::copy_n(full.begin(), hash.size(), hash.begin());
    return hash;
  }

 private:
  static EVP_MD_CTX* thread_context() {
    static thread_local const std::unique_ptr<EVP_MD_CTX, ContextDeleter> context(EVP_MD_CTX_new());
    CHECK(context != nullptr, "out of memory");
    return context.get();
  }
  EVP_MD_CTX* context_;
};

}  // namespace

ChainHash body_hash(std::span<const ObjectWrite> writes) {
  Blake2b hash;
  for (const ObjectWrite& write : writes) hash.update(write.data.view());
  return hash.finish();
}

ChainHash next_chain(const ChainHash& previous, ByteView covered) {
  Blake2b hash;
  hash.update(view_of(previous));
  hash.update(covered);
  return hash.finish();
}

Result<> check_body(const LogEntry& entry, std::span<const ObjectWrite> writes) {
  if (body_hash(writes) == entry.body_hash) return {};
  return make_error(ErrorCode::corruption,
                    "the objects of transaction " + to_hex(entry.position.tid) +
                        " are not those it was written with; restore this database from a backup "
                        "or a standby");
}

}  // namespace zeolite::storage
