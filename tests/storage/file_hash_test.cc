#include "storage/file_hash.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "model/ids.h"

namespace zeolite::storage {
namespace {

std::string hash_of(std::string_view bytes) {
  FileHash hash;
  hash.update(bytes);
  return to_hex(hash.finish());
}

// As `xxhsum -H2` prints them.
TEST(FileHash, IsXxh3) {
  EXPECT_EQ(hash_of(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_of("a"), "a96faf705af16834e6c632b61e964e1f");
}

TEST(FileHash, DoesNotDependOnThePieces) {
  const std::string content(100'000, 'z');
  FileHash hash;
  hash.update(content.substr(0, 1));
  hash.update(content.substr(1, 70'000));
  hash.update({});
  hash.update(content.substr(70'001));
  EXPECT_EQ(to_hex(hash.finish()), hash_of(content));
  EXPECT_NE(hash_of(content), hash_of(content.substr(1)));
}

}  // namespace
}  // namespace zeolite::storage
