#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "filestorage/data_fs_builder.h"
#include "integration/program.h"

namespace zeolite::testing {
namespace {

// What `zeolite import` says of a file that is not as it should be, and while it works.
class ImportReport : public ::testing::Test {
 protected:
  static Tid tid(std::uint64_t number) { return Tid(0x032b'ff9c'0000'0000 + number); }

  // Three transactions of one record each.
  ImportReport() {
    file_.commit(tid(1), Oid(0), "root");
    second_ = file_.commit(tid(2), Oid(1), "one");
    third_begins_ = file_.size();
    file_.commit(tid(3), Oid(2), "two");
  }

  [[nodiscard]] std::vector<std::string> import_of(std::string_view bytes) const {
    std::ofstream(directory_ / "Data.fs", std::ios::binary) << bytes;
    return {ZEOLITE_PROGRAM, "import", "filestorage:" + (directory_ / "Data.fs").string(), "--data",
            (directory_ / "data").string()};
  }

  TemporaryDirectory directory_;
  filestorage::DataFsBuilder file_{filestorage::kMagicPython3};
  std::uint64_t second_ = 0, third_begins_ = 0;
};

TEST_F(ImportReport, DamagedFileIsRefusedWithTheByte) {
  file_.bytes()[second_ + 15] ^= 1;  // the last byte of the record's tid
  const ProgramResult result = run_program(import_of(file_.bytes()));
  EXPECT_EQ(result.exit_code, 5) << result.error;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(std::ranges::count(result.error, '\n'), 1) << result.error;
  EXPECT_NE(result.error.find("at byte " + std::to_string(second_ + 8)), std::string::npos)
      << result.error;
  EXPECT_NE(result.error.find("1 transaction"), std::string::npos) << result.error;
}

TEST_F(ImportReport, TruncatedFileIsImportedUpToItsTailWithAWarning) {
  const std::string_view cut = std::string_view(file_.bytes()).substr(0, third_begins_ + 30);
  const ProgramResult result = run_program(import_of(cut));
  EXPECT_EQ(result.exit_code, 0) << result.error;
  const std::size_t warning = result.out.find("warning: ");
  ASSERT_NE(warning, std::string::npos) << result.out << result.error;
  EXPECT_NE(result.out.find(std::to_string(third_begins_), warning), std::string::npos)
      << result.out;
  const ProgramResult verified = verify(directory_ / "data");
  EXPECT_EQ(verified.exit_code, 0) << verified.error;
  EXPECT_NE(verified.out.find("\"transactions\":2,"), std::string::npos) << verified.out;
}

// Under script(1), which gives it a terminal, and without.
TEST_F(ImportReport, ProgressIsDrawnOnATerminalOnly) {
  constexpr std::string_view kTerminal = "/usr/bin/script";
  if (!std::filesystem::exists(kTerminal)) GTEST_SKIP() << "needs " << kTerminal;
  for (std::uint64_t i = 4; i <= 120; ++i) {
    file_.commit(tid(i), Oid(i), std::string(1 << 20, 'x'));
  }
  const std::vector<std::string> plain = import_of(file_.bytes());
  const ProgramResult silent = run_program(plain);
  EXPECT_EQ(silent.exit_code, 0) << silent.error;
  EXPECT_EQ(silent.error, "");

  std::filesystem::remove_all(directory_ / "data");
  std::string command;
  for (const std::string& word : plain) command += word + ' ';
  const ProgramResult drawn = run_program({std::string(kTerminal), "-qec", command, "/dev/null"});
  EXPECT_EQ(drawn.exit_code, 0) << drawn.out;
  const std::size_t bar = drawn.out.find("\r");
  EXPECT_NE(drawn.out.find("%  ", bar), std::string::npos) << drawn.out;
  EXPECT_NE(drawn.out.find(" left\x1b[K"), std::string::npos) << drawn.out;
  const std::size_t cleared = drawn.out.find("\r\x1b[K");
  ASSERT_NE(cleared, std::string::npos) << "the line is removed before the result";
  EXPECT_EQ(drawn.out.find("left", cleared), std::string::npos) << drawn.out;
}

}  // namespace
}  // namespace zeolite::testing
