#include "pickle/references.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace zeolite::pickle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<Oid> references_of(ByteView record) {
  References found;
  const auto result = find_references(record, found);
  EXPECT_TRUE(result.has_value()) << result.error().detail;
  return found.strong;
}

std::string compressed(const std::string& content) {
  std::string out(compressBound(content.size()), '\0');
  uLongf size = out.size();
  compress(reinterpret_cast<Bytef*>(out.data()), &size,
           reinterpret_cast<const Bytef*>(content.data()), content.size());
  out.resize(size);
  return out;
}

const std::string kClass =
    "\x80\x03"
    "cmodule\nClass\nq\x01.";
const std::string kState =
    "\x80\x03}(\x8c\x01"
    "aC\x08"
    "abcdefghq\x02h\x01\x86q\x03Q\x8c\x01"
    "b(h\x02h\x01tQu.";

TEST(FindReferences, ReadsClassAndStateWithOneMemo) {
  EXPECT_THAT(references_of(kClass + kState), ElementsAre(Oid(0x6162636465666768)));
}

TEST(FindReferences, TheClassMayReferToo) {
  const std::string first =
      "(C\x08"
      "ABCDEFGHQt.";
  EXPECT_THAT(references_of(first + kState),
              ElementsAre(Oid(0x4142434445464748), Oid(0x6162636465666768)));
}

TEST(FindReferences, WhatFollowsTheStateDoesNotMatter) {
  EXPECT_THAT(references_of(kClass + "N." + "trailing"), IsEmpty());
}

TEST(FindReferences, AnEmptyRecordHasNone) { EXPECT_THAT(references_of(""), IsEmpty()); }

TEST(FindReferences, UnfoldsWhatZlibstoragePacked) {
  EXPECT_THAT(references_of(".z" + compressed(kClass + kState)),
              ElementsAre(Oid(0x6162636465666768)));
  References found;
  EXPECT_FALSE(find_references(".zno zlib stream", found).has_value());
  EXPECT_FALSE(find_references(".z", found).has_value());
}

TEST(FindReferences, ForgetsWhatWasInItsResultBefore) {
  References found{.strong = {Oid(1)}, .skipped = 7};
  ASSERT_TRUE(find_references(kClass + "N.", found).has_value());
  EXPECT_THAT(found.strong, IsEmpty());
  EXPECT_EQ(found.skipped, 0U);
}

TEST(FindReferences, ARecordCutShortIsCorruptButKeepsWhatWasFound) {
  const std::string record = kClass + kState;
  for (std::size_t size = 1; size < record.size(); ++size) {
    const std::string part = record.substr(0, size);
    References found;
    const auto result = find_references(part, found);
    ASSERT_FALSE(result.has_value()) << size;
    EXPECT_EQ(result.error().code, ErrorCode::corruption);
    if (size + 1 == record.size()) {
      EXPECT_THAT(found.strong, ElementsAre(Oid(0x6162636465666768)));
    }
  }
}

TEST(FindReferences, ErrorsNameTheByte) {
  References found;
  const auto result = find_references(kClass + "N\xff", found);
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().detail, HasSubstr("byte " + std::to_string(kClass.size() + 1)));
}

}  // namespace
}  // namespace zeolite::pickle
