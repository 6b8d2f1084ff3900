#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "cli/exit_code.h"
#include "model/ids.h"
#include "net/address.h"
#include "tls/tls_context.h"

namespace zeolite::cli {

// Which server, and how long to wait for it: the options that all commands of a client share.
struct Target {
  std::vector<net::HostPort> at{{.host = "127.0.0.1", .port = 8090}};
  std::string storage = "main";
  std::optional<Duration> timeout;  // nothing: the command's own default
};

struct ServeOptions {
  std::optional<std::filesystem::path> data;
  std::optional<std::filesystem::path> config;
  std::optional<std::string> name;
  std::optional<net::HostPort> native;
  std::optional<net::ListenAddress> zeo;
  std::optional<net::ListenAddress> zeo_read;
  std::optional<net::HostPort> standby_of;
  std::vector<net::HostPort> etcd;
  std::optional<std::string> cluster;
  std::optional<net::HostPort> advertise;
  std::optional<std::string> durability;  // local or standby
  bool strict = false;
  std::optional<double> lease_s;
  bool supervise = false;
  bool zeo_msgpack = false;
  bool zeo_read_only = false;
  tls::TlsFiles zeo_tls;                              // what is not empty was named
  std::optional<std::string> zeo_standby;             // "refuse" or "park"
  std::optional<std::size_t> zeo_invalidation_limit;  // transactions
  std::optional<double> vote_timeout_s;
  std::optional<std::string> storage_name;  // of the storage in --data
  std::optional<std::filesystem::path> blobs = {};
  bool no_blobs = false;
  bool no_pack_gc = false;
  std::string log_level = "info";
};

struct StatusOptions {
  Target target;
  bool json = false;
};

struct LoadOptions {
  Target target;
  Oid oid;
  Tid before = kMaxTid;
  bool json = false;
};

struct LogOptions {
  Target target;
  Tid since;  // exclusive
  bool follow = false;
  bool json = false;
};

struct ImportOptions {
  std::filesystem::path source;
  std::optional<std::filesystem::path> data;        // set, unless dry_run
  std::optional<std::filesystem::path> blobs = {};  // a directory that ZODB wrote
  bool allow_missing_blobs = false;
  bool dry_run = false;
  bool incremental = false;
  bool json = false;
};

struct ExportOptions {
  std::filesystem::path destination;
  std::optional<std::filesystem::path> blobs = {};  // only with data
  std::optional<std::filesystem::path> data;        // not set: ask the server
  Target target;
  bool force = false;
  bool python2 = false;
  bool json = false;
};

struct VerifyOptions {
  std::optional<std::filesystem::path> data;  // not set: ask the server
  Target target;
  bool json = false;
};

struct PackOptions {
  Target target;
  Tid before;                  // unless `days`
  std::optional<double> days;  // so many days of history are kept
  bool collect_garbage = true;
  bool dry_run = false;
  bool json = false;
};

struct PromoteOptions {
  Target target;
  bool force = false;
  bool json = false;
};

struct SwitchoverOptions {
  Target target;
  std::string to;  // name of a standby; empty: whichever is in sync
  std::uint32_t timeout_ms = 10'000;
  bool json = false;
};

struct DemoteOptions {
  Target target;
  bool json = false;
};

struct DivergenceOptions {
  enum class What : std::uint8_t {
    show,
    replay
  } what = What::show;
  std::filesystem::path path;  // show: also a directory with such files
  Target target;               // replay only
  bool dry_run = false;
  bool json = false;
};

enum class BenchKind : std::uint8_t {
  commit,
  load,
  mixed,
  invalidate,
  ping
};

struct BenchOptions {
  BenchKind kind = BenchKind::commit;
  Target target;
  std::uint32_t clients = 1;
  double seconds = 10;
  std::uint32_t size = 300;        // bytes of a record or a ping
  std::uint32_t objects = 10'000;  // all clients together
  bool json = false;
};

struct VersionOptions {
  bool json = false;
};

using Command =
    std::variant<ServeOptions, StatusOptions, LoadOptions, LogOptions, ImportOptions, ExportOptions,
                 VerifyOptions, PackOptions, PromoteOptions, SwitchoverOptions, DemoteOptions,
                 DivergenceOptions, BenchOptions, VersionOptions>;

// There is no command to run: help was asked for (done), or the command line is wrong (usage).
struct NoCommand {
  ExitCode exit_code = ExitCode::usage;
  std::string text;  // help for standard output, or one line for standard error
};

// Understands the arguments, without the program's name.
[[nodiscard]] std::variant<Command, NoCommand> parse_command_line(std::vector<std::string> args);

}  // namespace zeolite::cli
