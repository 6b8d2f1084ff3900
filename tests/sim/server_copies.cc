#include <utility>
#include <variant>

#include "base/check.h"
#include "base/overloaded.h"
#include "sim/server.h"

// Server: copies of its database that it sends, and the one that it takes, as
// daemon/outgoing_checkpoints.h, checkpoint_sender.h, checkpoint_receiver.h and
// storage/checkpoint_install.h have it. Who is given which checkpoint, and whether a copy may be
// gone on with and installed, is decided by the code that ships.
namespace zeolite::sim {

namespace action = replication::action;

namespace {

constexpr std::size_t kFiles = 4;
constexpr Duration kMakeMax = std::chrono::milliseconds(300);
// Of one file: what sending and writing it takes.
constexpr Duration kFileMax = std::chrono::milliseconds(400);
constexpr Duration kRestartMax = std::chrono::milliseconds(100);

// Each file has something of the beginning and of the end, as the real ones have.
SimStore::Files files_of(std::span<const SimStore::Entry> entries) {
  SimStore::Files files(kFiles);
  for (std::size_t i = 0; i < entries.size(); ++i) files[i % kFiles].push_back(entries[i]);
  return files;
}

}  // namespace

replication::CheckpointShelf Server::new_shelf() {
  // Broken: what is there is sent, however old it is.
  if (broken(Mutation::older_copy_taken)) {
    constexpr Duration kForGood = std::chrono::hours(1);
    return replication::CheckpointShelf({.shared_for = kForGood, .kept_for = kForGood});
  }
  const Duration shared_for = random_.between({}, std::chrono::seconds(2));
  return replication::CheckpointShelf(
      {.count_max = 2, .shared_for = shared_for, .kept_for = std::chrono::seconds(3)});
}

// ---- sending ------------------------------------------------------------------------------------

void Server::on_copy_request(ConnectionId connection, const wire::CheckpointRequest& request) {
  if (ending_) return;
  stop_sending(connection);
  const replication::CopyUser user = next_user_++;
  sendings_[connection] = {.user = user, .request = request};
  replication::CheckpointShelf::Effects effects;
  shelf_.ask(user, request.id, request.from, instant(), effects);
  carry_out(effects);
}

void Server::stop_sending(ConnectionId connection) {
  const auto found = sendings_.find(connection);
  if (found == sendings_.end()) return;
  const bool complete = found->second.id && found->second.confirmed == kFiles;
  const replication::CopyUser user = found->second.user;
  sendings_.erase(found);
  replication::CheckpointShelf::Effects effects;
  shelf_.ended(user, complete, instant(), effects);
  carry_out(effects);
}

void Server::carry_out(const replication::CheckpointShelf::Effects& effects) {
  using Shelf = replication::CheckpointShelf;
  for (const Shelf::Effect& effect : effects) {
    std::visit(Overloaded{
                   [&](const Shelf::Give& give) { begin_sending(give.user, give.id); },
                   [&](const Shelf::Refuse& refuse) { refuse_copy(refuse.user); },
                   [&](const Shelf::Make&) {
                     later(random_.between({}, kMakeMax), [this] { make_checkpoint(); });
                   },
                   [&](const Shelf::Remove& removed) { checkpoints_.erase(removed.id); },
               },
               effect);
  }
}

void Server::make_checkpoint() {
  Checkpoint made;
  for (std::uint8_t& byte : made.begin.id) byte = static_cast<std::uint8_t>(random_.index(256));
  made.begin.cluster_id = disk_.cluster();
  made.begin.position = disk_.last();
  made.begin.files.resize(kFiles);
  made.files = files_of(disk_.entries_after(kNoTid, false));
  const Id128 id = made.begin.id;
  const Position position = made.begin.position;
  checkpoints_.emplace(id, std::move(made));
  replication::CheckpointShelf::Effects effects;
  shelf_.made(id, position, instant(), effects);
  carry_out(effects);
}

void Server::begin_sending(replication::CopyUser user, const Id128& id) {
  for (auto& [connection, sending] : sendings_) {
    // Broken: whoever is sent a copy is sent the files of the newest.
    if (sending.id && broken(Mutation::checkpoints_mixed)) sending.id = id;
    if (sending.user != user) continue;
    const bool goes_on = sending.request.id == id;
    sending.id = id;
    sending.confirmed = goes_on ? sending.request.file : 0;
    send(connection, checkpoints_.at(id).begin);
    send_file(connection);
  }
}

void Server::send_file(ConnectionId connection) {
  later(random_.between({}, kFileMax), [this, connection] {
    const auto found = sendings_.find(connection);
    if (found == sendings_.end() || !found->second.id || ending_) return;
    const auto checkpoint = checkpoints_.find(*found->second.id);
    if (checkpoint == checkpoints_.end() || found->second.confirmed == kFiles) return;
    const std::size_t file = found->second.confirmed;
    send(connection, CopyFile{.file = static_cast<std::uint32_t>(file),
                              .entries = checkpoint->second.files[file]});
  });
}

void Server::on_copy_ack(ConnectionId connection, const wire::CheckpointAck& ack) {
  const auto found = sendings_.find(connection);
  if (found == sendings_.end()) return;
  found->second.confirmed = ack.file + 1U;
  send_file(connection);
}

void Server::refuse_copy(replication::CopyUser user) {
  for (const auto& [connection, sending] : sendings_) {
    if (sending.user != user) continue;
    // Not at once: whoever is on the stack here goes on with the connection.
    later({}, [this, peer = connection] {
      if (!sendings_.contains(peer)) return;
      world_.network.close(host_, peer);
      lost(peer, "no copy can be sent");
    });
    return;
  }
}

// ---- taking -------------------------------------------------------------------------------------

bool Server::may_take(const Id128& cluster, const Position& position) const {
  return broken(Mutation::older_copy_taken) ||
         replication::Follower::may_replace(*taking_, cluster, position);
}

void Server::take_checkpoint(const action::TakeCheckpoint& take) {
  ++receiver_;
  taking_ = take;
  begun_ = false;
  auto& incoming = disk_.incoming();
  wire::CheckpointRequest request{.from = take.from};
  if (broken(Mutation::older_copy_taken)) request.from = {};
  const bool of_use = incoming && !incoming->complete &&
                      may_take(incoming->begin.cluster_id, incoming->begin.position);
  if (of_use) {
    request.id = incoming->begin.id;
    request.file = static_cast<std::uint32_t>(incoming->files.size());
  } else {
    incoming.reset();
  }
  send(upstream_, request);
}

void Server::give_up_copy() {
  ++receiver_;
  taking_.reset();
}

void Server::on_copy_begin(ConnectionId connection, const wire::CheckpointBegin& begin) {
  if (connection != upstream_ || ending_ || !taking_ || begun_) return;
  node_->link_moves(instant());
  if (!may_take(begin.cluster_id, begin.position)) {
    world_.network.close(host_, connection);
    lost(connection, "the copy lacks what this node has");
    return;
  }
  begun_ = true;
  auto& incoming = disk_.incoming();
  if (!incoming || incoming->begin != begin) incoming = {.begin = begin};
  if (incoming->files.size() == kFiles) on_copy_whole();
}

void Server::on_copy_file(ConnectionId connection, CopyFile file) {
  if (connection != upstream_ || ending_ || !taking_ || !begun_) return;
  node_->link_moves(instant());
  const Id128 copy = disk_.incoming()->begin.id;
  later(random_.between({}, kFileMax), [this, copy, of = receiver_, file = std::move(file)] {
    const bool kept = broken(Mutation::given_up_copy_installed);
    if (ending_ || (of != receiver_ && !kept)) return;
    auto& incoming = disk_.incoming();
    if (!incoming || incoming->begin.id != copy || incoming->files.size() != file.file) return;
    incoming->files.push_back(file.entries);
    const bool whole = incoming->files.size() == kFiles;
    // Broken: that it is whole makes it the database of the next start.
    if (whole && kept) incoming->complete = SimStore::Complete{};
    if (of != receiver_) return;
    send(upstream_, wire::CheckpointAck{.file = file.file});
    if (whole) on_copy_whole();
  });
}

void Server::on_copy_whole() {
  const wire::CheckpointBegin& begin = disk_.incoming()->begin;
  const Position position = broken(Mutation::older_copy_taken) ? taking_->from : begin.position;
  input([&, cluster = begin.cluster_id](replication::Node& node, Actions& actions) {
    node.copied(cluster, position, instant(), actions);
  });
}

// The process goes on with it as if it had just started, unless it is killed before.
void Server::install_checkpoint(const action::InstallCheckpoint& install) {
  ending_ = true;
  world_.network.host_died(host_, false);
  later(random_.between({}, kRestartMax), [this, replaces = install.replaces] {
    disk_.incoming()->complete = SimStore::Complete{.replaces = replaces};
    later(random_.between({}, kRestartMax), [this] {
      process_.kill();
      end_process();
      world_.network.host_lives(host_);
      begin_anew({});
    });
  });
}

void Server::discard_copy() {
  give_up_copy();
  // It may be that the disk does not do it.
  if (broken(Mutation::given_up_copy_installed) || random_.coin()) return;
  disk_.incoming().reset();
}

// Before anything looks at the disk.
void Server::install_what_is_complete() {
  const bool looks = !broken(Mutation::given_up_copy_installed);
  switch (disk_.install(looks)) {
    case SimStore::Installed::nothing:
      return;
    case SimStore::Installed::outdated:
      world_.trace.note("n", index_, " removes an outdated checkpoint");
      return;
    case SimStore::Installed::installed:
      world_.trace.note("n", index_, " installs a checkpoint");
      noted_ = kNoTid;
      note_durable();
      return;
  }
}

}  // namespace zeolite::sim
