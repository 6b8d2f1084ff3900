#include "cli/serve_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace zeolite::cli {
namespace {

using ::testing::HasSubstr;

class ServerConfigTest : public ::testing::Test {
 protected:
  ~ServerConfigTest() override { std::filesystem::remove(path_); }

  ServeOptions with_file(const std::string& text) {
    std::ofstream(path_) << text;
    ServeOptions options;
    options.config = path_;
    return options;
  }

  const std::filesystem::path path_ =
      std::filesystem::path(::testing::TempDir()) / "zeolite_serve_command_test.toml";
};

TEST_F(ServerConfigTest, DataIsTheDirectoryOfMainOnTheDefaultPort) {
  ServeOptions options;
  options.data = "d";
  const auto config = server_config(options);
  ASSERT_TRUE(config);
  ASSERT_EQ(config->storages.size(), 1U);
  EXPECT_EQ(config->storages[0].name, "main");
  EXPECT_EQ(config->storages[0].directory, "d");
  ASSERT_TRUE(config->native);
  EXPECT_EQ(config->native->to_string(), "127.0.0.1:8090");
}

TEST_F(ServerConfigTest, OptionsOverruleTheFile) {
  ServeOptions options = with_file(
      "name = 'a'\n[listen]\nnative = '1'\n[[storage]]\nname = 'x'\ndirectory = '/x'\n"
      "[[storage]]\ndirectory = '/main'\n");
  options.data = "/other";
  options.name = "b";
  options.native = net::HostPort{"127.0.0.1", 2};
  const auto config = server_config(options);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->node_name, "b");
  EXPECT_EQ(config->native->port, 2);
  ASSERT_EQ(config->storages.size(), 2U);
  EXPECT_EQ(config->storages[0].directory, "/x");
  EXPECT_EQ(config->storages[1].directory, "/other");
}

TEST_F(ServerConfigTest, AnEmptyFileSaysNothingAndADirectoryIsNone) {
  ServeOptions options = with_file("");
  options.data = "d";
  const auto config = server_config(options);
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->node_name, "node");
  options.config = ::testing::TempDir();
  EXPECT_FALSE(server_config(options));
}

TEST_F(ServerConfigTest, AStandbyRefusesUnlessItIsToldToPark) {
  for (const bool file_parks : {false, true}) {
    ServeOptions options = with_file(file_parks ? "[zeo]\nstandby = 'park'\n" : "");
    options.data = "d";
    const auto parks = [&options] {
      const auto config = server_config(options);
      EXPECT_TRUE(config) << config.error().detail;
      return config && config->zeo_parks;
    };
    EXPECT_EQ(parks(), file_parks);
    options.zeo_standby = "park";
    EXPECT_TRUE(parks());
    options.zeo_standby = "refuse";
    EXPECT_FALSE(parks());
  }
}

TEST_F(ServerConfigTest, TlsIsNamedHereOrInTheFileOrHalfAndHalf) {
  ServeOptions options = with_file("[zeo_tls]\ncertificate = '/a'\nkey = '/b'\n");
  options.data = "d";
  auto config = server_config(options);
  ASSERT_TRUE(config && config->zeo_tls);
  EXPECT_EQ(config->zeo_tls->certificate, "/a");
  EXPECT_EQ(config->zeo_tls->key, "/b");
  options.zeo_tls.key = "/c";
  options.zeo_tls.client_ca = "/d";
  config = server_config(options);
  ASSERT_TRUE(config && config->zeo_tls);
  EXPECT_EQ(config->zeo_tls->certificate, "/a");
  EXPECT_EQ(config->zeo_tls->key, "/c");
  EXPECT_EQ(config->zeo_tls->client_ca, "/d");
}

TEST_F(ServerConfigTest, TlsNeedsACertificate) {
  ServeOptions options = with_file("");
  options.data = "d";
  EXPECT_FALSE(server_config(options)->zeo_tls);
  options.zeo_tls.key = "/c";
  const auto config = server_config(options);
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().detail, HasSubstr("--zeo-tls-certificate"));
}

TEST_F(ServerConfigTest, DataAddsMainToOtherStorages) {
  ServeOptions options = with_file("[[storage]]\nname = 'x'\ndirectory = '/x'\n");
  options.data = "/main";
  const auto config = server_config(options);
  ASSERT_TRUE(config);
  ASSERT_EQ(config->storages.size(), 2U);
  EXPECT_EQ(config->storages[0].name, "main");
}

TEST_F(ServerConfigTest, AFileWithoutStorageNeedsData) {
  const auto config = server_config(with_file("name = 'a'\n"));
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().detail, HasSubstr("has no [[storage]]"));
}

TEST(RunServe, AWrongConfigurationIsAUsageError) {
  ServeOptions options;
  options.config = "/nonexistent/z.toml";
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(run_serve(options), ExitCode::usage);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("/nonexistent/z.toml"));
}

}  // namespace
}  // namespace zeolite::cli
