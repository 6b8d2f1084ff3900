// The references that the scanner finds in real files, against what Python finds.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <filesystem>
#include <string>
#include <vector>

#include "filestorage/file_storage_reader.h"
#include "filestorage/real_files.h"
#include "pickle/references.h"

namespace zeolite::pickle {
namespace {

using filestorage::FileStorageReader;
using filestorage::real_file;

std::vector<Oid> references_of(const ObjectWrite& write) {
  References found;
  const auto result = find_references(write.data.view(), found);
  EXPECT_TRUE(result.has_value()) << result.error().detail;
  return found.strong;
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
      const std::vector<Oid> oids = references_of(write);
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

TEST(RealReferences, AgreeWithPythonOnTheDatabaseThatZopeShippedIn1998) {
  const auto path = real_file("zope-1998.fs");
  SKIP_WITHOUT_FILE(path);
  expect_facts(path,
               {.records = 90,
                .references = 85,
                .sha256 = "f34ff3d6ccdf934a7184affbc474472b057c5fcb78dfafa82aa0634d8ba3a3d5"});
}

TEST(RealReferences, AgreeWithPythonOnAFileOfFourTransactions) {
  const auto path = real_file("zodb-test-checker.fs");
  SKIP_WITHOUT_FILE(path);
  expect_facts(path,
               {.records = 5,
                .references = 1,
                .sha256 = "58f963883d209823c08e8e6822567b61b5a278fbe595540cebbb907048550d2f"});
}

}  // namespace
}  // namespace zeolite::pickle
