#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "client/client_counters.h"
#include "client/client_request.h"
#include "client/connection_view.h"
#include "client/object_cache.h"
#include "model/ids.h"
#include "zeolite/client.h"

namespace zeolite::client_core {

// What Client and Transaction stand on: the cache, the line, and a way to have requests answered.
// NetClient answers them over a connection; tests answer them from memory.
//
// Thread: any. Owner: shared by the Client and its transactions.
class ClientCore : public std::enable_shared_from_this<ClientCore> {
 public:
  ClientCore(std::size_t cache_bytes, Duration call_timeout)
      : cache_(cache_bytes), call_timeout_(call_timeout) {}
  virtual ~ClientCore() = default;
  ClientCore(const ClientCore&) = delete;
  ClientCore& operator=(const ClientCore&) = delete;

  // Hands the request to the session. `done` is called on the client's own thread, or here at once
  // when the client is closed.
  virtual void submit(Request request) = 0;
  [[nodiscard]] virtual bool on_own_thread() const = 0;
  [[nodiscard]] virtual Instant now() const = 0;
  // Ends all requests, and waits for the client's own thread to end. Idempotent.
  virtual void close() noexcept = 0;

  // Submits and waits for the answer. Throws client::UsageError on the client's own thread.
  [[nodiscard]] Answer call(Request request);
  // A repeatable request with the deadline that a call made now has.
  [[nodiscard]] Request request(wire::Message message) const;
  [[nodiscard]] Instant call_deadline() const { return now() + call_timeout_; }
  [[nodiscard]] ConnectionView::Deadline wait_deadline() const;
  // Throws client::UsageError on the client's own thread, which must not wait for itself.
  void check_may_block() const;

  // An oid that nobody else has. Asks the server when none is left that it gave before. Throws
  // client::Error; UsageError when it would have to ask on the client's own thread.
  [[nodiscard]] Oid new_oid();

  [[nodiscard]] ObjectCache& cache() { return cache_; }
  [[nodiscard]] const ObjectCache& cache() const { return cache_; }
  [[nodiscard]] ConnectionView& view() { return view_; }
  [[nodiscard]] const ConnectionView& view() const { return view_; }
  [[nodiscard]] ClientCounters& counters() { return counters_; }

 private:
  struct OidRange {
    std::uint64_t next = 0;
    std::uint64_t left = 0;
    std::uint64_t history = 0;  // a takeover that lost the range may give it to somebody else
  };
  [[nodiscard]] std::optional<Oid> take_oid();
  [[nodiscard]] std::uint32_t next_oids_count();
  void keep_oids(OidRange range);

  ObjectCache cache_;
  ConnectionView view_;
  ClientCounters counters_;
  Duration call_timeout_;

  // Oids the server gave us and nobody took yet. Held for moments, never while waiting.
  std::mutex oids_mutex_;
  std::vector<OidRange> oids_;
  std::uint32_t oids_count_ = 64;  // how many to ask for next; doubles
};

// How code outside the public headers makes a Client from a core, and sees it.
struct ClientAccess {
  static client::Client make(std::shared_ptr<ClientCore> core);
  static ClientCore& core(client::Client& client);
};

}  // namespace zeolite::client_core
