#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

#include "base/error.h"
#include "model/ids.h"
#include "storage/directory_lock.h"

namespace zeolite::storage {

// What the file NODE says (docs/storage-format.md): which node a data directory is, the highest
// epoch that it promised, and the highest that it has heard of.
struct NodeIdentity {
  Id128 id{};
  Epoch promised;  // zero: none yet
  Epoch heard;     // at or above `promised`
  friend bool operator==(const NodeIdentity&, const NodeIdentity&) = default;
};

// Reads it from `directory`, without a lock; nothing when the directory has none.
// Errors: corruption, too_new, io_error.
[[nodiscard]] Result<std::optional<NodeIdentity>> read_node_file(
    const std::filesystem::path& directory);

// The file NODE of a data directory, which need not hold a database yet. No copy of a database has
// it: a node is its directory, and a copy of one is another node.
// Thread: any. Owner: the daemon, before it opens the database and as long as it has the directory.
class NodeFile {
 public:
  // Makes the file with a random id when it is missing. `lock` is one for writing; the database is
  // opened with it, too. Errors: corruption (then nothing tells what was promised: the node must
  // not go on), too_new, invalid_argument (the directory is no place for a database), io_error.
  [[nodiscard]] static Result<std::unique_ptr<NodeFile>> open(
      std::shared_ptr<const DirectoryLock> lock);

  NodeFile(const NodeFile&) = delete;
  NodeFile& operator=(const NodeFile&) = delete;

  [[nodiscard]] const Id128& id() const { return id_; }
  [[nodiscard]] Epoch promised() const;
  // Somebody has promised it; at or above the own promise.
  [[nodiscard]] Epoch heard() const;

  // From now on lower epochs are refused. On the disk when it returns; only then may anything be
  // answered that depends on it. CHECKed: it never goes down. The same one again costs nothing.
  // Errors: out_of_space, and nothing is changed; io_error: promised() is what it was then, while
  // the disk may have either.
  [[nodiscard]] Result<> promise(Epoch epoch);

  // Somebody has promised this. On the disk when it returns, as promise(); one that is not above
  // heard() costs nothing.
  [[nodiscard]] Result<> hear(Epoch epoch);

 private:
  NodeFile(std::shared_ptr<const DirectoryLock> lock, const NodeIdentity& identity)
      : lock_(std::move(lock)),
        id_(identity.id),
        promised_(identity.promised),
        heard_(identity.heard) {}

  [[nodiscard]] Result<> replace(Epoch promised, Epoch heard);

  const std::shared_ptr<const DirectoryLock> lock_;
  const Id128 id_;
  mutable std::mutex mutex_;  // guards the epochs and the file
  Epoch promised_;
  Epoch heard_;
};

}  // namespace zeolite::storage
