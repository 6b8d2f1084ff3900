#include "storage/data_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <fstream>

#include "storage/store_builders.h"
#include "storage/tiny_disk.h"

namespace zeolite::storage::testing {
namespace {

using ::testing::HasSubstr;

class DataDirectoryTest : public ::testing::Test {
 protected:
  Result<DataDirectory> open() { return DataDirectory::open({.path = path_}); }
  void write_format(const std::string& text) { std::ofstream(path_ / "FORMAT") << text; }

  TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "deep" / "database";
};

TEST_F(DataDirectoryTest, CreatesWhatIsMissingAndRemembersTheCluster) {
  Id128 cluster{};
  {
    const auto created = open();
    ASSERT_TRUE(created) << created.error().to_string();
    cluster = created->cluster_id();
    EXPECT_NE(cluster, Id128{});
    EXPECT_TRUE(std::filesystem::is_directory(created->records_path()));
    EXPECT_TRUE(std::filesystem::exists(created->high_water_mark_path()));
  }
  EXPECT_EQ(open()->cluster_id(), cluster);
}

TEST_F(DataDirectoryTest, MissingDirectoryIsNotFoundWhenNotToBeCreated) {
  const auto missing = DataDirectory::open({.path = path_, .create_if_missing = false});
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  const auto read_only = DataDirectory::open({.path = path_, .read_only = true});
  EXPECT_EQ(read_only.error().code, ErrorCode::not_found);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(DataDirectoryTest, SecondOpenerInTheSameProcessIsRefused) {
  const auto first = open();
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::busy);
  EXPECT_EQ(second.error().detail, path_.string() + " is in use by process " +
                                       std::to_string(::getpid()) +
                                       "; stop it, or give another directory");
}

TEST_F(DataDirectoryTest, SecondProcessIsRefused) {
  const auto first = open();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto second = open();
    ::_exit(!second && second.error().code == ErrorCode::busy ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(DataDirectoryTest, NewerFormatIsRefused) {
  ASSERT_TRUE(open());
  write_format("zeolite 2\nwhatever comes then\n");
  const auto newer = open();
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, ErrorCode::too_new);
  EXPECT_THAT(newer.error().detail,
              HasSubstr("was written by a newer version 2; this one reads up to 1"));
}

TEST_F(DataDirectoryTest, DamagedFormatIsCorruption) {
  const Id128 cluster = open()->cluster_id();
  for (const std::string& text :
       {std::string(), std::string("zeolite\n"), std::string("zeolite 0\n"),
        std::string("zeolite 1\ncluster 12\n"), "zeolite 1\ncluster " + to_hex(cluster)}) {
    write_format(text);
    const auto damaged = open();
    ASSERT_FALSE(damaged) << text;
    EXPECT_EQ(damaged.error().code, ErrorCode::corruption);
  }
}

TEST_F(DataDirectoryTest, SomethingElsesDirectoryIsRefused) {
  std::filesystem::create_directories(path_);
  std::ofstream(path_ / "letter.txt") << "dear";
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(refused.error().detail, HasSubstr("letter.txt"));
  EXPECT_EQ(DataDirectory::check_usable(path_).error().code, ErrorCode::invalid_argument);
}

TEST_F(DataDirectoryTest, DatabaseIsMadeBesideWhatANodeKeeps) {
  std::filesystem::create_directories(path_ / "divergence");
  std::filesystem::create_directories(path_ / "incoming" / "records");
  std::ofstream(path_ / "NODE") << "not looked at";
  EXPECT_FALSE(DataDirectory::read_cluster_id(path_).value());
  EXPECT_TRUE(DataDirectory::check_usable(path_));
  const auto created = open();
  ASSERT_TRUE(created) << created.error().to_string();
  EXPECT_EQ(DataDirectory::read_cluster_id(path_).value(), created->cluster_id());
  EXPECT_TRUE(DataDirectory::check_usable(path_));
}

TEST_F(DataDirectoryTest, AForgottenDatabaseIsMadeAnew) {
  const Id128 before = open()->cluster_id();
  std::ofstream(path_ / "records" / "CURRENT") << "something";
  std::ofstream(path_ / "NODE") << "not looked at";
  {
    const auto lock = DirectoryLock::take(path_, DirectoryLock::Access::create);
    ASSERT_TRUE(DataDirectory::forget_database(**lock));
  }
  EXPECT_FALSE(DataDirectory::read_cluster_id(path_).value());
  EXPECT_TRUE(DataDirectory::check_usable(path_));
  EXPECT_TRUE(std::filesystem::exists(path_ / "NODE"));
  const auto created = open();
  ASSERT_TRUE(created) << created.error().to_string();
  EXPECT_NE(created->cluster_id(), before);
  EXPECT_TRUE(std::filesystem::is_empty(path_ / "records"));
}

TEST_F(DataDirectoryTest, NoDatabaseIsMadeBesideACopyThatIsToBeInstalled) {
  std::filesystem::create_directories(path_ / "incoming");
  std::ofstream(path_ / "incoming" / "COMPLETE") << "not looked at";
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(refused.error().detail, HasSubstr("is not installed yet"));
  EXPECT_FALSE(std::filesystem::exists(path_ / "FORMAT"));
  std::filesystem::remove(path_ / "incoming" / "COMPLETE");
  ASSERT_TRUE(open());
  std::ofstream(path_ / "incoming" / "COMPLETE") << "not looked at";
  EXPECT_TRUE(open()) << "the old one is still whole";
}

TEST_F(DataDirectoryTest, AnotherClustersDatabaseIsRefused) {
  DataDirectory::Options options{.path = path_};
  options.cluster_id.emplace().fill(7);
  EXPECT_EQ(DataDirectory::open(options)->cluster_id(), *options.cluster_id);
  options.cluster_id->fill(8);
  EXPECT_EQ(DataDirectory::open(options).error().code, ErrorCode::invalid_argument);
}

TEST_F(DataDirectoryTest, PathThatCannotBeMadeGivesOneClearLine) {
  std::ofstream(directory_.path() / "deep") << "a file";
  const auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::io_error);
  EXPECT_THAT(refused.error().detail, HasSubstr("cannot create directory " + path_.string()));
}

TEST_F(DataDirectoryTest, DirectoryInPlaceOfAFileIsRefused) {
  for (const std::string name : {"LOCK", "FORMAT", "FORMAT.new", "HWM.new"}) {
    SCOPED_TRACE(name);
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_ / name);
    const auto refused = open();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::io_error) << refused.error().detail;
    EXPECT_THAT(refused.error().detail, HasSubstr((path_ / name).string()));
  }
}

TEST_F(DataDirectoryTest, FileInPlaceOfTheRecordsIsRefused) {
  std::filesystem::create_directories(path_);
  std::ofstream(path_ / "records") << "a file";
  EXPECT_FALSE(open());
  EXPECT_FALSE(std::filesystem::exists(path_ / "FORMAT"));
}

TEST_F(DataDirectoryTest, FullDiskLeavesADirectoryThatCountsAsEmpty) {
  const auto disk = TinyDisk::mount();
  if (!disk) GTEST_SKIP() << "only root may mount a small disk: " << disk.error().detail;
  path_ = (*disk)->path() / "database";
  const std::filesystem::path filler = (*disk)->path() / "filler";
  // From nothing free to enough for all but the last file.
  for (std::size_t pages = 0;; ++pages) {
    ASSERT_LT(pages, 30U);
    std::filesystem::remove_all(path_);
    std::ofstream(filler) << std::string(4 << 20, 'x');
    std::filesystem::resize_file(filler, std::filesystem::file_size(filler) - 4096 * pages);
    const auto opened = open();
    if (opened) break;
    const ErrorCode code = opened.error().code;
    EXPECT_TRUE(code == ErrorCode::out_of_space || code == ErrorCode::io_error)
        << opened.error().detail;
    EXPECT_FALSE(std::filesystem::exists(path_ / "FORMAT"));
    std::filesystem::remove(filler);
    ASSERT_TRUE(open()) << "with space it is made";
  }
}

TEST_F(DataDirectoryTest, UnwritableDirectoryGivesOneClearLine) {
  using std::filesystem::perms;
  std::filesystem::create_directories(path_);
  constexpr perms kReadOnly = perms::owner_read | perms::owner_exec | perms::others_exec;
  for (const auto& above : {directory_.path(), path_.parent_path()}) {
    std::filesystem::permissions(above, perms::owner_all | perms::others_exec);
  }
  std::filesystem::permissions(path_, kReadOnly);
  const bool root = ::geteuid() == 0;  // who may write anywhere
  if (root) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const auto opened = open();
  if (root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  std::filesystem::permissions(path_, perms::owner_all);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().detail, HasSubstr("Permission denied; give a directory"));
}

}  // namespace
}  // namespace zeolite::storage::testing
