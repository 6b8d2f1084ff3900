#include "zeo/undo_id.h"

#include <gtest/gtest.h>

namespace zeolite::zeo {
namespace {

constexpr Tid kSome{0x03aabbccddeeff01};

TEST(UndoId, IsTheTidInBase64) {
  EXPECT_EQ(undo_id(kSome), "A6q7zN3u/wE=");
  EXPECT_EQ(undo_id(kNoTid), "AAAAAAAAAAA=");
  EXPECT_EQ(undo_id(Tid(~0ULL)), "//////////8=");
}

TEST(UndoId, IsReadBack) {
  for (const Tid tid : {kSome, kNoTid, Tid(1), Tid(~0ULL), kMaxTid}) {
    EXPECT_EQ(parse_undo_id(undo_id(tid)), tid);
    EXPECT_EQ(parse_undo_id(undo_id(tid) + "\n"), tid);  // as Python's encodestring ends
  }
}

TEST(UndoId, TheTidItselfIsTaken) {
  EXPECT_EQ(parse_undo_id(ByteView("\0\0\0\0\0\0\0\x07", 8)), Tid(7));
}

TEST(UndoId, AnythingElseIsNone) {
  for (const ByteView id : {"", "=", "A6q7zN3u/wE", "A6q7zN3u/wE==", "A6q7zN3u!wE=", "A6q7zN3u/w==",
                            "A6q7zN3u/wE=\n\n", "AAAAAAAAAAAA"}) {
    EXPECT_EQ(parse_undo_id(id), std::nullopt) << id;
  }
}

}  // namespace
}  // namespace zeolite::zeo
