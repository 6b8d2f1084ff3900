#include "support/server_process.h"

#include <gtest/gtest.h>

#include <charconv>
#include <csignal>
#include <fstream>
#include <string_view>
#include <utility>

namespace zeolite::testing {

ServerProcess::ServerProcess(Options options) : options_(std::move(options)) {}

void ServerProcess::launch() {
  std::vector<std::string> command = {options_.program, "serve", "--native",
                                      "127.0.0.1:" + std::to_string(options_.port)};
  if (options_.data) {
    command.emplace_back("--data");
    command.push_back(options_.data->string());
  }
  if (options_.config) {
    const std::filesystem::path path = options_.data->parent_path() / "zeolite.toml";
    std::ofstream(path) << *options_.config;
    command.emplace_back("--config");
    command.push_back(path.string());
  }
  command.insert(command.end(), options_.arguments.begin(), options_.arguments.end());
  process_ = std::make_unique<ChildProcess>(command, options_.environment);
}

bool ServerProcess::start() {
  launch();
  const std::optional<std::string> line = process_->wait_line("ready ", options_.ready_timeout);
  constexpr std::string_view kBefore = "native=127.0.0.1:";
  const std::size_t at = line ? line->find(kBefore) : std::string::npos;
  if (at == std::string::npos) return false;
  const char* const digits = line->data() + at + kBefore.size();
  return std::from_chars(digits, line->data() + line->size(), port_).ec == std::errc();
}

ServerProcess::~ServerProcess() {
  if (process_) kill();
}

void ServerProcess::kill() {
  process_->send_signal(SIGKILL);
  const std::optional<int> ended = wait_exit(std::chrono::seconds(20));
  EXPECT_EQ(ended, 128 + SIGKILL) << last_error_;
}

std::optional<int> ServerProcess::stop() {
  process_->send_signal(SIGTERM);
  return wait_exit(std::chrono::seconds(20));
}

std::optional<int> ServerProcess::wait_exit(std::chrono::milliseconds timeout) {
  const std::optional<int> exit_code = process_->wait(timeout);
  last_error_ = process_->standard_error();
  if (exit_code) process_.reset();
  return exit_code;
}

std::string ServerProcess::standard_error() const {
  return process_ ? process_->standard_error() : last_error_;
}

std::uint64_t ServerProcess::memory_bytes(std::string_view name) const {
  if (!process_) return 0;
  std::ifstream status("/proc/" + std::to_string(process_->pid()) + "/status");
  std::string word;
  while (status >> word) {
    std::uint64_t kilobytes = 0;
    if (word == name && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

}  // namespace zeolite::testing
