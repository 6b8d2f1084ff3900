#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/client_connection.h"
#include "daemon/sized_connection.h"
#include "daemon/zeo_iterators.h"
#include "daemon/zeo_uploads.h"
#include "zeo/session.h"

namespace zeolite::daemon {

// A client on the ZEO port: its socket, its session, and the arrows between them and the hub.
//
// A ZEO client is always live: registering tells it the newest transaction, and it asks for what
// it missed by itself. It has no words for "go away": ending means hanging up, and it connects
// again. With zeo_parks one that comes while this server is not the primary is greeted when it is.
// Thread: its shard's. Owner: shared by the server's register, its hub and reads under way.
class ZeoConnection final : public SizedConnection::Handler,
                            public ClientConnection,
                            public std::enable_shared_from_this<ZeoConnection> {
 public:
  ZeoConnection(ConnectionEnvironment& environment, net::IoShard& shard, std::size_t shard_index,
                commit::OwnerId owner, net::Socket socket);
  ~ZeoConnection() override;

  // Answers to reads. When what they tell may be out of date, the connection ends instead.
  void reply(const zeo::Value& id, const zeo::Value& result);
  void fail(const zeo::Value& id, const zeo::Exception& why);
  void send_encoded(ByteView messages);
  [[nodiscard]] zeo::Encoding encoding() const { return session_.encoding(); }
  [[nodiscard]] bool read_only() const { return session_.read_only(); }
  [[nodiscard]] bool closed() const { return socket_->closed(); }
  [[nodiscard]] ZeoIterators& iterators() { return iterators_; }
  [[nodiscard]] const ZeoUploads& uploads() const { return uploads_; }
  // Calls that wait for an answer of the store or the coordinator, votes aside.
  [[nodiscard]] std::size_t waiting_calls() const { return reads_waiting() + pending(); }
  // Calls `read` once, when a piece of a blob may be read for the client: at once as long as few
  // are being read or unsent, else when the socket has taken them, in the order of the calls; never
  // when the connection closes before. When it is read, and before it is sent or refused,
  // blob_turn_over() is to be called.
  void when_blob_turn(std::function<void()> read);
  // The same for the next piece of a blob, not before the client has taken what it was sent: of one
  // blob, one piece is read or unsent at a time.
  void when_next_blob_turn(std::function<void()> read);
  void blob_turn_over();
  // The client's name for the log: its label, if it gave one, and its address.
  [[nodiscard]] std::string name() const;

  // ClientConnection.
  void start() override;
  void close(Error why) override;
  void check_progress(Instant now) override;
  void cluster_changed() override;
  void try_elsewhere(Instant parked_before) override;
  // HubClient.
  [[nodiscard]] commit::OwnerId owner() const override { return session_.owner(); }
  [[nodiscard]] bool wants_invalidations() const override { return true; }
  void on_reply(commit::CommitEffects::Reply reply) override;
  void offer(PublishedBatch& published, RecordKind kind, bool own) override;
  void packed() override { send_encoded(info()); }
  void end(Error why) override;

 private:
  void on_message(Bytes message) override;
  void on_drained() override;
  [[nodiscard]] net::StreamConnection& stream() override { return *socket_; }
  [[nodiscard]] std::size_t pending() const override {
    return session_.oid_calls() + blob_turns_.size() + next_blob_turns_.size();
  }
  [[nodiscard]] bool holds_enough() const override;
  void on_closed(const Error& why) override;

  // Whether this server has to become the primary first.
  [[nodiscard]] bool must_wait() const;
  void greet();
  void run(zeo::SessionEffects& effects);
  void after_run();
  void attach(const zeo::SessionEffects::Register& request, zeo::SessionEffects& effects);
  // First what must be read, then what must be done with blobs, of which objects the upload is
  // sealed, then the session goes on.
  void prepare(zeo::Preparation preparation);
  void prepare_blobs(commit::Ticket ticket, zeo::Prepared found, const std::vector<Oid>& blobs);
  void prepared(commit::Ticket ticket, Result<zeo::Prepared> result);
  // Has what was uploaded written, then what waits for that prepared.
  void write_uploads();
  // Has what was dropped of uploads removed.
  void remove_dropped();
  // Runs `work()` on the pool for files of blobs, then `done(result)` here.
  template <typename Work, typename Done>
  void work_on_blobs(Work work, Done done);
  void committed(const zeo::SessionEffects::Committed& committed);
  // The message that tells of the storage's size.
  [[nodiscard]] std::string info() const;
  void answer_ruok();
  void give_blob_turns();
  // Whether it is for the client to go on with its transaction, and it did not in time.
  [[nodiscard]] bool neglects_transaction(Instant now);

  std::size_t shard_index_;
  zeo::Session session_;
  std::shared_ptr<SizedConnection> socket_;
  ShardHub* hub_ = nullptr;  // set once registered
  Instant opened_;
  std::optional<Instant> greeted_;
  // When it was last seen to go on with its transaction, and how far it was.
  Instant went_on_at_{};
  std::uint64_t parts_seen_ = 0;
  std::string label_;
  net::BudgetCharge staged_;  // of what the session and unwritten uploads hold
  ZeoIterators iterators_;
  ZeoUploads uploads_;
  std::optional<zeo::Preparation> waiting_preparation_;  // until all uploads are written
  // The preparation that was begun last is not wanted any more.
  std::shared_ptr<std::atomic<bool>> abandoned_ = std::make_shared<std::atomic<bool>>(true);
  std::deque<std::function<void()>> blob_turns_;        // that wait
  std::vector<std::function<void()>> next_blob_turns_;  // that wait for the output to drain first
  std::size_t pieces_reading_ = 0;
  std::size_t pieces_unsent_ = 0;  // in output that has not drained since
};

}  // namespace zeolite::daemon
