#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"
#include "support/child_process.h"
#include "support/temporary_directory.h"

namespace zeolite::testing {

// A real etcd of one or more members on free ports of 127.0.0.1, with data of its own. Ended with
// its owner, as by kill(). Thread: the test's.
class EtcdProcess {
 public:
  // The program's path, from PATH. Nothing: it is not installed; tests are skipped with kMissing.
  [[nodiscard]] static std::optional<std::string> program();
  static constexpr const char* kMissing = "etcd is not installed (Debian package etcd-server)";

  explicit EtcdProcess(std::size_t members = 1);
  ~EtcdProcess();
  EtcdProcess(const EtcdProcess&) = delete;
  EtcdProcess& operator=(const EtcdProcess&) = delete;

  // Starts all and waits until each answers. False: they did not, see logs().
  [[nodiscard]] bool start(std::chrono::milliseconds timeout = std::chrono::seconds(30));
  // Waits until each running member answers a read, for which there must be a leader.
  [[nodiscard]] bool wait_ready(std::chrono::milliseconds timeout = std::chrono::seconds(30));

  [[nodiscard]] std::size_t size() const { return members_.size(); }
  [[nodiscard]] const std::vector<net::HostPort>& endpoints() const { return endpoints_; }
  // "http://127.0.0.1:1,http://127.0.0.1:2": what --etcd takes.
  [[nodiscard]] std::string urls() const;

  // The member that leads, as one that is running says. Nothing: none does, or it is not known.
  [[nodiscard]] std::optional<std::size_t> leader();

  void kill(std::size_t member);
  // After kill(): with its data and its ports; wait_ready() waits for it.
  void restart(std::size_t member);
  // After kill(): a backup of its data; and the data as they were then, for restart().
  void keep_data(std::size_t member) const;
  void bring_back_data(std::size_t member) const;
  // SIGSTOP, until it stands still; SIGCONT.
  void stop(std::size_t member);
  void cont(std::size_t member);

  // What all printed, for a failure's message.
  [[nodiscard]] std::string logs();

 private:
  struct Member {
    std::uint16_t peer_port = 0;
    std::unique_ptr<ChildProcess> process;
  };
  void launch(std::size_t member);
  [[nodiscard]] std::filesystem::path data(std::size_t member) const;
  [[nodiscard]] std::filesystem::path backup(std::size_t member) const;

  TemporaryDirectory directory_;
  std::vector<Member> members_;
  std::vector<net::HostPort> endpoints_;
};

}  // namespace zeolite::testing
