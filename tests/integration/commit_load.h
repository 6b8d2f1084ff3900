#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "model/ids.h"
#include "support/raw_client.h"
#include "support/server_process.h"

namespace zeolite::testing {

// Clients that commit as fast as they are answered, and remember everything they were promised, so
// that a server that was killed meanwhile can be held to it. Every transaction changes one object
// that its client owns, and creates another, both to a value that no other transaction writes.
//
// What does not hold is reported to GoogleTest. Thread: the test's; start() makes one for each
// client and one for an onlooker.
class CommitLoad {
 public:
  CommitLoad(int clients, std::size_t value_bytes);
  ~CommitLoad();

  // Begins to commit. A client ends with its connection.
  void start(std::uint16_t port);
  // Waits until all clients have ended, that is, until the server has.
  void join();
  // Lets them end by themselves.
  void stop() { stopping_ = true; }

  // Commits acknowledged so far; grows while the clients run.
  [[nodiscard]] std::uint64_t acknowledged();
  // Waits until there are so many. False: it took too long.
  [[nodiscard]] bool wait_acknowledged(std::uint64_t count);

  // After join() and a restart: what was acknowledged or shown since the last check is there; each
  // commit whose answer was lost is there wholly or not at all, its outcome says the same, twice,
  // and sending it again does not change it.
  void check(std::uint16_t port);
  // The same for everything since the beginning, and the log holds nothing else.
  void check_everything(std::uint16_t port);
  // On a server that was started again: check(), then it goes on and ends well; check_everything(),
  // and verify finds its `data` directory clean.
  void check_restarted(ServerProcess& server, const std::filesystem::path& data);

 private:
  struct Attempt {
    std::uint64_t number = 0;
    Tid begun, base;
    enum class State : std::uint8_t {
      unknown,
      committed,
      aborted
    } state = State::unknown;
    Tid tid;                // when it is committed
    bool was_lost = false;  // its answer
  };
  struct Client {
    std::uint64_t index = 0;
    SessionId session{};
    std::vector<Attempt> attempts;
    std::map<Oid, Tid> current;  // of the objects it owns
    Tid line;
    std::size_t checked = 0;  // attempts
  };

  void run(Client& client, std::uint16_t port);
  void watch(std::uint16_t port);
  [[nodiscard]] wire::Commit request(const Client& client, const Attempt& attempt) const;
  [[nodiscard]] std::string value(const Client& client, std::uint64_t number) const;
  void check_acknowledged(Client& client, std::size_t first, RawClient& connection);
  void resolve(Client& client, Attempt& attempt, RawClient& connection, std::uint16_t port);
  void check_sent_again(const Client& client, const Attempt& attempt, std::uint16_t port) const;
  void check_outcome(const Client& client, const Attempt& attempt, RawClient& connection) const;
  void check_seen(std::size_t first, RawClient& connection);
  void check_log(RawClient& connection);

  std::size_t value_bytes_;
  std::vector<Client> clients_;
  std::vector<std::pair<Tid, Oid>> seen_;  // by the onlooker
  std::size_t seen_checked_ = 0;
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t acknowledged_ = 0;  // with mutex_
};

}  // namespace zeolite::testing
