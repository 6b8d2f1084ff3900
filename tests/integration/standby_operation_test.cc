#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "integration/cluster.h"

// What an operator gets to see who starts standbys wrongly, or promotes by hand more than once.
namespace zeolite::testing {
namespace {

class StandbyOperation : public ClusterTest {
 protected:
  static bool says(const ServerProcess& server, const std::string& words) {
    return server.standard_error().find(words) != std::string::npos;
  }
  // Within some time.
  static void expect_says(const ServerProcess& server, const std::string& words) {
    EXPECT_TRUE(wait_until([&] { return says(server, words); }))
        << "'" << words << "' is not in: " << server.standard_error();
  }
};

// It is the last thing that the standby says on the connection.
TEST_F(StandbyOperation, APrimaryThatIsAliveStepsDownWhenItsStandbyIsPromoted) {
  const std::optional<ServerPair> pair = start_pair();
  ASSERT_TRUE(pair);
  ServerProcess& a = *pair->primary;
  ServerProcess& b = *pair->standby;
  ASSERT_EQ(zeolite({"promote", "--force", "--at", b.address()}).exit_code, 0);
  EXPECT_TRUE(wait_until([&] { return in_sync(b); })) << a.standard_error();
  EXPECT_EQ(role(a), "standby");
  expect_says(a, "stepping down: a standby has promised a later epoch");
}

}  // namespace
}  // namespace zeolite::testing
