#include "daemon/role_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "support/temporary_directory.h"

namespace zeolite::daemon {
namespace {

using testing::TemporaryDirectory;

TEST(RoleFile, IsAbsentUntilSomethingWasDecided) {
  const TemporaryDirectory directory;
  const auto found = read_role_file(directory.path());
  ASSERT_TRUE(found);
  EXPECT_FALSE(*found);
}

TEST(RoleFile, TellsTheLastDecision) {
  const TemporaryDirectory directory;
  const RoleDecision promoted{"db1:8090", true, "", {"db3:8090", "[::1]:8090"}};
  const RoleDecision stepped_down{"", false, "db2:8090"};
  ASSERT_TRUE(write_role_file(directory.path(), promoted));
  EXPECT_EQ(**read_role_file(directory.path()), promoted);
  ASSERT_TRUE(write_role_file(directory.path(), stepped_down));
  EXPECT_EQ(**read_role_file(directory.path()), stepped_down);
}

TEST(RoleFile, MayBeOneThatNamesNoStandbys) {
  const TemporaryDirectory directory;
  std::ofstream(directory / "ROLE") << "zeolite role 1\nconfigured \nrole primary\nfollows \n";
  const auto found = read_role_file(directory.path());
  ASSERT_TRUE(found && *found);
  EXPECT_EQ(**found, (RoleDecision{"", true, ""}));
}

TEST(RoleFile, DamageIsNotTakenForADecision) {
  const TemporaryDirectory directory;
  for (const char* text :
       {"", "zeolite role 1\n", "zeolite role 1\nconfigured \nrole king\nfollows \n",
        "zeolite role 2\nconfigured \nrole primary\nfollows \n"}) {
    std::ofstream(directory / "ROLE") << text;
    const auto found = read_role_file(directory.path());
    ASSERT_FALSE(found) << text;
    EXPECT_EQ(found.error().code, ErrorCode::corruption);
  }
}

}  // namespace
}  // namespace zeolite::daemon
