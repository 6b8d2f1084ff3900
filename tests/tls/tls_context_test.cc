#include "tls/tls_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tls/certificates.h"

namespace zeolite::tls {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Days = Certificates::Days;

class TlsContextTest : public ::testing::Test {
 protected:
  // Why the files are refused; empty: they are not.
  std::string refusal(const TlsFiles& files) {
    warnings_.clear();
    const auto loaded =
        TlsContext::load(files, [this](const std::string& what) { warnings_.push_back(what); });
    if (loaded) return {};
    EXPECT_EQ(loaded.error().code, ErrorCode::invalid_argument);
    return loaded.error().detail;
  }
  static TlsFiles files_of(const Identity& identity) {
    return {.certificate = identity.certificate_file,
            .key = identity.key_file,
            .key_password = {},
            .client_ca = {}};
  }

  Certificates certificates_;
  std::vector<std::string> warnings_;
};

TEST_F(TlsContextTest, TakesACertificateWithItsKey) {
  EXPECT_EQ(refusal(files_of(certificates_.make("server"))), "");
  EXPECT_THAT(warnings_, IsEmpty());
}

TEST_F(TlsContextTest, TheKeyMayBeInTheCertificatesFile) {
  const Identity server = certificates_.make("server");
  std::ostringstream both;
  both << std::ifstream(server.certificate_file).rdbuf() << std::ifstream(server.key_file).rdbuf();
  EXPECT_EQ(refusal({.certificate = certificates_.write_text("both.pem", both.str()),
                     .key = {},
                     .key_password = {},
                     .client_ca = {}}),
            "");
  TlsFiles files = files_of(server);
  files.key.clear();
  EXPECT_THAT(refusal(files), AllOf(HasSubstr("server.pem"), HasSubstr("no other is named")));
}

TEST_F(TlsContextTest, AFileThatIsNotThereIsNamed) {
  const TlsFiles good = files_of(certificates_.make("server"));
  for (const auto member :
       {&TlsFiles::certificate, &TlsFiles::key, &TlsFiles::key_password, &TlsFiles::client_ca}) {
    TlsFiles files = good;
    files.*member = certificates_.directory() / "nowhere";
    EXPECT_THAT(refusal(files), AllOf(HasSubstr("nowhere"), HasSubstr("No such file")));
  }
}

TEST_F(TlsContextTest, AFileOfAnotherKindIsNamed) {
  const TlsFiles good = files_of(certificates_.make("server"));
  const std::filesystem::path text = certificates_.write_text("text", "Dear reader,\n");
  for (const auto member : {&TlsFiles::certificate, &TlsFiles::key, &TlsFiles::client_ca}) {
    TlsFiles files = good;
    files.*member = text;
    EXPECT_THAT(refusal(files), AllOf(HasSubstr(text.string()), HasSubstr("PEM")));
  }
  TlsFiles files = good;
  files.certificate = certificates_.write_text("empty", "");
  EXPECT_THAT(refusal(files), HasSubstr("empty"));
}

TEST_F(TlsContextTest, TheKeyOfAnotherCertificateIsRefused) {
  TlsFiles files = files_of(certificates_.make("server"));
  files.key = certificates_.make("other").key_file;
  EXPECT_THAT(refusal(files),
              AllOf(HasSubstr("other.key does not belong"), HasSubstr("server.pem")));
}

TEST_F(TlsContextTest, AnEncryptedKeyNeedsItsPassphrase) {
  TlsFiles files = files_of(certificates_.make("server", {.passphrase = "sesame"}));
  EXPECT_THAT(refusal(files), HasSubstr("is encrypted"));
  files.key_password = certificates_.write_text("wrong", "cumin\n");
  EXPECT_THAT(refusal(files), HasSubstr("does not open"));
  for (const char* const text : {"sesame", "sesame\n", "sesame\r\nand more\n"}) {
    files.key_password = certificates_.write_text("right", text);
    EXPECT_EQ(refusal(files), "");
  }
}

TEST_F(TlsContextTest, WarnsOfACertificateThatIsNotValidNow) {
  EXPECT_EQ(refusal(files_of(certificates_.make("old", {.begins = Days(-2), .ends = Days(-1)}))),
            "");
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("old.pem has expired"))));
  EXPECT_EQ(refusal(files_of(certificates_.make("new", {.begins = Days(1), .ends = Days(2)}))), "");
  EXPECT_THAT(warnings_, ElementsAre(AllOf(HasSubstr("new.pem is not valid yet"))));
}

TEST_F(TlsContextTest, AuthoritiesOfClientsMayBeADirectory) {
  TlsFiles files = files_of(certificates_.make("server"));
  files.client_ca = certificates_.directory();
  EXPECT_EQ(refusal(files), "");
  files.client_ca = files.certificate;
  EXPECT_EQ(refusal(files), "");
}

}  // namespace
}  // namespace zeolite::tls
