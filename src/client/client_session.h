#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "client/client_counters.h"
#include "client/client_request.h"
#include "client/commit_frames.h"
#include "client/connection_view.h"
#include "client/object_cache.h"
#include "model/ids.h"
#include "wire/messages.h"

namespace zeolite::client_core {

// What the session's owner must carry out, in the order of the fields.
struct SessionEffects {
  struct Send {
    std::uint32_t request_id = 0;
    wire::Message message;
  };
  std::vector<Send> send;
  // The handshake is done: this connection is to the primary.
  bool ready = false;
  struct Line {
    bool warning = false;
    std::string text;
  };
  std::vector<Line> log;
  // The nodes of the cluster are these now.
  std::optional<wire::Topology> topology;
  // Close the connection, for this reason; disconnected() is to follow.
  std::optional<Error> close;
  // With `close`: address of the primary, as this server told it; empty: it did not.
  std::string leader;
  // With `close`: another server comes first, and the primary will do for a reader of standbys.
  bool elsewhere = false;
  // Requests that ended: call `done(answer)` of each, after all the above.
  struct Finished {
    std::function<void(Answer)> done;
    Answer answer;
  };
  std::vector<Finished> finished;
};

// The client's side of the native protocol: the handshake, the requests under way, and the order in
// which what the server says takes effect.
//
// Order: frames are handled one by one as they came. An invalidation is applied to the cache before
// the line moves to its tid, and the line moves before any later answer is handed on. So a
// transaction that begins at the line finds nothing in the cache that is older than it, and whoever
// got an answer gets a line that is at least as new.
//
// A lost connection: repeatable requests are sent again on the next one. A commit that was sent and
// not answered is not sent again; the next primary is asked for its outcome until that is known or
// the request's time is over.
//
// Epochs: a server with a lower one than was seen before is refused, it belongs to a reign that has
// ended. So is a standby that is behind the line: snapshots do not go backward by a change of
// server, but only when a takeover lost something.
//
// A server that is silent is left when it is given up, or before for the primary of a later epoch.
// A standby that does not get where a reader waits for it to get is left for another server.
//
// A session that reads from a standby commits nothing, so that where a request goes does not depend
// on which server answered first.
//
// Does no I/O, reads no clock, owns no thread. Thread: one at a time. Owner: the client.
class ClientSession {
 public:
  struct Options {
    std::string storage;
    std::string label;
    SessionId session{};  // random
    Duration heartbeat = std::chrono::seconds(5);
    bool reads_standby = false;          // and takes a primary only when it may, see accept_primary
    std::uint32_t max_staleness_ms = 0;  // of that standby; 0: any
  };
  // All references must outlive the session. The view holds where the cache stands (set_initial).
  ClientSession(Options options, ObjectCache& cache, ConnectionView& view,
                ClientCounters& counters);

  // There is a new connection: greets.
  void connected(Instant now, SessionEffects& effects);
  // A frame has come. Errors of the peer end in effects.close.
  void received(std::uint32_t request_id, wire::Message message, Instant now,
                SessionEffects& effects);
  // The connection is gone, or an attempt to make one failed.
  void disconnected(const Error& why, SessionEffects& effects);
  // Something moved on the connection, though no frame came.
  void alive(Instant now);

  // Whether a session that reads from a standby takes a primary, too: when no standby was found.
  void accept_primary(bool accept) { accept_primary_ = accept; }

  // Sends the request now or when there is a connection. Its `done` ends up in effects.finished.
  void submit(Request request, SessionEffects& effects);
  // Whether the server has left a ping unanswered for so long that another may be the primary.
  [[nodiscard]] bool suspects_server() const { return suspects_ && !options_.reads_standby; }
  // The primary of a later epoch is at `address`: the connection ends, what is under way goes
  // there.
  void found_primary(Epoch epoch, std::string address, SessionEffects& effects);
  // How long suspects_server waits.
  [[nodiscard]] static Duration patience(Duration heartbeat) { return heartbeat / 5; }

  // Handles what is due.
  void tick(Instant now, SessionEffects& effects);
  // When tick() has something to do; nothing: not until something else happens.
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  // Ends all requests.
  void shut_down(SessionEffects& effects);

  [[nodiscard]] bool ready() const { return state_ == State::ready; }
  [[nodiscard]] std::size_t requests() const { return pending_.size(); }

  // Request id of the session's own pings and aborts, whose answers do not matter; no request gets
  // it, nor 0.
  static constexpr std::uint32_t kOwnId = 0xFFFFFFFF;

 private:
  enum class State : std::uint8_t {
    disconnected,
    greeting,
    ready
  };

  struct Pending {
    enum class Stage : std::uint8_t {
      queued,   // waits for a connection
      sent,     // waits for the answer
      unknown,  // a commit whose answer was lost: is to be asked for, at ask_at
      asking,   // was asked for
    };
    Request request;
    Stage stage = Stage::queued;
    // The caller was told that its time is over; what the server says still counts for the cache.
    bool abandoned = false;
    std::vector<LoadedRecord> records;  // load_many: what has come so far
    Instant ask_at;
    Duration ask_pause{};
  };
  // By serial number, which grows in the order of submission. A request's id on the wire is the
  // low 32 bits of it.
  using PendingMap = std::map<std::uint64_t, Pending>;

  // Handshake.
  void on_welcome(const wire::Welcome& welcome, SessionEffects& effects);
  [[nodiscard]] Result<> check_welcome(const wire::Welcome& welcome) const;
  [[nodiscard]] Result<> check_role(const wire::Welcome& welcome) const;
  void take_line(const wire::Welcome& welcome, SessionEffects& effects);
  void resume_requests(SessionEffects& effects);
  void leave_reign(Epoch begun, std::string leader, SessionEffects& effects);

  void on_topology(wire::Topology topology, SessionEffects& effects);

  // The line.
  void on_invalidate(wire::Invalidate message, SessionEffects& effects);
  void on_own_commit(const CommitRequest& commit, const wire::Committed& committed);
  void on_pong(const wire::Pong& pong);

  // Requests.
  void on_reply(std::uint32_t request_id, wire::Message message, Instant now,
                SessionEffects& effects);
  void on_repeatable_reply(PendingMap::iterator request, wire::Message message,
                           SessionEffects& effects);
  void on_commit_reply(PendingMap::iterator request, wire::Message message,
                       SessionEffects& effects);
  void on_outcome_reply(PendingMap::iterator request, const wire::Message& message, Instant now,
                        SessionEffects& effects);
  void on_error_reply(PendingMap::iterator request, const wire::ErrorReply& reply, Instant now,
                      SessionEffects& effects);
  void send_request(PendingMap::iterator request, SessionEffects& effects);
  [[nodiscard]] bool send_commit(PendingMap::iterator request, SessionEffects& effects);
  void ask_outcome(PendingMap::iterator request, SessionEffects& effects);
  // Ends it when nobody waits for the outcome.
  void ask_later(PendingMap::iterator request, Instant now, SessionEffects& effects);
  // The entry of a serial number from deadlines_ or asks_.
  [[nodiscard]] PendingMap::iterator entry_of(std::uint64_t serial);
  [[nodiscard]] LoadedRecord take_record(Oid oid, const wire::Loaded& loaded,
                                         SessionEffects& effects);
  [[nodiscard]] Instant ping_at() const;
  // When a reader has waited for long enough for this standby; nothing: nobody waits.
  [[nodiscard]] std::optional<Instant> impatient_at() const;
  void expire(PendingMap::iterator request, SessionEffects& effects);
  void finish(PendingMap::iterator request, Answer answer, SessionEffects& effects);
  void fail(PendingMap::iterator request, Error error, SessionEffects& effects);
  void protocol_error(std::string detail, SessionEffects& effects);

  Options options_;
  ObjectCache& cache_;
  ConnectionView& view_;
  ClientCounters& counters_;

  State state_ = State::disconnected;
  std::uint64_t connection_ = 0;  // counts connections
  Position position_;             // where the cache is right: the line
  Id128 cluster_id_{};            // zero: none seen yet
  bool established_ = false;      // this process was connected before: the line has readers
  std::uint64_t history_ = 0;
  Epoch epoch_max_;                                 // highest seen by this process
  Epoch epoch_;                                     // of what this connection tells
  wire::NodeRole role_ = wire::NodeRole::starting;  // of the server
  bool accept_primary_ = false;
  ServerLimits limits_;
  std::optional<wire::Invalidate> partial_;  // parts so far of an invalidation in several frames
  Instant heard_at_;
  std::optional<Instant> pinged_at_;  // and nothing was heard since
  bool suspects_ = false;             // for so long that it may be gone
  Instant ready_since_;
  std::string last_failure_;

  std::uint64_t next_serial_ = 1;
  std::uint64_t next_number_ = 1;  // of commits
  PendingMap pending_;
  std::set<std::pair<Instant, std::uint64_t>> deadlines_;  // of requests not abandoned
  std::set<std::pair<Instant, std::uint64_t>> asks_;       // of commits in stage unknown
  std::set<std::uint64_t> awaits_;  // serial numbers of the Await that a standby was sent
};

}  // namespace zeolite::client_core
