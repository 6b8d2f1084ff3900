#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <ostream>
#include <string>
#include <vector>

namespace zeolite::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Args = std::vector<std::string>;

template <typename Options>
Options parse(const Args& args) {
  const std::variant<Command, NoCommand> parsed = parse_command_line(args);
  if (const auto* nothing = std::get_if<NoCommand>(&parsed)) ADD_FAILURE() << nothing->text;
  return std::get<Options>(std::get<Command>(parsed));
}

NoCommand refuse(const Args& args) {
  const std::variant<Command, NoCommand> parsed = parse_command_line(args);
  if (!std::holds_alternative<NoCommand>(parsed)) {
    ADD_FAILURE() << "was accepted";
    return {};
  }
  return std::get<NoCommand>(parsed);
}

TEST(CommandLine, ServeTakesItsOptions) {
  const auto serve = parse<ServeOptions>({"serve", "--data", "d", "--config", "c.toml", "--name",
                                          "db1", "--native", "0.0.0.0:0", "--durability", "local",
                                          "--log-level", "warning", "--zeo-standby", "park"});
  EXPECT_EQ(serve.data, "d");
  EXPECT_EQ(serve.config, "c.toml");
  EXPECT_EQ(serve.name, "db1");
  ASSERT_TRUE(serve.native);
  EXPECT_EQ(serve.native->to_string(), "0.0.0.0:0");
  EXPECT_EQ(serve.log_level, "warning");
  EXPECT_EQ(serve.zeo_standby, "park");
}

TEST(CommandLine, ServeTakesTheFilesForTls) {
  const auto serve =
      parse<ServeOptions>({"serve", "--data", "d", "--zeo-tls-certificate", "a", "--zeo-tls-key",
                           "b", "--zeo-tls-key-password", "c", "--zeo-tls-client-ca", "d"});
  EXPECT_EQ(serve.zeo_tls.certificate, "a");
  EXPECT_EQ(serve.zeo_tls.key, "b");
  EXPECT_EQ(serve.zeo_tls.key_password, "c");
  EXPECT_EQ(serve.zeo_tls.client_ca, "d");
}

TEST(CommandLine, ServeNeedsNoMoreThanData) {
  const auto serve = parse<ServeOptions>({"serve", "--data", "d"});
  EXPECT_FALSE(serve.config);
  EXPECT_FALSE(serve.native);
  EXPECT_EQ(serve.log_level, "info");
}

TEST(CommandLine, ClientCommandsHaveADefaultTarget) {
  const auto status = parse<StatusOptions>({"status"});
  ASSERT_EQ(status.target.at.size(), 1U);
  EXPECT_EQ(status.target.at[0].to_string(), "127.0.0.1:8090");
  EXPECT_EQ(status.target.storage, "main");
  EXPECT_FALSE(status.target.timeout);
  EXPECT_FALSE(status.json);
}

TEST(CommandLine, AddressesMayBeRepeatedOrListed) {
  const auto status = parse<StatusOptions>({"status", "--at", "a:1,b:2", "--at", "c:3", "--storage",
                                            "temp", "--timeout", "0.5", "--json"});
  ASSERT_EQ(status.target.at.size(), 3U);
  EXPECT_EQ(status.target.at[1].to_string(), "b:2");
  EXPECT_EQ(status.target.at[2].to_string(), "c:3");
  EXPECT_EQ(status.target.storage, "temp");
  EXPECT_EQ(status.target.timeout, std::chrono::milliseconds(500));
  EXPECT_TRUE(status.json);
}

TEST(CommandLine, LoadTakesAnOidAfterTheAddress) {
  const auto load = parse<LoadOptions>({"load", "--at", "a:1", "2a"});
  EXPECT_EQ(load.oid, Oid(0x2a));
  EXPECT_EQ(load.before, kMaxTid);
  const auto before = parse<LoadOptions>({"load", "0", "--before", "0x0352f5a1c3d4e5f6"});
  EXPECT_EQ(before.oid, Oid(0));
  EXPECT_EQ(before.before, Tid(0x0352f5a1c3d4e5f6));
}

TEST(CommandLine, LogTakesSinceAndFollow) {
  const auto log = parse<LogOptions>({"log", "--since", "10", "--follow", "--json"});
  EXPECT_EQ(log.since, Tid(0x10));
  EXPECT_TRUE(log.follow);
  EXPECT_TRUE(log.json);
}

TEST(CommandLine, ImportTakesAFileStorage) {
  const auto import =
      parse<ImportOptions>({"import", "filestorage:/a b/Data.fs", "--data", "d", "--incremental"});
  EXPECT_EQ(import.source, "/a b/Data.fs");
  EXPECT_EQ(import.data, "d");
  EXPECT_TRUE(import.incremental);
  EXPECT_FALSE(import.dry_run);
  EXPECT_FALSE(parse<ImportOptions>({"import", "filestorage:x", "--dry-run"}).data);
}

TEST(CommandLine, ExportTakesAFileStorageAndADirectoryOrAServer) {
  const auto from_data =
      parse<ExportOptions>({"export", "filestorage:/a b/Data.fs", "--data", "d", "--force"});
  EXPECT_EQ(from_data.destination, "/a b/Data.fs");
  EXPECT_EQ(from_data.data, "d");
  EXPECT_TRUE(from_data.force);
  EXPECT_FALSE(from_data.python2);
  const auto from_server =
      parse<ExportOptions>({"export", "filestorage:x", "--at", "db1:8090", "--python2"});
  EXPECT_FALSE(from_server.data);
  EXPECT_EQ(from_server.target.at[0].host, "db1");
  EXPECT_TRUE(from_server.python2);
}

TEST(CommandLine, VerifyTakesADirectoryOrAServer) {
  EXPECT_EQ(parse<VerifyOptions>({"verify", "--data", "d"}).data, "d");
  const auto verify = parse<VerifyOptions>({"verify", "--at", "a:1"});
  EXPECT_FALSE(verify.data);
  EXPECT_EQ(verify.target.at[0].to_string(), "a:1");
}

TEST(CommandLine, DivergenceShowsFilesOrReplaysOneAtAServer) {
  const auto show = parse<DivergenceOptions>({"divergence", "show", "var/divergence", "--json"});
  EXPECT_EQ(show.what, DivergenceOptions::What::show);
  EXPECT_EQ(show.path, "var/divergence");
  EXPECT_TRUE(show.json);
  const auto replay = parse<DivergenceOptions>(
      {"divergence", "replay", "a.zdiv", "--at", "db1:8090,db2:8090", "--dry-run"});
  EXPECT_EQ(replay.what, DivergenceOptions::What::replay);
  EXPECT_EQ(replay.target.at.size(), 2U);
  EXPECT_TRUE(replay.dry_run);
}

TEST(CommandLine, BenchTakesItsKindAndSizes) {
  const auto bench = parse<BenchOptions>({"bench", "invalidate", "--clients", "200", "--seconds",
                                          "1.5", "--size", "100", "--objects", "7"});
  EXPECT_EQ(bench.kind, BenchKind::invalidate);
  EXPECT_EQ(bench.clients, 200U);
  EXPECT_EQ(bench.seconds, 1.5);
  EXPECT_EQ(bench.size, 100U);
  EXPECT_EQ(bench.objects, 7U);
  const auto defaults = parse<BenchOptions>({"bench", "ping"});
  EXPECT_EQ(defaults.kind, BenchKind::ping);
  EXPECT_EQ(defaults.size, 300U);
  EXPECT_EQ(defaults.objects, 10'000U);
}

TEST(CommandLine, VersionMayBeAFlag) {
  EXPECT_TRUE(parse<VersionOptions>({"version", "--json"}).json);
  EXPECT_FALSE(parse<VersionOptions>({"--version"}).json);
}

TEST(CommandLine, NothingShowsTheHelpAsUsage) {
  const NoCommand nothing = refuse({});
  EXPECT_EQ(nothing.exit_code, ExitCode::usage);
  EXPECT_THAT(nothing.text, HasSubstr("Exit codes"));
}

class CommandHelp : public ::testing::TestWithParam<std::string> {};

TEST_P(CommandHelp, TeachesWithExamples) {
  const NoCommand help = refuse({GetParam(), "--help"});
  EXPECT_EQ(help.exit_code, ExitCode::done);
  EXPECT_THAT(help.text, HasSubstr("Examples:\n  zeolite " + GetParam()));
  EXPECT_THAT(refuse({"--help"}).text, HasSubstr("\n  " + GetParam() + " "));
}

INSTANTIATE_TEST_SUITE_P(CommandLine, CommandHelp,
                         ::testing::Values("serve", "status", "load", "log", "import", "export",
                                           "verify", "pack", "promote", "switchover", "demote",
                                           "divergence", "bench", "version"),
                         [](const auto& param) { return param.param; });

struct BadCommand {
  std::string name;
  Args args;
  std::string error;  // a part of the text
};

void PrintTo(const BadCommand& bad, std::ostream* out) { *out << bad.name; }

class BadCommandLine : public ::testing::TestWithParam<BadCommand> {};

TEST_P(BadCommandLine, IsAUsageErrorInOneLine) {
  const NoCommand nothing = refuse(GetParam().args);
  EXPECT_EQ(nothing.exit_code, ExitCode::usage);
  EXPECT_THAT(nothing.text, HasSubstr(GetParam().error));
  EXPECT_THAT(nothing.text, HasSubstr("--help"));
  EXPECT_THAT(nothing.text, Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, BadCommandLine,
    ::testing::Values(
        BadCommand{"DivergenceOfNoKind", {"divergence", "diff", "x"}, "expected show or replay"},
        BadCommand{"DivergenceWithoutPath", {"divergence", "show"}, "PATH is required"},
        BadCommand{"DivergenceShownAtAServer",
                   {"divergence", "show", "x", "--at", "a:1"},
                   "are for replay"},
        BadCommand{"UnknownCommand", {"reign"}, "there is no command 'reign'"},
        BadCommand{"UnknownOption", {"status", "--colour"}, "zeolite status: "},
        BadCommand{"ServeWithoutData", {"serve"}, "--data DIR"},
        BadCommand{"ServeStandbyOf", {"serve", "--data", "d", "--standby-of", "x:y"}, "'x:y'"},
        BadCommand{"ServeElectsAndFollows",
                   {"serve", "--data", "d", "--standby-of", "a:1", "--etcd", "http://b:2379"},
                   "exclude each other"},
        BadCommand{"ServeHttps", {"serve", "--data", "d", "--etcd", "https://b:2379"}, "https"},
        BadCommand{"ServeStrictAlone",
                   {"serve", "--data", "d", "--durability", "local", "--strict"},
                   "--strict is for"},
        BadCommand{"ServeStandby", {"serve", "--data", "d", "--zeo-standby", "x"}, "--zeo-standby"},
        BadCommand{"ServeDurability", {"serve", "--data", "d", "--durability", "x"}, "durability"},
        BadCommand{"ServeNative", {"serve", "--data", "d", "--native", "x:y"}, "--native: 'x:y'"},
        BadCommand{"ServeEmptyNative", {"serve", "--data", "d", "--native", ""}, "--native: ''"},
        BadCommand{"ServeEmptyData", {"serve", "--data", ""}, "--data: the value is empty"},
        BadCommand{"ServeEmptyConfig", {"serve", "--config", ""}, "--config: the value is empty"},
        BadCommand{"ServeEmptyName", {"serve", "--data", "d", "--name", ""}, "--name"},
        BadCommand{"VerifyEmptyData", {"verify", "--data", ""}, "--data: the value is empty"},
        BadCommand{"EmptyStorage", {"status", "--storage", ""}, "--storage: the value is empty"},
        BadCommand{"ServeLogLevel", {"serve", "--data", "d", "--log-level", "all"}, "log-level"},
        BadCommand{"BadAddress", {"status", "--at", "a:1,b"}, "--at: 'b' is not an address"},
        BadCommand{"BadTimeout", {"status", "--timeout", "0"}, "timeout"},
        BadCommand{"NegativeTimeout", {"status", "--timeout", "-1"}, "--timeout: '-1' is not"},
        BadCommand{"TimeoutNoNumber", {"status", "--timeout", "nan"}, "--timeout: 'nan' is not"},
        BadCommand{"TimeoutWithoutEnd", {"status", "--timeout", "inf"}, "--timeout: 'inf' is not"},
        BadCommand{"BenchNoTime", {"bench", "ping", "--seconds", "nan"}, "--seconds: 'nan' is not"},
        BadCommand{"LoadWithoutOid", {"load"}, "OID"},
        BadCommand{"LoadBadOid", {"load", "xyz"}, "OID: 'xyz' is not an id"},
        BadCommand{"LoadBadTid", {"load", "0", "--before", "now"}, "--before: 'now' is not"},
        BadCommand{"LogBadTid", {"log", "--since", "00000000000000001"}, "--since"},
        BadCommand{"ImportBadSource", {"import", "Data.fs", "--data", "d"}, "filestorage:PATH"},
        BadCommand{"ImportNoPath", {"import", "filestorage:", "--data", "d"}, "filestorage:PATH"},
        BadCommand{"ImportNowhere", {"import", "filestorage:x"}, "--data DIR is required"},
        BadCommand{
            "ImportToServer", {"import", "filestorage:x", "--at", "a:1"}, "stop it and use --data"},
        BadCommand{"ExportBadPath", {"export", "Data.fs", "--data", "d"}, "filestorage:PATH"},
        BadCommand{"ExportNothing", {"export", "filestorage:x"}, "say what to export"},
        BadCommand{
            "ExportBoth", {"export", "filestorage:x", "--data", "d", "--at", "a:1"}, "not both"},
        BadCommand{"VerifyNothing", {"verify"}, "say what to verify"},
        BadCommand{"VerifyBoth", {"verify", "--data", "d", "--at", "a:1"}, "not both"},
        BadCommand{"BenchWithoutKind", {"bench"}, "KIND"},
        BadCommand{"BenchBadKind", {"bench", "fast"}, "there is no bench 'fast'"},
        BadCommand{"BenchNoClients", {"bench", "ping", "--clients", "0"}, "clients"}),
    [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace zeolite::cli
