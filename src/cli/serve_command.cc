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

#include "cli/process.h"
#include "daemon/config_file.h"
#include "daemon/server.h"

namespace zeolite::cli {

namespace {

constexpr std::uint16_t kDefaultNativePort = 8090;

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
      if (server_ == nullptr) std::_Exit(0);
      stopping = true;
      server_->request_stop();
    }
  }

  sigset_t signals_{};
  std::mutex mutex_;
  daemon::Server* server_ = nullptr;  // guarded by mutex_
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
  std::string line = "ready native=" + server.native_address() + " storage=";
  for (const daemon::StorageConfig& storage : config.storages) {
    if (&storage != &config.storages.front()) line += ',';
    line += storage.name;
  }
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

ExitCode serve(const ServeOptions& options, const daemon::ServerConfig& config) {
  SignalWaiter signals;
  raise_open_files_limit();
  const std::shared_ptr<spdlog::logger> logger = make_logger(options.log_level);
  auto server =
      daemon::Server::start(config, [logger](daemon::LogLevel level, std::string_view message) {
        logger->log(level_of(level), "{}", message);
      });
  if (!server) return report_failure("serve", server.error());
  signals.set_server(server->get());
  print_ready(config, **server);
  const Result<> result = (*server)->wait();
  signals.set_server(nullptr);
  server->reset();
  return result ? ExitCode::done : report_failure("serve", result.error());
}

}  // namespace

Result<daemon::ServerConfig> server_config(const ServeOptions& options) {
  daemon::ServerConfig config;
  if (options.config) {
    ASSIGN_OR_RETURN(config, daemon::read_config_file(*options.config));
  }
  if (options.data) {
    const auto main = std::ranges::find(config.storages, "main", &daemon::StorageConfig::name);
    if (main != config.storages.end()) {
      main->directory = *options.data;
    } else {
      config.storages.insert(config.storages.begin(), {.name = "main", .directory = *options.data});
    }
  }
  if (config.storages.empty()) {
    return make_error(ErrorCode::invalid_argument,
                      options.config->string() + " has no [[storage]]; add one, or use --data DIR");
  }
  if (options.name) config.node_name = *options.name;
  if (options.native) config.native = options.native;
  if (!config.native) config.native = {.host = "127.0.0.1", .port = kDefaultNativePort};
  return config;
}

ExitCode run_serve(const ServeOptions& options) {
  const Result<daemon::ServerConfig> config = server_config(options);
  if (!config) {
    report_failure("serve", config.error());
    return ExitCode::usage;
  }
  return serve(options, *config);
}

}  // namespace zeolite::cli
