#include "pickle/references.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <zlib.h>

#include <filesystem>
#include <string>

#include "filestorage/file_storage_reader.h"
#include "filestorage/real_files.h"

namespace zeolite::pickle {
namespace {

using filestorage::FileStorageReader;
using filestorage::real_file;
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

// What zodbpickle's noload() finds in a file: for every record with data, the number of its
// references (4 bytes) and these, each once.
struct Facts {
  std::size_t records = 0;
  std::size_t references = 0;
  std::string sha256;
};

void expect_facts(const std::filesystem::path& path, const Facts& facts) {
  auto reader = FileStorageReader::open(path);
  ASSERT_TRUE(reader.has_value()) << reader.error().detail;
  Facts found;
  std::string content;
  while (true) {
    const auto next = reader->next();
    ASSERT_TRUE(next.has_value());
    if (!*next) break;
    for (const ObjectWrite& write : (*next)->writes) {
      ++found.records;
      const std::vector<Oid> oids = references_of(write.data.view());
      found.references += oids.size();
      put_u32(content, static_cast<std::uint32_t>(oids.size()));
      for (const Oid oid : oids) put_oid(content, oid);
    }
  }
  EXPECT_EQ(found.records, facts.records);
  EXPECT_EQ(found.references, facts.references);
  std::string hash(32, '\0');
  ASSERT_EQ(EVP_Q_digest(nullptr, "SHA256", nullptr, content.data(), content.size(),
                         reinterpret_cast<unsigned char*>(hash.data()), nullptr),
            1);
  EXPECT_EQ(to_hex(hash), facts.sha256);
}

TEST(FindReferences, AgreesWithPythonOnTheDatabaseThatZopeShippedIn1998) {
  const auto path = real_file("zope-1998.fs");
  SKIP_WITHOUT_FILE(path);
  expect_facts(path,
               {.records = 90,
                .references = 85,
                .sha256 = "f34ff3d6ccdf934a7184affbc474472b057c5fcb78dfafa82aa0634d8ba3a3d5"});
}

TEST(FindReferences, AgreesWithPythonOnAFileOfFourTransactions) {
  const auto path = real_file("zodb-test-checker.fs");
  SKIP_WITHOUT_FILE(path);
  expect_facts(path,
               {.records = 5,
                .references = 1,
                .sha256 = "58f963883d209823c08e8e6822567b61b5a278fbe595540cebbb907048550d2f"});
}

}  // namespace
}  // namespace zeolite::pickle
