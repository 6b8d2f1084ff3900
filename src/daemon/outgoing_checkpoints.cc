#include "daemon/outgoing_checkpoints.h"

#include <boost/asio/post.hpp>
#include <string>
#include <utility>
#include <variant>

#include "base/overloaded.h"
#include "storage/random_id.h"

namespace zeolite::daemon {
namespace {

constexpr const char* kOutgoing = "outgoing";

Instant instant() { return SystemClock().now().instant; }

Result<> add_file(const std::filesystem::path& path, std::string name,
                  OutgoingCheckpoint& checkpoint) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return make_error(ErrorCode::io_error, path.string() + ": " + error.message());
  checkpoint.begin.files.push_back({std::move(name), size});
  checkpoint.paths.push_back(path);
  return {};
}

// By a link of its own where the file system makes one: what is packed away meanwhile stays until
// it is sent. One that is packed away already is not needed: the standby is told so after the copy.
Result<> add_blob(const blobs::BlobDirectory& blobs, Oid oid, Tid tid,
                  OutgoingCheckpoint& checkpoint) {
  const std::filesystem::path path = blobs.path_of(oid, tid);
  const std::filesystem::path name = "blobs" / path.lexically_relative(blobs.path());
  const std::filesystem::path link = checkpoint.directory / name;
  std::error_code error;
  std::filesystem::create_directories(link.parent_path(), error);
  if (!error) std::filesystem::create_hard_link(path, link, error);
  if (error == std::errc::no_such_file_or_directory) return {};
  return add_file(error ? path : link, name.string(), checkpoint);
}

}  // namespace

OutgoingCheckpoints::OutgoingCheckpoints(Environment environment,
                                         replication::CheckpointShelf::Options options)
    : environment_(std::move(environment)), shelf_(options) {}

void OutgoingCheckpoints::remove_leftovers(const std::filesystem::path& directory) {
  std::error_code ignored;
  std::filesystem::remove_all(directory / kOutgoing, ignored);
}

replication::CopyUser OutgoingCheckpoints::ask(const wire::CheckpointRequest& request,
                                               Given given) {
  const replication::CopyUser user = next_user_++;
  asking_.emplace(user, std::move(given));
  Effects effects;
  shelf_.ask(user, request.id, request.from, instant(), effects);
  carry_out(effects);
  return user;
}

void OutgoingCheckpoints::ended(replication::CopyUser user, bool complete) {
  asking_.erase(user);
  Effects effects;
  shelf_.ended(user, complete, instant(), effects);
  carry_out(effects);
}

void OutgoingCheckpoints::spoiled(const Id128& id) {
  Effects effects;
  shelf_.spoiled(id, effects);
  carry_out(effects);
}

void OutgoingCheckpoints::log_undone() {
  Effects effects;
  shelf_.log_undone(effects);
  carry_out(effects);
}

void OutgoingCheckpoints::tick() {
  Effects effects;
  shelf_.tick(instant(), effects);
  carry_out(effects);
}

void OutgoingCheckpoints::carry_out(const Effects& effects) {
  using Shelf = replication::CheckpointShelf;
  for (const Shelf::Effect& effect : effects) {
    std::visit(Overloaded{
                   [this](const Shelf::Give& give) { answer(give.user, checkpoints_.at(give.id)); },
                   [this](const Shelf::Refuse& refuse) {
                     answer(refuse.user, make_error(ErrorCode::unavailable, refuse.why));
                   },
                   [this](const Shelf::Make&) { make(); },
                   [this](const Shelf::Remove& removed) { remove(removed.id); },
               },
               effect);
  }
}

void OutgoingCheckpoints::answer(replication::CopyUser user,
                                 Result<std::shared_ptr<const OutgoingCheckpoint>> result) {
  const auto asking = asking_.find(user);
  if (asking == asking_.end()) return;
  const Given given = std::move(asking->second);
  asking_.erase(asking);
  given(std::move(result));
}

void OutgoingCheckpoints::make() {
  boost::asio::post(*environment_.pool, [self = shared_from_this()] {
    auto checkpoint = make_checkpoint(self->environment_);
    self->environment_.shard->post([self, checkpoint = std::move(checkpoint)] {
      if (checkpoint) {
        self->made(*checkpoint);
        return;
      }
      Effects effects;
      self->shelf_.not_made(checkpoint.error().detail, effects);
      self->carry_out(effects);
    });
  });
}

void OutgoingCheckpoints::made(const std::shared_ptr<const OutgoingCheckpoint>& checkpoint) {
  const wire::CheckpointBegin& begin = checkpoint->begin;
  environment_.log(LogLevel::info, "a copy of the database is made for a standby: " +
                                       std::to_string(begin.files.size()) + " files");
  checkpoints_.emplace(begin.id, checkpoint);
  Effects effects;
  shelf_.made(begin.id, begin.position, instant(), effects);
  carry_out(effects);
}

void OutgoingCheckpoints::remove(const Id128& id) {
  const auto found = checkpoints_.find(id);
  boost::asio::post(*environment_.pool, [directory = found->second->directory] {
    std::error_code ignored;  // what stays is removed at the next start
    std::filesystem::remove_all(directory, ignored);
  });
  checkpoints_.erase(found);
}

Result<std::shared_ptr<const OutgoingCheckpoint>> OutgoingCheckpoints::make_checkpoint(
    const Environment& environment) {
  const auto checkpoint = std::make_shared<OutgoingCheckpoint>();
  ASSIGN_OR_RETURN(checkpoint->begin.id, storage::random_id());
  const std::filesystem::path parent = environment.directory / kOutgoing;
  std::error_code error;
  std::filesystem::create_directories(parent, error);
  if (error) return make_error(ErrorCode::io_error, parent.string() + ": " + error.message());
  checkpoint->directory = parent / to_hex(checkpoint->begin.id);
  const auto fill = [&]() -> Result<> {
    ASSIGN_OR_RETURN(checkpoint->begin.position, environment.make(checkpoint->directory));
    checkpoint->begin.cluster_id = environment.engine->store().cluster_id();
    return list_files(*environment.engine, *checkpoint);
  };
  if (Result<> filled = fill(); !filled) {
    std::filesystem::remove_all(checkpoint->directory, error);
    return std::unexpected(std::move(filled).error());
  }
  std::uint64_t bytes = 0;
  for (const wire::CheckpointBegin::File& file : checkpoint->begin.files) {
    checkpoint->bytes_before.push_back(bytes);
    bytes += file.size;
  }
  checkpoint->bytes_before.push_back(bytes);
  return checkpoint;
}

// Blobs that came after the checkpoint may be among them; they do no harm.
Result<> OutgoingCheckpoints::list_files(const StorageEngine& engine,
                                         OutgoingCheckpoint& checkpoint) {
  std::error_code error;
  using Walk = std::filesystem::recursive_directory_iterator;
  for (auto entry = Walk(checkpoint.directory, error); !error && entry != Walk();
       entry.increment(error)) {
    if (!entry->is_regular_file()) continue;
    RETURN_IF_ERROR(add_file(entry->path(),
                             entry->path().lexically_relative(checkpoint.directory).string(),
                             checkpoint));
  }
  if (error) {
    return make_error(ErrorCode::io_error, checkpoint.directory.string() + ": " + error.message());
  }
  blobs::BlobDirectory* const blobs = engine.blobs();
  if (blobs == nullptr) return {};
  // All that the checkpoint has a record of is where it is looked for, or there is no copy.
  engine.wait_settled();
  RETURN_IF_ERROR(blobs->settle());
  // Says in which layout the others are.
  RETURN_IF_ERROR(add_file(blobs->path() / ".layout", "blobs/.layout", checkpoint));
  return blobs->walk([&](Oid oid, Tid tid) { return add_blob(*blobs, oid, tid, checkpoint); });
}

}  // namespace zeolite::daemon
