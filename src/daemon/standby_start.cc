#include "daemon/standby_start.h"

#include <algorithm>
#include <utility>

#include "blobs/blob_location.h"
#include "daemon/incoming_copy.h"
#include "daemon/outgoing_checkpoints.h"
#include "storage/checkpoint_install.h"
#include "storage/crash_point.h"
#include "storage/high_water_mark.h"
#include "storage/rocks_object_store.h"

namespace zeolite::daemon {
namespace {

// After a reign has ended, an election is left to others for so many lease times.
constexpr int kAbstainLeases = 2;
// A primary that begins asks so many of the standbys it had; each may take a second.
constexpr std::size_t kAskedMax = 4;

// A node that is to follow itself would wait for itself for ever.
Result<> check_upstream(const ReplicationConfig& config, const net::HostPort& native) {
  if (!config.standby_of) return {};
  const std::string upstream = config.standby_of->to_string();
  const bool own = upstream == native.to_string() ||
                   (config.advertise && upstream == config.advertise->to_string());
  if (!own) return {};
  return make_error(ErrorCode::invalid_argument,
                    "--standby-of " + upstream +
                        " is this server's own address; name the server "
                        "that it is to follow, or leave the option out");
}

std::string configured_upstream(const ReplicationConfig& config) {
  return config.standby_of ? config.standby_of->to_string() : std::string();
}

// Which database the directory of blobs belongs to is settled anew when it is opened. To be done
// before the database is another one: after a kill in between, nobody knows any more that it is not
// another's.
Result<> release_blobs(const StorageConfig& storage, const std::filesystem::path& blobs) {
  if (!storage.keeps_blobs) return {};
  RETURN_IF_ERROR(blobs::forget_owner(blobs));
  storage::crash_point("join.blobs_released");
  return {};
}

// Only one without a single log entry is forgotten: nothing can depend on it.
Result<> forget_empty_database(const StorageConfig& storage, const NodeDirectory& directory,
                               const std::filesystem::path& blobs, const Id128& cluster) {
  ASSIGN_OR_RETURN(const std::optional<Id128> own,
                   storage::DataDirectory::read_cluster_id(storage.directory));
  if (!own || *own == cluster) return {};
  {
    storage::RocksStoreOptions options;
    options.directory = storage.directory;
    options.lock = directory.lock;
    options.create_if_missing = false;
    ASSIGN_OR_RETURN(const auto store, storage::RocksObjectStore::open(options));
    if (!store->last_position().tid.is_zero()) {
      return make_error(ErrorCode::conflict,
                        "the database in " + storage.directory.string() +
                            " belongs to another cluster than the one it is to join");
    }
  }
  RETURN_IF_ERROR(release_blobs(storage, blobs));
  return storage::DataDirectory::forget_database(*directory.lock);
}

// What is left of a copy that was begun, and is of no use any more.
Result<> remove_outdated_copy(const StorageConfig& storage) {
  ASSIGN_OR_RETURN(const std::optional<Id128> own,
                   storage::DataDirectory::read_cluster_id(storage.directory));
  Position acknowledged;
  if (own) {
    ASSIGN_OR_RETURN(const auto mark,
                     storage::HighWaterMark::open(storage.directory / "HWM", true));
    acknowledged = mark->position();
  }
  return IncomingCopy::remove_outdated(storage.directory, acknowledged);
}

// They may hold what is nowhere else, so they are the operator's to remove.
void tell_of_former_databases(const std::filesystem::path& data, const LogSink& log) {
  const storage::FormerDatabases former = storage::former_databases(data);
  if (former.count == 0) return;
  log(LogLevel::info,
      "databases that copies of a primary's have replaced: " + std::to_string(former.count) +
          " in " + (data / storage::kFormerPrefix).string() + "*, " +
          std::to_string(former.bytes >> 20) + " MiB; remove them when nobody needs them");
}

}  // namespace

Result<NodeDirectory> open_node_directory(const StorageConfig& storage,
                                          const ReplicationConfig& config, const LogSink& log) {
  NodeDirectory directory;
  RETURN_IF_ERROR(storage::DataDirectory::check_usable(storage.directory));
  ASSIGN_OR_RETURN(directory.lock, storage::DirectoryLock::take(
                                       storage.directory, storage::DirectoryLock::Access::create));
  ASSIGN_OR_RETURN(directory.node, storage::NodeFile::open(directory.lock));
  OutgoingCheckpoints::remove_leftovers(storage.directory);
  std::filesystem::path blobs = storage.directory / "blobs";
  if (storage.keeps_blobs) {
    ASSIGN_OR_RETURN(blobs, blobs::locate_blobs(storage.directory, storage.blobs));
  }
  ASSIGN_OR_RETURN(const bool copied, storage::has_complete_copy(storage.directory));
  if (copied) RETURN_IF_ERROR(release_blobs(storage, blobs));
  using storage::InstallOutcome;
  ASSIGN_OR_RETURN(const InstallOutcome outcome,
                   storage::install_checkpoint(*directory.lock, blobs));
  if (outcome == InstallOutcome::outdated) {
    log(LogLevel::warning,
        "a copy of a primary's database is removed: the own database has gone on since");
  }
  RETURN_IF_ERROR(remove_outdated_copy(storage));
  if (outcome == InstallOutcome::installed) {
    log(LogLevel::info, "the copy of the primary's database is installed");
  } else if (config.resume.cluster) {
    RETURN_IF_ERROR(forget_empty_database(storage, directory, blobs, *config.resume.cluster));
  }
  tell_of_former_databases(storage.directory, log);
  return directory;
}

Result<replication::Node::Options> node_options(const ServerConfig& config,
                                                const storage::NodeFile& node,
                                                const net::HostPort& native, const LogSink& log) {
  const ReplicationConfig& replication = config.replication;
  RETURN_IF_ERROR(check_upstream(replication, native));
  replication::Node::Options options;
  options.id = node.id();
  options.name = config.node_name;
  options.address = replication.advertise.value_or(native).to_string();
  options.storage = config.storages.front().name;
  options.stepped_down = replication.resume.stepped_down;
  options.elects = !replication.etcd.empty();
  options.sync.durability = replication.waits_for_standby ? replication::Durability::standby
                                                          : replication::Durability::local;
  options.sync.strict = replication.waits_for_standby && replication.strict;
  options.sync.stall_timeout = replication.stall_timeout;
  options.sync.lost_timeout =
      std::min<Duration>(replication.stall_timeout, std::chrono::seconds(1));
  options.heartbeat = replication.heartbeat;
  options.silence_max = std::max<Duration>(replication.stall_timeout, replication.heartbeat * 10);
  options.lease = replication.lease;
  options.abstain = replication.resume.abstain;
  for (const std::uint8_t byte : node.id()) options.seed = options.seed * 257 + byte;
  if (options.elects) return options;

  const std::string configured = configured_upstream(replication);
  if (replication.resume.as_standby) {
    options.upstream = replication.resume.follow.empty() ? configured : replication.resume.follow;
    return options;
  }
  options.leads = configured.empty();
  options.upstream = configured;
  ASSIGN_OR_RETURN(const std::optional<RoleDecision> decision,
                   read_role_file(config.storages.front().directory));
  // An option that was forgotten promotes nobody.
  const bool stays_standby = decision && !decision->leads && configured.empty();
  if (decision && (decision->configured == configured || stays_standby)) {
    options.leads = decision->leads;
    options.upstream = decision->follows.empty() ? decision->configured : decision->follows;
  }
  if (stays_standby) {
    log(LogLevel::info, "this node was a standby" +
                            (options.upstream.empty() ? "" : " of " + options.upstream) +
                            " and goes on as one until it is promoted");
  }
  if (decision && options.leads) options.ask_first = decision->standbys;
  return options;
}

std::optional<RoleDecision> role_to_keep(const ClusterView& view, bool leads_at_start) {
  if (view.role == wire::NodeRole::primary) {
    return RoleDecision{.leads = true, .standbys = view.addresses};
  }
  if (view.role == wire::NodeRole::standby && (leads_at_start || view.shows)) {
    return RoleDecision{.leads = false, .follows = view.leader};
  }
  return std::nullopt;
}

Result<> keep_role(const ServerConfig& config, RoleDecision decision) {
  if (!config.replication.etcd.empty()) return {};
  decision.configured = configured_upstream(config.replication);
  const std::filesystem::path& directory = config.storages.front().directory;
  ASSIGN_OR_RETURN(const std::optional<RoleDecision> before, read_role_file(directory));
  if (before && decision.leads) {
    for (const std::string& address : before->standbys) {
      if (std::ranges::find(decision.standbys, address) != decision.standbys.end()) continue;
      decision.standbys.push_back(address);
    }
  }
  if (decision.standbys.size() > kAskedMax) decision.standbys.resize(kAskedMax);
  if (before == decision) return {};
  const bool as_configured = decision.leads == decision.configured.empty();
  if (!before && as_configured && decision.leads && decision.standbys.empty()) return {};
  return write_role_file(directory, decision);
}

void begin_anew(const ReplicationService::Events::Restart& restart, ReplicationConfig& config) {
  ReplicationConfig::Resume& resume = config.resume;
  resume.as_standby = resume.as_standby || restart.was_primary;
  if (!restart.follow.empty()) resume.follow = restart.follow;
  resume.stepped_down = restart.was_primary ? restart.why : std::string();
  resume.cluster = restart.cluster;
  resume.abstain = restart.was_primary ? config.lease * kAbstainLeases : Duration{};
}

std::string durability_name(const ReplicationConfig& config) {
  if (!config.waits_for_standby) return "local";
  return config.strict ? "strict" : "standby";
}

}  // namespace zeolite::daemon
