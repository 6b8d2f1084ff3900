#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>

#include "cli/help_text.h"
#include "cli/pack_command.h"
#include "etcd/etcd_client.h"

namespace zeolite::cli {

namespace {

// A mistake in an option's value; CLI11 turns it into its own error, with the option's name.
[[noreturn]] void reject(const std::string& what) { throw CLI::ValidationError(what); }

std::uint64_t hex_id(const std::string& option, const std::string& text) {
  const std::optional<std::uint64_t> value = parse_hex_u64(text);
  if (!value) {
    reject(option + ": '" + text + "' is not an id; expected 1 to 16 hexadecimal digits");
  }
  return *value;
}

// PATH of "filestorage:PATH".
std::string file_storage_path(const std::string& text, const std::string& what) {
  constexpr std::string_view kScheme = "filestorage:";
  if (!text.starts_with(kScheme) || text.size() == kScheme.size()) {
    reject("'" + text + "' is not " + what + "; expected filestorage:PATH");
  }
  return text.substr(kScheme.size());
}

void take_addresses(const std::vector<std::string>& texts, std::vector<net::HostPort>& at) {
  if (texts.empty()) return;
  at.clear();
  for (const std::string& text : texts) {
    Result<std::vector<net::HostPort>> parsed = net::parse_host_ports(text);
    if (!parsed) reject("--at: " + parsed.error().detail);
    std::ranges::move(*parsed, std::back_inserter(at));
  }
}

// The texts behind options that need a second look once everything is read.
struct TargetTexts {
  std::vector<std::string> at;
  std::optional<double> timeout_s;
};

// A range that the help does not spell out; the message of a value outside of it does.
template <typename T>
CLI::Validator within(T from, T to) {
  const auto check = [from, to](const std::string& text) -> std::string {
    T value{};
    // Said this way round it does not hold for `nan`.
    if (CLI::detail::lexical_cast(text, value) && value >= from && value <= to) return {};
    return "'" + text + "' is not a number from " + CLI::detail::to_string(from) + " to " +
           CLI::detail::to_string(to);
  };
  return {check, ""};
}

// An empty value is mostly a variable that somebody's script did not set.
CLI::Validator not_empty() {
  const auto check = [](const std::string& text) -> std::string {
    return text.empty() ? "the value is empty" : "";
  };
  return {check, ""};
}

void add_json(CLI::App& app, bool& json) {
  app.add_flag("--json", json, "print the result as JSON");
}

void add_target(CLI::App& app, Target& target, TargetTexts& texts) {
  app.add_option("--at", texts.at,
                 "the server's native port (127.0.0.1:8090); several addresses, repeated or with "
                 "commas, for the nodes of one cluster")
      ->allow_extra_args(false)
      ->type_name("H:P");
  app.add_option("--storage", target.storage, "name of the storage in that server (main)")
      ->type_name("NAME")
      ->check(not_empty());
  app.add_option("--timeout", texts.timeout_s, "give up waiting for an answer after this (10 s)")
      ->type_name("SECONDS")
      ->check(within(0.001, 86'400.0));
}

void take_target(const TargetTexts& texts, Target& target) {
  take_addresses(texts.at, target.at);
  if (texts.timeout_s) {
    target.timeout = std::chrono::microseconds(std::llround(*texts.timeout_s * 1e6));
  }
}

// One parse: the options being filled in, and the texts that finish() turns into values.
class Parser {
 public:
  Parser() {
    app_.require_subcommand(1);
    app_.footer(std::string(kMainFooter));
    add_serve();
    add_status();
    add_load();
    add_log();
    add_import();
    add_export();
    add_verify();
    add_pack();
    add_promote();
    add_switchover();
    add_demote();
    add_divergence();
    add_bench();
    add_version();
  }

  std::variant<Command, NoCommand> parse(std::vector<std::string> args) {
    if (args.empty()) return NoCommand{ExitCode::usage, app_.help()};
    if (args.front() == "--version") args.front() = "version";
    const std::string first = args.front();
    if (!first.starts_with('-') && !paragraphs_.contains(first)) {
      return NoCommand{ExitCode::usage,
                       "zeolite: there is no command '" + first + "'; see zeolite --help"};
    }
    std::ranges::reverse(args);  // as CLI11 wants them
    try {
      app_.parse(std::move(args));
      return finish_();
    } catch (const CLI::CallForHelp&) {
      for (CLI::App* sub : app_.get_subcommands()) {
        sub->description(std::string(paragraphs_.at(sub->get_name())));
      }
      return NoCommand{ExitCode::done, app_.help()};
    } catch (const CLI::ParseError& error) {
      const std::string name = first.starts_with('-') ? "" : " " + first;
      return NoCommand{ExitCode::usage, "zeolite" + name + ": " + one_line(error.what()) +
                                            "; see zeolite" + name + " --help"};
    }
  }

 private:
  static std::string one_line(std::string text) {
    std::ranges::replace(text, '\n', ' ');
    while (text.ends_with(' ') || text.ends_with('.')) text.pop_back();
    return text;
  }

  CLI::App& command(const std::string& name, const CommandHelp& help,
                    std::function<Command()> finish) {
    CLI::App& sub = *app_.add_subcommand(name, std::string(help.summary));
    sub.footer(std::string(help.examples));
    sub.callback([this, finish = std::move(finish)] { finish_ = finish; });
    paragraphs_.emplace(name, help.paragraph);
    return sub;
  }

  void add_serve() {
    CLI::App& sub = command("serve", kServeHelp, [this] {
      take_replication();
      if (native_) {
        Result<net::HostPort> address = net::parse_host_port(*native_);
        if (!address) reject("--native: " + address.error().detail);
        serve_.native = *address;
      }
      if (zeo_) {
        Result<net::ListenAddress> address = net::parse_listen_address(*zeo_);
        if (!address) reject("--zeo: " + address.error().detail);
        serve_.zeo = *address;
      }
      if (zeo_read_) {
        Result<net::ListenAddress> address = net::parse_listen_address(*zeo_read_);
        if (!address) reject("--zeo-read: " + address.error().detail);
        serve_.zeo_read = *address;
      }
      if (!serve_.data && !serve_.config) {
        reject("say where the data is: --data DIR, or --config FILE with a [[storage]]");
      }
      return Command(serve_);
    });
    sub.add_option("--data", serve_.data, "directory of the storage `main`; made when missing")
        ->type_name("DIR")
        ->check(not_empty());
    sub.add_option("--config", serve_.config, "configuration file, docs/configuration.md")
        ->type_name("FILE")
        ->check(not_empty());
    sub.add_option("--name", serve_.name, "name of this node in logs and status (node)")
        ->type_name("NODE")
        ->check(not_empty());
    sub.add_option("--native", native_,
                   "listen here for the native protocol (127.0.0.1:8090); port 0 picks one")
        ->type_name("H:P");
    sub.add_option("--zeo", zeo_,
                   "listen here for ZEO clients (127.0.0.1:8100), or on a Unix socket, unix:PATH")
        ->type_name("H:P");
    sub.add_option("--zeo-read", zeo_read_,
                   "the same for ZEO clients that only read (127.0.0.1:8101); also on a standby")
        ->type_name("H:P");
    add_zeo_tls(sub);
    sub.add_flag("--zeo-msgpack", serve_.zeo_msgpack,
                 "offer ZEO clients msgpack; they need the Python package msgpack then");
    sub.add_flag("--zeo-read-only", serve_.zeo_read_only, "ZEO clients may only read");
    sub.add_option("--zeo-standby", serve_.zeo_standby,
                   "what --zeo does while this is a standby: refuse clients (default), or park: "
                   "take them, and greet them once this is the primary")
        ->check(CLI::IsMember({"refuse", "park"}));
    sub.add_option("--zeo-invalidation-limit", serve_.zeo_invalidation_limit,
                   "a ZEO client that missed more transactions drops its cache (no limit)")
        ->type_name("N");
    sub.add_option("--vote-timeout", serve_.vote_timeout_s,
                   "seconds from vote to finish, before a client is disconnected (60)")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.001, 3600.0));
    sub.add_option("--storage-name", serve_.storage_name, "name of the storage in --data (main)")
        ->type_name("NAME")
        ->check(not_empty());
    sub.add_option("--blob-dir", serve_.blobs,
                   "where the blobs of --data are, in ZODB's bushy layout (DIR/blobs)")
        ->type_name("DIR")
        ->check(not_empty());
    sub.add_flag("--no-blobs", serve_.no_blobs, "the storage of --data keeps no blobs");
    sub.add_flag("--no-pack-gc", serve_.no_pack_gc,
                 "packs that ZEO clients start remove old history only, no garbage");
    add_replication(sub);
    sub.add_option("--log-level", serve_.log_level, "debug, info, warning or error (info)")
        ->check(CLI::IsMember({"debug", "info", "warning", "error"}));
  }

  void add_zeo_tls(CLI::App& sub) {
    const auto add = [&](const char* name, std::filesystem::path& file, const char* help,
                         const char* type = "FILE") {
      sub.add_option(name, file, help)->type_name(type)->check(not_empty());
    };
    tls::TlsFiles& files = serve_.zeo_tls;
    add("--zeo-tls-certificate", files.certificate,
        "both ZEO ports speak TLS, with this certificate and its chain (PEM)");
    add("--zeo-tls-key", files.key, "its private key (PEM); else it is in the certificate's file");
    add("--zeo-tls-key-password", files.key_password,
        "the first line of this file is the passphrase of the key");
    add("--zeo-tls-client-ca", files.client_ca,
        "clients must have a certificate that is here, or from an authority that is (PEM, or a "
        "directory as openssl rehash makes it)",
        "FILE|DIR");
  }

  void add_replication(CLI::App& sub) {
    sub.add_option("--standby-of", standby_of_,
                   "follow the server there, on its native port, until promoted")
        ->type_name("H:P");
    sub.add_option("--etcd", etcd_, "elect who is primary through these etcd members")
        ->type_name("URL,URL");
    sub.add_option("--cluster", serve_.cluster, "name of the cluster in etcd (main)")
        ->type_name("NAME")
        ->check(not_empty());
    sub.add_option("--advertise", advertise_,
                   "the native port as other servers and clients reach it (as it listens)")
        ->type_name("H:P");
    sub.add_option(
           "--durability", serve_.durability,
           "local: a commit is acknowledged when it is on this disk; standby (default): when "
           "it is also on those of the standbys that are up to date")
        ->check(CLI::IsMember({"local", "standby"}));
    sub.add_flag("--strict", serve_.strict, "commits wait when there is no standby");
    sub.add_option("--lease", serve_.lease_s,
                   "seconds after which a primary that is not heard of is replaced (3)")
        ->type_name("SECONDS")
        ->check(CLI::Range(2.0, 600.0));
    sub.add_flag("--supervise", serve_.supervise,
                 "a parent process watches the server; when it dies, its lease ends at once");
  }

  void take_replication() {
    if (standby_of_) {
      Result<net::HostPort> address = net::parse_host_port(*standby_of_);
      if (!address) reject("--standby-of: " + address.error().detail);
      serve_.standby_of = *address;
    }
    if (advertise_) {
      Result<net::HostPort> address = net::parse_host_port(*advertise_);
      if (!address) reject("--advertise: " + address.error().detail);
      serve_.advertise = *address;
    }
    if (etcd_) {
      auto endpoints = etcd::parse_endpoints(*etcd_);
      if (!endpoints) reject("--etcd: " + endpoints.error().detail);
      serve_.etcd = *std::move(endpoints);
    }
    if (etcd_ && standby_of_) {
      reject("--standby-of and --etcd exclude each other: with etcd, who follows whom is elected");
    }
    if (serve_.strict && serve_.durability == "local") {
      reject("--strict is for --durability standby");
    }
  }

  void add_promote() {
    CLI::App& sub = command("promote", kPromoteHelp, [this] {
      take_target(texts_, promote_.target);
      return Command(promote_);
    });
    add_target(sub, promote_.target, texts_);
    sub.add_flag("--force", promote_.force,
                 "also while its primary is alive, or when acknowledged commits may be missing");
    add_json(sub, promote_.json);
  }

  void add_switchover() {
    CLI::App& sub = command("switchover", kSwitchoverHelp, [this] {
      take_target(texts_, switchover_.target);
      return Command(switchover_);
    });
    add_target(sub, switchover_.target, texts_);
    sub.add_option("--to", switchover_.to, "name of the standby (the one that is furthest)")
        ->type_name("NODE");
    sub.add_option("--within", switchover_.timeout_ms,
                   "milliseconds after which it is given up (10000)")
        ->type_name("MS")
        ->check(CLI::Range(1, 600'000));
    add_json(sub, switchover_.json);
  }

  void add_demote() {
    CLI::App& sub = command("demote", kDemoteHelp, [this] {
      take_target(texts_, demote_.target);
      return Command(demote_);
    });
    add_target(sub, demote_.target, texts_);
    add_json(sub, demote_.json);
  }

  void add_divergence() {
    CLI::App& sub = command("divergence", kDivergenceHelp, [this] {
      const bool replay = kind_ == "replay";
      if (!replay && kind_ != "show") {
        reject("there is no divergence '" + kind_ + "'; expected show or replay");
      }
      if (!replay && (!texts_.at.empty() || texts_.timeout_s || divergence_.dry_run)) {
        reject("show reads files and asks no server: --at, --timeout and --dry-run are for replay");
      }
      using What = DivergenceOptions::What;
      divergence_.what = replay ? What::replay : What::show;
      take_target(texts_, divergence_.target);
      return Command(divergence_);
    });
    sub.add_option("WHAT", kind_, "show or replay")->required();
    sub.add_option("PATH", divergence_.path, "a file FILE.zdiv; show: or the directory of such")
        ->required()
        ->check(not_empty());
    add_target(sub, divergence_.target, texts_);
    sub.add_flag("--dry-run", divergence_.dry_run, "tell what would be replayed, commit nothing");
    add_json(sub, divergence_.json);
  }

  void add_status() {
    CLI::App& sub = command("status", kStatusHelp, [this] {
      take_target(texts_, status_.target);
      return Command(status_);
    });
    add_target(sub, status_.target, texts_);
    add_json(sub, status_.json);
  }

  void add_load() {
    CLI::App& sub = command("load", kLoadHelp, [this] {
      take_target(texts_, load_.target);
      load_.oid = Oid(hex_id("OID", oid_));
      if (!before_.empty()) load_.before = Tid(hex_id("--before", before_));
      return Command(load_);
    });
    add_target(sub, load_.target, texts_);
    sub.add_option("OID", oid_, "object id, 1 to 16 hexadecimal digits; 0 is the root")->required();
    sub.add_option("--before", before_, "the newest revision older than this transaction")
        ->type_name("TID");
    add_json(sub, load_.json);
  }

  void add_log() {
    CLI::App& sub = command("log", kLogHelp, [this] {
      take_target(texts_, log_.target);
      if (!since_.empty()) log_.since = Tid(hex_id("--since", since_));
      return Command(log_);
    });
    add_target(sub, log_.target, texts_);
    sub.add_option("--since", since_, "only transactions after this one")->type_name("TID");
    sub.add_flag("--follow", log_.follow, "go on with new transactions as they are committed");
    add_json(sub, log_.json);
  }

  void add_import() {
    CLI::App& sub = command("import", kImportHelp, [this] {
      import_.source = file_storage_path(file_storage_, "a source");
      if (!texts_.at.empty()) {
        reject("a running server cannot import; stop it and use --data with its directory");
      }
      if (!import_.data && !import_.dry_run) reject("--data DIR is required (or --dry-run)");
      return Command(import_);
    });
    sub.add_option("SOURCE", file_storage_, "filestorage:PATH of a Data.fs file")->required();
    sub.add_option("--data", import_.data, "directory to import into; made when missing")
        ->type_name("DIR")
        ->check(not_empty());
    sub.add_option("--blobs", import_.blobs, "the blob directory of the file (blobs are left out)")
        ->type_name("DIR");
    sub.add_flag("--allow-missing-blobs", import_.allow_missing_blobs,
                 "import blob records whose file is not there");
    sub.add_option("--at", texts_.at, "not possible in this version")
        ->allow_extra_args(false)
        ->group("");
    sub.add_flag("--dry-run", import_.dry_run, "read and check the file, write nothing");
    sub.add_flag("--incremental", import_.incremental,
                 "go on where an earlier import of the same file ended");
    add_json(sub, import_.json);
  }

  void add_export() {
    CLI::App& sub = command("export", kExportHelp, [this] {
      export_.destination = file_storage_path(file_storage_, "a destination");
      if (export_.data && !texts_.at.empty()) reject("give either --data or --at, not both");
      if (!export_.data && texts_.at.empty()) {
        reject("say what to export: --data DIR (server stopped) or --at HOST:PORT");
      }
      take_target(texts_, export_.target);
      return Command(export_);
    });
    sub.add_option("DESTINATION", file_storage_, "filestorage:PATH of the Data.fs file to write")
        ->required();
    sub.add_option("--data", export_.data, "data directory of a stopped server")->type_name("DIR");
    sub.add_option("--blobs", export_.blobs, "write the blobs' files here (they are left out)")
        ->type_name("DIR");
    add_target(sub, export_.target, texts_);
    sub.add_flag("--force", export_.force, "replace a file that is there");
    sub.add_flag("--python2", export_.python2, "for a ZODB that runs on Python 2 (magic FS21)");
    add_json(sub, export_.json);
  }

  void add_verify() {
    CLI::App& sub = command("verify", kVerifyHelp, [this] {
      if (verify_.data && !texts_.at.empty()) reject("give either --data or --at, not both");
      if (!verify_.data && texts_.at.empty()) {
        reject("say what to verify: --data DIR (server stopped) or --at HOST:PORT");
      }
      take_target(texts_, verify_.target);
      return Command(verify_);
    });
    sub.add_option("--data", verify_.data, "data directory of a stopped server")
        ->type_name("DIR")
        ->check(not_empty());
    add_target(sub, verify_.target, texts_);
    add_json(sub, verify_.json);
  }

  void add_pack() {
    CLI::App& sub = command("pack", kPackHelp, [this] {
      if (pack_.days.has_value() == pack_before_.has_value()) {
        reject("say up to when: either --before TIME or --days N");
      }
      if (pack_before_) {
        const Result<Tid> before = parse_point_in_time(*pack_before_);
        if (!before) reject("--before: " + before.error().detail);
        pack_.before = *before;
      }
      pack_.collect_garbage = !no_gc_;
      take_target(texts_, pack_.target);
      return Command(pack_);
    });
    add_target(sub, pack_.target, texts_);
    sub.add_option("--before", pack_before_, "keep what is needed as of this time (UTC), or tid")
        ->type_name("TIME");
    sub.add_option("--days", pack_.days, "the same: so many days ago")
        ->type_name("N")
        ->check(CLI::Range(0.0, 100'000.0));
    sub.add_flag("--no-gc", no_gc_, "keep objects that nothing refers to");
    sub.add_flag("--dry-run", pack_.dry_run, "tell what would be removed, remove nothing");
    add_json(sub, pack_.json);
  }

  void add_bench() {
    static const std::map<std::string, BenchKind> kKinds{{"commit", BenchKind::commit},
                                                         {"load", BenchKind::load},
                                                         {"mixed", BenchKind::mixed},
                                                         {"invalidate", BenchKind::invalidate},
                                                         {"ping", BenchKind::ping}};
    CLI::App& sub = command("bench", kBenchHelp, [this] {
      const auto kind = kKinds.find(kind_);
      if (kind == kKinds.end()) {
        reject("there is no bench '" + kind_ + "'; expected commit, load, mixed, invalidate, ping");
      }
      bench_.kind = kind->second;
      take_target(texts_, bench_.target);
      return Command(bench_);
    });
    sub.add_option("KIND", kind_, "commit, load, mixed, invalidate or ping")->required();
    add_target(sub, bench_.target, texts_);
    sub.add_option("--clients", bench_.clients, "connections, one request under way on each (1)")
        ->type_name("N")
        ->check(within(1, 20'000));
    sub.add_option("--seconds", bench_.seconds, "how long to measure (10)")
        ->type_name("S")
        ->check(within(0.01, 1e6));
    sub.add_option("--size", bench_.size, "bytes of a record, or of a ping (300)")
        ->type_name("BYTES")
        ->check(within(1, 16 << 20));
    sub.add_option("--objects", bench_.objects, "different objects, all clients together (10000)")
        ->type_name("N")
        ->check(within(1, 10'000'000));
    add_json(sub, bench_.json);
  }

  void add_version() {
    CLI::App& sub = command("version", kVersionHelp, [this] { return Command(version_); });
    add_json(sub, version_.json);
  }

  CLI::App app_{std::string(kMainHelp), "zeolite"};
  std::map<std::string, std::string_view> paragraphs_;
  std::function<Command()> finish_;

  ServeOptions serve_;
  StatusOptions status_;
  LoadOptions load_;
  LogOptions log_;
  ImportOptions import_;
  ExportOptions export_;
  VerifyOptions verify_;
  PackOptions pack_;
  std::optional<std::string> pack_before_;
  bool no_gc_ = false;
  BenchOptions bench_;
  VersionOptions version_;
  TargetTexts texts_;
  std::optional<std::string> native_;
  std::optional<std::string> zeo_read_;
  std::optional<std::string> standby_of_;
  std::optional<std::string> advertise_;
  std::optional<std::string> etcd_;
  PromoteOptions promote_;
  SwitchoverOptions switchover_;
  DemoteOptions demote_;
  DivergenceOptions divergence_;
  std::optional<std::string> zeo_;
  std::string oid_, before_, since_, file_storage_, kind_;
};

}  // namespace

std::variant<Command, NoCommand> parse_command_line(std::vector<std::string> args) {
  return Parser().parse(std::move(args));
}

}  // namespace zeolite::cli
