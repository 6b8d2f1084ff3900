#include "support/etcd_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>

#include "base/check.h"
#include "etcd/http_attempt.h"
#include "etcd/json_fields.h"

namespace zeolite::testing {

namespace {

using SteadyClock = std::chrono::steady_clock;
using boost::asio::ip::tcp;

// Ports that are free now, all different.
std::vector<std::uint16_t> free_ports(std::size_t count) {
  boost::asio::io_context context(1);
  std::vector<tcp::acceptor> held;
  std::vector<std::uint16_t> ports;
  for (std::size_t i = 0; i < count; ++i) {
    held.emplace_back(context, tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0));
    ports.push_back(held.back().local_endpoint().port());
  }
  return ports;
}

// The body of the answer, if it was HTTP 200.
std::optional<std::string> post(const net::HostPort& endpoint, const etcd::HttpCall& call) {
  boost::asio::io_context context(1);
  std::optional<std::string> body;
  const auto attempt = std::make_shared<etcd::HttpAttempt>(
      context, endpoint, call, [&](etcd::HttpAttempt::Outcome outcome) {
        if (outcome.answer && outcome.answer->status == 200) body = outcome.answer->body;
      });
  const auto until = SteadyClock::now() + std::chrono::seconds(1);
  attempt->start(nullptr, until, until);
  context.run();
  return body;
}

std::string url(const std::string& address) { return "http://" + address; }

}  // namespace

std::optional<std::string> EtcdProcess::program() {
  const char* const path = std::getenv("PATH");
  std::string rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    std::string candidate = rest.substr(0, colon) + "/etcd";
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
  }
  return std::nullopt;
}

EtcdProcess::EtcdProcess(std::size_t members) : members_(members) {
  const std::vector<std::uint16_t> ports = free_ports(2 * members);
  for (std::size_t i = 0; i < members; ++i) {
    endpoints_.push_back({"127.0.0.1", ports[2 * i]});
    members_[i].peer_port = ports[2 * i + 1];
  }
}

EtcdProcess::~EtcdProcess() = default;

void EtcdProcess::launch(std::size_t member) {
  const std::optional<std::string> etcd = program();
  CHECK(etcd.has_value(), kMissing);
  std::string cluster;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    cluster += (i > 0 ? ",m" : "m") + std::to_string(i) + "=" +
               url("127.0.0.1:" + std::to_string(members_[i].peer_port));
  }
  const std::string name = "m" + std::to_string(member);
  const std::string client = url(endpoints_[member].to_string());
  const std::string peer = url("127.0.0.1:" + std::to_string(members_[member].peer_port));
  members_[member].process = std::make_unique<ChildProcess>(std::vector<std::string>{
      *etcd, "--name", name, "--data-dir", data(member).string(), "--listen-client-urls", client,
      "--advertise-client-urls", client, "--listen-peer-urls", peer,
      "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster, "--logger", "zap",
      "--log-level", "warn"});
}

bool EtcdProcess::start(std::chrono::milliseconds timeout) {
  for (std::size_t i = 0; i < members_.size(); ++i) launch(i);
  return wait_ready(timeout);
}

bool EtcdProcess::wait_ready(std::chrono::milliseconds timeout) {
  const auto until = SteadyClock::now() + timeout;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!members_[i].process) continue;
    while (!post(endpoints_[i], {"/v3/kv/range", R"({"key":"AA=="})"})) {
      if (SteadyClock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  return true;
}

std::string EtcdProcess::urls() const {
  std::string all;
  for (const net::HostPort& endpoint : endpoints_) {
    all += (all.empty() ? "" : ",") + url(endpoint.to_string());
  }
  return all;
}

std::optional<std::size_t> EtcdProcess::leader() {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!members_[i].process) continue;
    const auto body = post(endpoints_[i], {"/v3/maintenance/status", "{}"});
    if (!body) continue;
    const auto status = etcd::parse_object(*body);
    if (!status) continue;
    const auto header = etcd::object_field(*status, "header");
    const auto leading = etcd::uint_field(*status, "leader");
    if (header && leading && etcd::uint_field(**header, "member_id") == *leading) return i;
  }
  return std::nullopt;
}

void EtcdProcess::kill(std::size_t member) { members_[member].process.reset(); }

void EtcdProcess::restart(std::size_t member) {
  CHECK(!members_[member].process, "it was killed");
  launch(member);
}

std::filesystem::path EtcdProcess::data(std::size_t member) const {
  return directory_ / ("m" + std::to_string(member));
}

std::filesystem::path EtcdProcess::backup(std::size_t member) const {
  return data(member).string() + ".backup";
}

void EtcdProcess::keep_data(std::size_t member) const {
  CHECK(!members_[member].process, "it was killed");
  std::filesystem::copy(data(member), backup(member), std::filesystem::copy_options::recursive);
}

void EtcdProcess::bring_back_data(std::size_t member) const {
  CHECK(!members_[member].process, "it was killed");
  std::filesystem::remove_all(data(member));
  std::filesystem::copy(backup(member), data(member), std::filesystem::copy_options::recursive);
}

void EtcdProcess::stop(std::size_t member) {
  members_[member].process->send_signal(SIGSTOP);
  // The signal is there at once, but a thread of it may go on until it is scheduled away.
  siginfo_t stopped{};
  const auto pid = static_cast<id_t>(members_[member].process->pid());
  CHECK(::waitid(P_PID, pid, &stopped, WSTOPPED) == 0, "it stops");
}

void EtcdProcess::cont(std::size_t member) { members_[member].process->send_signal(SIGCONT); }

std::string EtcdProcess::logs() {
  std::string all;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    all += "m" + std::to_string(i) + ":\n";
    all += members_[i].process ? members_[i].process->standard_error() : "killed\n";
  }
  return all;
}

}  // namespace zeolite::testing
