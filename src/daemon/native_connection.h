#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "daemon/check_slot.h"
#include "daemon/client_connection.h"
#include "invalidation/subscription.h"
#include "net/framed_connection.h"
#include "server/native_session.h"

namespace zeolite::daemon {

// A client on the native port: its socket, its session, and the arrows between them and the hub.
// Thread: its shard's. Owner: shared by the server's register, its hub and reads under way.
class NativeConnection final : public net::FramedConnection::Handler,
                               public ClientConnection,
                               public std::enable_shared_from_this<NativeConnection> {
 public:
  NativeConnection(ConnectionEnvironment& environment, net::IoShard& shard, std::size_t shard_index,
                   commit::OwnerId owner, net::Socket socket);
  ~NativeConnection() override;

  void start() override;

  // A message for the client, outside of the session's state. What tells of the data is not sent
  // when that may be out of date: the connection ends.
  template <typename M>
  void send(const M& message, std::uint32_t request_id) {
    if constexpr (kTellsOfData<M>) {
      if (std::optional<Error> why = why_outdated()) {
        end(*std::move(why));
        return;
      }
    }
    socket_->send(message, request_id);
  }
  // Encoded frames as they are.
  void send_frames(const std::string& frames) { socket_->send_encoded(frames); }
  // What this connection asked for and nobody else wants: `cancelled` turns true when it closes.
  void cancel_when_closed(CheckSlot::Cancelled cancelled) { cancelled_ = std::move(cancelled); }
  // The catch-up is complete.
  void caught_up(bool cache_valid);

  // HubClient.
  [[nodiscard]] commit::OwnerId owner() const override { return session_.owner(); }
  [[nodiscard]] bool wants_invalidations() const override {
    return session_.hello().wants_invalidations;
  }
  void on_reply(commit::CommitEffects::Reply reply) override;
  void offer(PublishedBatch& published, RecordKind kind, bool own) override;
  void end(Error why) override;

  void close(Error why) override;
  void check_progress(Instant now) override;
  void cluster_changed() override;

 private:
  template <typename M>
  static constexpr bool kTellsOfData =
      std::is_same_v<M, wire::Loaded> || std::is_same_v<M, wire::LoadedMany> ||
      std::is_same_v<M, wire::Walked> || std::is_same_v<M, wire::LogReply> ||
      std::is_same_v<M, wire::BlobPart> || std::is_same_v<M, wire::Pong>;

  void on_frame(wire::Frame frame) override;
  void on_drained() override;
  [[nodiscard]] net::StreamConnection& stream() override { return *socket_; }
  [[nodiscard]] std::size_t pending() const override { return session_.pending(); }
  void on_closed(const Error& why) override;
  void run(server::SessionEffects& effects);
  void attach(const std::string& storage, server::SessionEffects& effects);
  // It is a standby: its connection goes to whoever feeds it.
  void give_away(wire::ReplicaHello hello);
  // Why the client is not served here, if so.
  [[nodiscard]] std::optional<Error> refusal(const ShardHub& hub) const;
  // What is shown here is older than the client wants, or than the primary's time.
  [[nodiscard]] std::optional<Error> why_outdated() const;
  [[nodiscard]] std::string leader() const;
  void send_topology();
  void account_held_bytes();

  std::size_t shard_index_;
  server::NativeSession session_;
  std::shared_ptr<net::FramedConnection> socket_;
  ShardHub* hub_ = nullptr;  // set once attached
  Instant opened_;
  Tid joined_at_;             // the hub's line when it was attached
  net::BudgetCharge staged_;  // of session_.held_bytes()
  // The transaction that was being staged at the last look, and since when.
  std::optional<std::uint64_t> staging_;
  Instant staging_since_{};
  CheckSlot::Cancelled cancelled_;                          // may be null
  std::optional<invalidation::Subscription> subscription_;  // when it wants invalidations
};

}  // namespace zeolite::daemon
