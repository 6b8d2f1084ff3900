#include "cli/serve_command.h"

#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "cli/output.h"
#include "cli/process.h"
#include "cli/supervisor.h"
#include "daemon/config_file.h"
#include "daemon/server.h"

namespace zeolite::cli {

namespace {

constexpr std::uint16_t kDefaultNativePort = 8090;
constexpr std::uint16_t kDefaultZeoPort = 8100;
constexpr std::uint16_t kDefaultZeoReadPort = 8101;

// Waits for signals on a thread of its own, so that what it calls may do anything. To be made
// before any other thread, which then leave the signals to it.
class SignalWaiter {
 public:
  SignalWaiter() {
    sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT, kWakeUp}) sigaddset(&signals_, signal);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    thread_ = std::thread([this] { wait(); });
  }

  ~SignalWaiter() {
    pthread_kill(thread_.native_handle(), kWakeUp);
    thread_.join();
  }
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

  // Whom the first signal stops; nobody (null) before the server runs and after it has ended.
  void set_server(daemon::Server* server) {
    const std::lock_guard lock(mutex_);
    server_ = server;
    served_ = true;
    if (server_ != nullptr && stopping_) server_->request_stop();
  }
  // Whether a signal has come.
  [[nodiscard]] bool stopping() {
    const std::lock_guard lock(mutex_);
    return stopping_;
  }

 private:
  static constexpr int kWakeUp = SIGUSR2;

  void wait() {
    bool stopping = false;
    while (true) {
      int signal = 0;
      if (sigwait(&signals_, &signal) != 0) continue;
      if (signal == kWakeUp) return;
      const std::lock_guard lock(mutex_);
      // Nothing acknowledged is lost by ending here: it is what a crash does.
      if (stopping) std::_Exit(128 + signal);
      stopping = true;
      stopping_ = true;
      // Between two servers of the same process the next one is stopped as soon as it is there.
      if (server_ == nullptr && !served_) std::_Exit(0);
      if (server_ != nullptr) server_->request_stop();
    }
  }

  sigset_t signals_{};
  std::mutex mutex_;
  daemon::Server* server_ = nullptr;  // guarded by mutex_, as the two below
  bool served_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

spdlog::level::level_enum level_of(daemon::LogLevel level) {
  switch (level) {
    case daemon::LogLevel::debug:
      return spdlog::level::debug;
    case daemon::LogLevel::info:
      return spdlog::level::info;
    case daemon::LogLevel::warning:
      return spdlog::level::warn;
    case daemon::LogLevel::error:
      break;
  }
  return spdlog::level::err;
}

std::shared_ptr<spdlog::logger> make_logger(const std::string& level) {
  auto logger = std::make_shared<spdlog::logger>("zeolite",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::debug);
  return logger;
}

void print_ready(const daemon::ServerConfig& config, const daemon::Server& server) {
  std::string line = "ready";
  if (config.native) line += " native=" + server.native_address();
  if (config.zeo) line += " zeo=" + server.zeo_address();
  if (config.zeo_read) line += " zeo-read=" + server.zeo_read_address();
  line += " storage=";
  for (const daemon::StorageConfig& storage : config.storages) {
    if (&storage != &config.storages.front()) line += ',';
    line += storage.name;
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

ExitCode serve(const ServeOptions& options, daemon::ServerConfig config) {
  SignalWaiter signals;
  raise_open_files_limit();
  const std::shared_ptr<spdlog::logger> logger = make_logger(options.log_level);
  const daemon::LogSink log = [logger](daemon::LogLevel level, std::string_view message) {
    // It may hold what a client said: one message is one line.
    logger->log(level_of(level), "{}", printable(message));
  };
  bool ready = false;
  while (true) {
    auto server = daemon::Server::start(config, log);
    if (!server) return report_failure("serve", server.error());
    signals.set_server(server->get());
    if (!std::exchange(ready, true)) print_ready(config, **server);
    Result<daemon::Server::End> end = (*server)->wait();
    signals.set_server(nullptr);
    server->reset();
    if (!end) return report_failure("serve", end.error());
    if (!end->restart || signals.stopping()) return ExitCode::done;
    config = *std::move(end->restart);
  }
}

// The storage that --data, --storage-name and --blob-dir tell of; with a configuration file, the
// one of that name in it.
Result<> take_storage(const ServeOptions& options, daemon::ServerConfig& config) {
  const std::string name = options.storage_name.value_or("main");
  if (!daemon::is_storage_name(name)) {
    return make_error(ErrorCode::invalid_argument,
                      "--storage-name: the name of a storage has no comma, slash, space or control "
                      "character");
  }
  auto storage = std::ranges::find(config.storages, name, &daemon::StorageConfig::name);
  if (options.data) {
    if (storage == config.storages.end()) {
      storage =
          config.storages.insert(config.storages.begin(), daemon::StorageConfig{name, {}, {}});
    }
    storage->directory = *options.data;
  }
  if (options.no_blobs && storage != config.storages.end()) storage->keeps_blobs = false;
  if (options.blobs) {
    if (storage == config.storages.end()) {
      return make_error(ErrorCode::invalid_argument, "--blob-dir: there is no storage " + name);
    }
    storage->blobs = *options.blobs;
  }
  return {};
}

// Named ports are opened, no others; the usual ones when none is named.
void take_ports(const ServeOptions& options, daemon::ServerConfig& config) {
  if (options.native || options.zeo || options.zeo_read) {
    config.native = options.native;
    config.zeo = options.zeo;
    config.zeo_read = options.zeo_read;
  }
  if (config.native || config.zeo || config.zeo_read) return;
  config.native = {.host = "127.0.0.1", .port = kDefaultNativePort};
  config.zeo = net::HostPort{.host = "127.0.0.1", .port = kDefaultZeoPort};
  config.zeo_read = net::HostPort{.host = "127.0.0.1", .port = kDefaultZeoReadPort};
}

Result<> take_zeo_tls(const ServeOptions& options, daemon::ServerConfig& config) {
  tls::TlsFiles files = config.zeo_tls.value_or(tls::TlsFiles{});
  bool named = config.zeo_tls.has_value();
  for (const auto member : {&tls::TlsFiles::certificate, &tls::TlsFiles::key,
                            &tls::TlsFiles::key_password, &tls::TlsFiles::client_ca}) {
    if ((options.zeo_tls.*member).empty()) continue;
    files.*member = options.zeo_tls.*member;
    named = true;
  }
  if (!named) return {};
  if (files.certificate.empty()) {
    return make_error(ErrorCode::invalid_argument,
                      "TLS needs a certificate: --zeo-tls-certificate FILE");
  }
  config.zeo_tls = std::move(files);
  return {};
}

void take_replication(const ServeOptions& options, daemon::ReplicationConfig& config) {
  if (options.standby_of) config.standby_of = options.standby_of;
  if (!options.etcd.empty()) config.etcd = options.etcd;
  if (options.cluster) config.cluster = *options.cluster;
  if (options.advertise) config.advertise = options.advertise;
  if (options.durability) config.waits_for_standby = *options.durability == "standby";
  config.strict |= options.strict;
  if (options.lease_s) {
    config.lease =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*options.lease_s));
    config.stall_timeout = config.lease;
  }
}

}  // namespace

Result<daemon::ServerConfig> server_config(const ServeOptions& options) {
  daemon::ServerConfig config;
  if (options.config) {
    ASSIGN_OR_RETURN(config, daemon::read_config_file(*options.config));
  }
  RETURN_IF_ERROR(take_storage(options, config));
  if (config.storages.empty()) {
    return make_error(ErrorCode::invalid_argument,
                      options.config->string() + " has no [[storage]]; add one, or use --data DIR");
  }
  if (options.name) config.node_name = *options.name;
  take_ports(options, config);
  RETURN_IF_ERROR(take_zeo_tls(options, config));
  take_replication(options, config.replication);
  config.zeo_msgpack |= options.zeo_msgpack;
  config.zeo_read_only |= options.zeo_read_only;
  if (options.zeo_standby) config.zeo_parks = *options.zeo_standby == "park";
  if (options.no_pack_gc) config.zeo_pack_gc = false;
  if (options.zeo_invalidation_limit) {
    config.zeo_invalidations_max = *options.zeo_invalidation_limit;
  }
  if (options.vote_timeout_s) {
    config.vote_timeout = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(*options.vote_timeout_s));
  }
  return config;
}

ExitCode run_serve(const ServeOptions& options) {
  const Result<daemon::ServerConfig> config = server_config(options);
  if (!config) {
    report_failure("serve", config.error());
    return ExitCode::usage;
  }
  if (!options.supervise) return serve(options, *config);
  return supervise(config->replication.etcd, [&](std::function<void(replication::LeaseId)> told) {
    daemon::ServerConfig watched = *config;
    watched.replication.lease_taken = std::move(told);
    return serve(options, std::move(watched));
  });
}

}  // namespace zeolite::cli
