#include "daemon/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <ostream>
#include <string>

namespace zeolite::daemon {
namespace {

using ::testing::HasSubstr;

Result<ServerConfig> parse(std::string_view text) {
  return parse_config(text, "z.toml", "/etc/zeolite");
}

TEST(ConfigFile, EmptyTextIsTheDefaults) {
  const Result<ServerConfig> config = parse("");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->node_name, "node");
  EXPECT_TRUE(config->storages.empty());
  EXPECT_FALSE(config->native);
  EXPECT_FALSE(config->zeo_tls);
  EXPECT_FALSE(config->disk_reserve_bytes);
  EXPECT_EQ(config->block_cache_bytes, ServerConfig().block_cache_bytes);
}

TEST(ConfigFile, EveryKeyIsTaken) {
  const Result<ServerConfig> config = parse(R"(
name = "db1"
[listen]
native = "0.0.0.0:9000"
[[storage]]
directory = "/srv/main"
[[storage]]
name = "temp"
directory = "temp"
[threads]
io = 3
read = 5
[memory]
block_cache = "1 GiB"
memtable = 8388608
[disk]
reserve = "1.5GB"
[zeo]
standby = "park"
[zeo_tls]
certificate = "db1.pem"
key = "/srv/db1.key"
key_password = "db1.pass"
client_ca = "clients"
[limits]
frame = "1MiB"
transaction = "2 MiB"
staged = "3 MiB"
outbound = "4 MiB"
connections = 7
[timeouts]
handshake = "1 s"
progress = "2s"
vote = "3 min"
lock = "1500 ms"
group_wait = "0 us"
)");
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->node_name, "db1");
  ASSERT_TRUE(config->native);
  EXPECT_EQ(config->native->to_string(), "0.0.0.0:9000");
  ASSERT_EQ(config->storages.size(), 2U);
  EXPECT_EQ(config->storages[0].name, "main");
  EXPECT_EQ(config->storages[0].directory, "/srv/main");
  EXPECT_EQ(config->storages[1].name, "temp");
  EXPECT_EQ(config->storages[1].directory, "/etc/zeolite/temp");
  EXPECT_EQ(config->io_threads, 3U);
  EXPECT_EQ(config->read_threads, 5U);
  EXPECT_EQ(config->block_cache_bytes, 1ULL << 30);
  EXPECT_EQ(config->memtable_bytes, 8'388'608U);
  EXPECT_EQ(config->disk_reserve_bytes, 1'500'000'000U);
  EXPECT_EQ(config->frame_bytes_max, 1U << 20);
  EXPECT_EQ(config->transaction_bytes_max, 2U << 20);
  EXPECT_EQ(config->staged_bytes_max, 3U << 20);
  EXPECT_EQ(config->outbound_bytes_max, 4U << 20);
  EXPECT_EQ(config->connections_max, 7U);
  EXPECT_TRUE(config->zeo_parks);
  ASSERT_TRUE(config->zeo_tls);
  EXPECT_EQ(config->zeo_tls->certificate, "/etc/zeolite/db1.pem");
  EXPECT_EQ(config->zeo_tls->key, "/srv/db1.key");
  EXPECT_EQ(config->zeo_tls->key_password, "/etc/zeolite/db1.pass");
  EXPECT_EQ(config->zeo_tls->client_ca, "/etc/zeolite/clients");
  EXPECT_EQ(config->handshake_timeout, std::chrono::seconds(1));
  EXPECT_EQ(config->progress_timeout, std::chrono::seconds(2));
  EXPECT_EQ(config->vote_timeout, std::chrono::minutes(3));
  EXPECT_EQ(config->lock_timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(config->group_wait_max, Duration{0});
}

struct BadConfig {
  std::string name;
  std::string text;
  std::string error;  // a part of the detail
};

void PrintTo(const BadConfig& bad, std::ostream* out) { *out << bad.name; }

class BadConfigFile : public ::testing::TestWithParam<BadConfig> {};

TEST_P(BadConfigFile, IsRefusedWithPlaceAndReason) {
  const Result<ServerConfig> config = parse(GetParam().text);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(config.error().detail, HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    ConfigFile, BadConfigFile,
    ::testing::Values(
        BadConfig{"NotToml", "name = \n", "z.toml:1:"},
        BadConfig{"UnknownKey", "\n  nam = 'x'\n",
                  "z.toml:2:3: unknown key 'nam'; did you mean 'name'?"},
        BadConfig{"UnknownKeyInTable", "[timeouts]\nlokc = '1 s'\n",
                  "z.toml:2:1: unknown key 'lokc' in [timeouts]; did you mean 'lock'?"},
        BadConfig{"UnknownKeyLikeNoOther", "[threads]\nelephants = 1\n",
                  "unknown key 'elephants' in [threads]; expected one of io, read"},
        BadConfig{"NoWayToStandBy", "[zeo]\nstandby = 'wait'\n",
                  "z.toml:2:11: expected \"refuse\" or \"park\""},
        BadConfig{"TlsWithoutCertificate", "[zeo_tls]\nkey = 'x'\n",
                  "z.toml:1:1: [zeo_tls] has no certificate"},
        BadConfig{"UnknownTable", "[limit]\n", "unknown key 'limit'; did you mean 'limits'?"},
        BadConfig{"EmptyName", "name = ''", "z.toml:1:8: expected a text that is not empty"},
        BadConfig{"NameIsNumber", "name = 3", "expected a text"},
        BadConfig{"TableIsValue", "threads = 3", "expected a table: [threads]"},
        BadConfig{"BadAddress", "[listen]\nnative = 'here:x'", "'here:x' is not an address"},
        BadConfig{"IntegerIsText", "[threads]\nio = 'two'", "expected an integer from 0 to 256"},
        BadConfig{"IntegerTooLarge", "[threads]\nread = 1000", "expected an integer from 1"},
        BadConfig{"SizeWithBadUnit", "[memory]\nmemtable = '3 apples'", "expected a size"},
        BadConfig{"OutboundBelowTwoFrames", "[limits]\nframe = '4 MiB'\noutbound = '7 MiB'",
                  "z.toml:1:1: 'outbound' is 7340032 bytes; it must be at least twice 'frame': "
                  "8388608"},
        BadConfig{"BuffersBelowOutbound", "[limits]\nbuffers = '100 MiB'",
                  "'buffers' is 104857600 bytes; it must be at least 'outbound': 134217728"},
        BadConfig{"FrameAboveHalfOfTheUsualOutbound", "[limits]\nframe = '65 MiB'",
                  "must be at least twice 'frame': 136314880"},
        BadConfig{"SizeTooSmall", "[limits]\nframe = 1", "expected a size from 65536 to"},
        BadConfig{"SizeNegative", "[limits]\nframe = -1", "expected a size from"},
        BadConfig{"TimeWithoutUnit", "[timeouts]\nvote = 3", "expected a time with its unit"},
        BadConfig{"TimeTooLong", "[timeouts]\nvote = '9 h'", "expected a time from 1000 us"},
        BadConfig{"StorageIsTable", "[storage]\nname = 'x'", "expected a list of tables"},
        BadConfig{"StorageWithoutDirectory", "[[storage]]\nname = 'x'", "has no directory"},
        BadConfig{"StorageTwice", "[[storage]]\ndirectory = 'a'\n[[storage]]\ndirectory = 'b'",
                  "z.toml:3:1: there are two storages named 'main'"},
        BadConfig{"StorageNameWithComma", "[[storage]]\nname = 'a,b'\ndirectory = 'a'",
                  "z.toml:2:8: the name of a storage has no comma"},
        BadConfig{"StorageNameWithSlash", "[[storage]]\nname = '../b'\ndirectory = 'a'",
                  "z.toml:2:8: the name of a storage has no comma"},
        BadConfig{"StorageNameOfTwoLines", "[[storage]]\nname = \"a\\nb\"\ndirectory = 'a'",
                  "z.toml:2:8: the name of a storage has no comma"},
        BadConfig{"DirectoryTwice",
                  "[[storage]]\ndirectory = 'a'\n[[storage]]\nname = 'b'\ndirectory = './a'",
                  "two storages have the directory /etc/zeolite/a"}),
    [](const auto& param) { return param.param.name; });

TEST(ConfigFile, MissingFileIsAnErrorWithItsName) {
  const Result<ServerConfig> config = read_config_file("/nonexistent/z.toml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, ErrorCode::io_error);
  EXPECT_THAT(config.error().detail, HasSubstr("/nonexistent/z.toml: No such file"));
}

TEST(ConfigFile, DirectoriesAreRelativeToTheFile) {
  const std::filesystem::path path =
      std::filesystem::path(::testing::TempDir()) / "zeolite_config_file_test.toml";
  std::ofstream(path) << "[[storage]]\ndirectory = 'data'\n";
  const Result<ServerConfig> config = read_config_file(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(config) << config.error().detail;
  EXPECT_EQ(config->storages.at(0).directory, path.parent_path() / "data");
}

}  // namespace
}  // namespace zeolite::daemon
