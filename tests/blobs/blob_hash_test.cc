#include "blobs/blob_hash.h"

#include <gtest/gtest.h>

#include "model/ids.h"

namespace zeolite::blobs {
namespace {

TEST(BlobHash, IsTheBeginningOfBlake2b) {
  BlobHash hash;
  hash.update("abc");
  const BlobInfo info = hash.finish();
  EXPECT_EQ(info.size, 3U);
  EXPECT_EQ(to_hex(info.hash), "ba80a53f981c4d0d6a2797b69f12f6e9");  // RFC 7693, appendix A
}

TEST(BlobHash, DoesNotDependOnHowTheBytesCame) {
  BlobHash whole;
  whole.update("some content");
  BlobHash parts;
  parts.update("some ");
  parts.update("");
  BlobHash moved = std::move(parts);
  moved.update("content");
  EXPECT_EQ(whole.finish(), moved.finish());
}

}  // namespace
}  // namespace zeolite::blobs
