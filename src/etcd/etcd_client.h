#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "net/address.h"
#include "replication/dcs.h"

namespace zeolite::etcd {

// "http://host:port" items, separated by commas; the scheme may be left out, and the port, which
// then is 2379. Errors: invalid_argument, which says so if one asks for https.
[[nodiscard]] Result<std::vector<net::HostPort>> parse_endpoints(std::string_view text);

// Carries out requests at the members of an etcd cluster, over kept HTTP connections. Requests run
// beside each other; there is no order among them.
//
// It stays with a member for as long as that answers, then goes to the next one. A request moves
// along if it was not sent yet, or may be repeated (etcd_json.h); else its outcome is unknown.
//
// Thread: all on the io_context's.
class EtcdClient {
 public:
  using Callback = std::function<void(Result<replication::dcs::Answer>)>;

  // `endpoints`: at least one. `prefix`: from key_prefix().
  EtcdClient(boost::asio::io_context& context, std::vector<net::HostPort> endpoints,
             std::string prefix);
  // Requests under way are dropped: their callbacks are destroyed uncalled.
  ~EtcdClient();
  EtcdClient(const EtcdClient&) = delete;
  EtcdClient& operator=(const EtcdClient&) = delete;

  // Calls `callback` exactly once, never from within this call, at the latest after `timeout`.
  // Errors as of etcd::decode(), besides timeout, and unavailable when no member can be reached.
  void send(replication::dcs::Request request, Duration timeout, Callback callback);

 private:
  struct Exchange;
  struct State;
  std::shared_ptr<State> state_;
};

// Ends the lease, and waits for that: for a process that supervises one whose lease it knows. A
// lease that is gone already is no error.
[[nodiscard]] Result<> revoke(const std::vector<net::HostPort>& endpoints,
                              replication::LeaseId lease, Duration timeout);

}  // namespace zeolite::etcd
