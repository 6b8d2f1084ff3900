#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "cli/client_link.h"
#include "cli/command_line.h"
#include "net/io_shard.h"
#include "wire/messages.h"

namespace zeolite::cli {

// A connection to a server for commands that ask, wait and print.
//
// Thread: the caller's, one at a time; the connection itself lives on a shard of the session's own.
class NativeSession final : private ClientLink::Owner {
 public:
  struct Options {
    bool primary_only = false;
    bool wants_invalidations = false;
    std::optional<SessionId> session = {};                // nothing: a random one
    Duration default_timeout = std::chrono::seconds(10);  // unless the target has one
  };

  // Connects. Errors: unavailable when nobody is there, with what to do; timeout when somebody is
  // and does not answer; not_primary; what the server refuses the connection for.
  [[nodiscard]] static Result<std::unique_ptr<NativeSession>> open(const Target& target,
                                                                   const Options& options);
  ~NativeSession() override;

  [[nodiscard]] const wire::Welcome& welcome() const { return welcome_; }

  // Sends a request and waits for its reply of type Reply. Errors: the server's own; timeout;
  // unavailable when the connection is lost; protocol_error for any other reply.
  // `timeout` nothing: the session's.
  template <typename Reply, typename M>
  [[nodiscard]] Result<Reply> ask(const M& request, std::optional<Duration> timeout = {}) {
    return finish<Reply>(start(request), timeout);
  }

  // The same in two steps, so that several requests can be under way: each start() is followed by
  // one finish() with the id it gave, in whatever order.
  template <typename M>
  [[nodiscard]] std::uint32_t start(const M& request) {
    const std::uint32_t id = begin_request();
    shard_->post([this, request, id] { link_->send(request, id); });
    return id;
  }
  template <typename Reply>
  [[nodiscard]] Result<Reply> finish(std::uint32_t id, std::optional<Duration> timeout = {}) {
    ASSIGN_OR_RETURN(wire::Message message, finish_any(id, timeout));
    if (auto* failed = std::get_if<wire::ErrorReply>(&message)) {
      return std::unexpected(std::move(failed->error));
    }
    auto* reply = std::get_if<Reply>(&message);
    if (reply == nullptr) return make_error(ErrorCode::protocol_error, "unexpected reply");
    return std::move(*reply);
  }

  // Whatever the reply is, the server's own error included.
  [[nodiscard]] Result<wire::Message> finish_any(std::uint32_t id,
                                                 std::optional<Duration> timeout = {}) {
    return wait_reply(id, timeout.value_or(timeout_));
  }
  // Sends what is not answered.
  template <typename M>
  void tell(const M& message) {
    shard_->post([this, message] { link_->send(message, 0); });
  }

  // Waits until the server has told of a transaction newer than `seen`, and returns its tid.
  // Error unavailable: the connection is lost. Only with wants_invalidations.
  [[nodiscard]] Result<Tid> wait_for_news(Tid seen);

 private:
  NativeSession(Duration timeout);

  void on_ready(const wire::Welcome& welcome) override;
  void on_message(std::uint32_t request_id, wire::Message message) override;
  void on_down(const Error& why) override;

  std::uint32_t begin_request();
  [[nodiscard]] Result<wire::Message> wait_reply(std::uint32_t id, Duration timeout);

  const Duration timeout_;
  std::unique_ptr<net::IoShard> shard_;
  std::shared_ptr<ClientLink> link_;  // used on the shard
  wire::Welcome welcome_;             // constant once open() has returned

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  bool ready_ = false;
  std::optional<Error> down_;
  std::uint32_t last_id_ = 0;
  std::unordered_map<std::uint32_t, std::optional<wire::Message>> under_way_;  // with their replies
  Tid news_;
};

}  // namespace zeolite::cli
