#include "maintenance/content_digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/check.h"

namespace zeolite::maintenance {
namespace {

constexpr std::size_t kDigestBytes = 16;
// Added to the kind of a revision that has a blob, whose size and hash then follow.
constexpr std::uint8_t kHasBlob = 0x10;

void put_text(std::string& out, ByteView text) {
  put_u64(out, text.size());
  out.append(text);
}

}  // namespace

struct ContentDigest::State {
  EVP_MD* algorithm = EVP_MD_fetch(nullptr, "BLAKE2B-512", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
};

ContentDigest::ContentDigest() : state_(std::make_unique<State>()) {
  CHECK(state_->algorithm != nullptr && state_->context != nullptr, "OpenSSL has no BLAKE2b");
  CHECK(EVP_DigestInit_ex2(state_->context, state_->algorithm, nullptr) == 1,
        "BLAKE2b cannot start");
}

ContentDigest::~ContentDigest() {
  EVP_MD_CTX_free(state_->context);
  EVP_MD_free(state_->algorithm);
}

void ContentDigest::add(const TransactionRecord& transaction) {
  std::string head;
  put_tid(head, transaction.tid);
  head.push_back(transaction.status);
  put_text(head, transaction.metadata.user);
  put_text(head, transaction.metadata.description);
  put_text(head, transaction.metadata.extension);
  put_u64(head, transaction.writes.size());
  update(head);

  std::vector<const ObjectWrite*> writes;
  writes.reserve(transaction.writes.size());
  for (const ObjectWrite& write : transaction.writes) writes.push_back(&write);
  std::ranges::sort(writes, {}, &ObjectWrite::oid);
  std::string object;
  for (const ObjectWrite* write : writes) {
    object.clear();
    put_oid(object, write->oid);
    const auto kind = static_cast<std::uint8_t>(write->kind);
    object.push_back(static_cast<char>(write->blob ? kind | kHasBlob : kind));
    put_tid(object, write->back);
    if (write->blob) {
      put_u64(object, write->blob->size);
      put_id128(object, write->blob->hash);
    }
    put_u64(object, write->data.size());
    update(object);
    update(write->data.view());
  }
}

std::string ContentDigest::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> full{};
  CHECK(EVP_DigestFinal_ex(state_->context, full.data(), nullptr) == 1, "BLAKE2b cannot finish");
  return to_hex(ByteView(reinterpret_cast<const char*>(full.data()), kDigestBytes));
}

void ContentDigest::update(ByteView bytes) {
  CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "BLAKE2b cannot go on");
}

}  // namespace zeolite::maintenance
