#include "daemon/published_batch.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "wire/codec.h"

namespace zeolite::daemon {
namespace {

const std::array<Oid, 2> kOids{Oid(1), Oid(2)};

TEST(PublishedBatch, IsEncodedForEachPortAsItsCodecDoes) {
  PublishedBatch batch(Tid(9), kOids);
  std::string frame;
  wire::encode(wire::Invalidate{Tid(9), {Oid(1), Oid(2)}, true}, 0, frame);
  EXPECT_EQ(batch.frames(), frame);
  for (const zeo::Encoding encoding : {zeo::Encoding::pickle, zeo::Encoding::msgpack}) {
    std::string message;
    zeo::encode_invalidation(encoding, Tid(9), kOids, message);
    EXPECT_EQ(batch.messages(encoding), message);
  }
  EXPECT_NE(batch.messages(zeo::Encoding::pickle), batch.messages(zeo::Encoding::msgpack));
}

TEST(PublishedBatch, IsEncodedOnce) {
  PublishedBatch batch(Tid(9), kOids);
  EXPECT_EQ(batch.frames().data(), batch.frames().data());
  EXPECT_EQ(batch.messages(zeo::Encoding::pickle).data(),
            batch.messages(zeo::Encoding::pickle).data());
}

TEST(PublishedBatch, KeepsTheOids) {
  const PublishedBatch batch(Tid(9), kOids);
  EXPECT_EQ(batch.batch()->tid(), Tid(9));
  EXPECT_EQ(batch.batch()->oids().size(), 2U);
}

}  // namespace
}  // namespace zeolite::daemon
