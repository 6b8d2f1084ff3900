#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "base/error.h"
#include "daemon/cluster_view.h"
#include "daemon/config.h"
#include "daemon/replication_service.h"
#include "daemon/role_file.h"
#include "daemon/server.h"
#include "replication/node.h"
#include "storage/node_file.h"

// What a server with replication does before it opens its database, and how the node begins.
namespace zeolite::daemon {

// The data directory of a node, locked.
struct NodeDirectory {
  std::shared_ptr<const storage::DirectoryLock> lock;
  std::unique_ptr<storage::NodeFile> node;
};

// Takes the directory, installs a copy of a database that has come for it, and, when resume.cluster
// says so, forgets an empty database, which is then made anew for that cluster.
[[nodiscard]] Result<NodeDirectory> open_node_directory(const StorageConfig& storage,
                                                        const ReplicationConfig& config,
                                                        const LogSink& log);

// How the node begins: elects, leads or follows; what was a standby stays one without
// --standby-of. `native`: the address its native port has.
[[nodiscard]] Result<replication::Node::Options> node_options(const ServerConfig& config,
                                                              const storage::NodeFile& node,
                                                              const net::HostPort& native,
                                                              const LogSink& log);

// What of its role a server is to keep: as the primary, who its standbys are; else that it belongs
// to another's reign, from when it shows that, or at once if it was to lead. `configured` is left
// to keep_role().
[[nodiscard]] std::optional<RoleDecision> role_to_keep(const ClusterView& view,
                                                       bool leads_at_start);

// Without an election, a role that was decided by command outlives the process: keeps it where it
// differs from what the settings say, and whom a primary would ask first. `decision.configured` is
// filled in; standbys known from before are added.
[[nodiscard]] Result<> keep_role(const ServerConfig& config, RoleDecision decision);

// How a server of the same process begins next: after a reign as a standby, of `restart.follow` if
// it is known; with `restart.cluster`, in that one.
void begin_anew(const ReplicationService::Events::Restart& restart, ReplicationConfig& config);

// "local", "standby" or "strict", for people.
[[nodiscard]] std::string durability_name(const ReplicationConfig& config);

}  // namespace zeolite::daemon
