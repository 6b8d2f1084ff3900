#pragma once

#include <any>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "sim/event_queue.h"
#include "sim/random.h"

namespace zeolite::sim {

// A place in the network: a server or a client.
using Host = std::size_t;
// Names a connection; both ends call it the same.
using ConnectionId = std::uint64_t;

// Connections between hosts as TCP gives them: what is sent arrives in order, once, or not at all;
// both ends are told of the end sooner or later, or never if they can no longer hear each other.
// A connection lost in one direction shows as silence. Between connections there is no order.
//
// A loss of packets is a delay here, as TCP makes it one.
class Network {
 public:
  // What a host hears. Calls come from events of its process.
  struct Listener {
    std::function<void(ConnectionId, Host from)> accepted;
    std::function<void(ConnectionId)> connected;
    // An attempt failed, the other side closed, or the connection was reset.
    std::function<void(ConnectionId, const std::string& why)> lost;
    std::function<void(ConnectionId, std::any message)> received;
  };

  Network(EventQueue& queue, Random random, Duration usual_delay)
      : queue_(queue), random_(random), usual_delay_(usual_delay) {}

  // The process may be dead: then connecting to the host is refused.
  Host add_host(const Process& process, Listener listener);

  // Answered by connected or lost at `from`.
  ConnectionId connect(Host from, Host to);
  // Ignored when the connection is over.
  void send(Host from, ConnectionId connection, std::any message);
  // What was sent before still arrives; the other side is told then. This side hears nothing more.
  void close(Host from, ConnectionId connection);

  // ---- faults ----

  // Nothing gets from one to the other until healed; what is under way waits.
  void block(Host from, Host to);
  void unblock(Host from, Host to);
  void heal();
  // Both ends hear of it (if they hear anything); what was under way is gone.
  void reset(ConnectionId connection);
  // The host is gone: its ends are closed. `silently`: the others are not told, as when the power
  // fails; they connect anew or wait.
  void host_died(Host host, bool silently);
  void host_lives(Host host);
  void set_usual_delay(Duration delay) { usual_delay_ = delay; }

  [[nodiscard]] std::vector<ConnectionId> connections() const;
  [[nodiscard]] std::uint64_t delivered() const { return delivered_; }

 private:
  // One direction of a connection. What is in it arrives in this order, each at its own event.
  struct Pipe {
    std::deque<std::function<void()>> content{};
    Instant last_arrival{};  // of what was sent last
    std::size_t held = 0;    // would have arrived, and is held by a partition
    bool open = true;        // the receiver listens
  };
  struct Connection {
    Host client = 0, server = 0;
    bool established = false;
    Pipe to_client{}, to_server{};
    [[nodiscard]] Host other(Host host) const { return host == client ? server : client; }
    [[nodiscard]] bool joins(Host a, Host b) const {
      return (client == a && server == b) || (client == b && server == a);
    }
    Pipe& pipe_to(Host host) { return host == client ? to_client : to_server; }
  };
  struct HostState {
    const Process* process = nullptr;
    Listener listener{};
    bool alive = true;
    bool silent = false;  // while it is dead
  };

  // `deliver` happens at `to` after everything that was sent to it over the connection before.
  void carry(Host to, ConnectionId connection, std::function<void()> deliver);
  void schedule_arrival(Host to, ConnectionId connection, Pipe& pipe);
  void arrive(Host to, ConnectionId connection);
  void accept(ConnectionId id);
  void tell_lost(Host host, ConnectionId connection, const std::string& why);
  void forget_if_over(ConnectionId connection);
  Connection* find(ConnectionId connection);

  EventQueue& queue_;
  Random random_;
  Duration usual_delay_;
  std::vector<HostState> hosts_;
  std::map<ConnectionId, Connection> connections_;
  ConnectionId next_ = 1;
  std::set<std::pair<Host, Host>> blocked_;
  std::uint64_t delivered_ = 0;
};

}  // namespace zeolite::sim
