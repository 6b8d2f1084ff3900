#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/ids.h"
#include "net/address.h"
#include "net/kept_port.h"
#include "tls/tls_context.h"

namespace zeolite::daemon {

// One named database of the server and where it lives.
struct StorageConfig {
  std::string name = "main";
  std::filesystem::path directory;
  std::filesystem::path blobs;  // empty: the folder `blobs` in the directory
  bool keeps_blobs = true;      // false: clients are told that there are none, and store none
};

// Whom the server follows, and who follows it (docs/replication.md). Only with one storage.
struct ReplicationConfig {
  std::optional<net::HostPort> standby_of;  // --standby-of: begins as its standby
  std::vector<net::HostPort> etcd;          // --etcd: who leads is elected
  std::string cluster = "main";             // --cluster: name of the keys there
  std::optional<net::HostPort> advertise;  // the native port as others reach it; else as it listens
  bool waits_for_standby = true;           // --durability standby; false: local
  bool strict = false;                     // commits wait when there is no standby
  Duration lease = std::chrono::seconds(3);
  Duration heartbeat = std::chrono::milliseconds(100);
  Duration stall_timeout = std::chrono::seconds(3);  // a standby that does not get on for so long
  std::uint64_t checkpoint_bytes_per_second = 0;     // 0: as fast as it goes

  // Called with each lease that the node gets; from a thread of the server's.
  std::function<void(std::int64_t lease)> lease_taken;

  // Of a server that begins anew in the same process; see Server::End.
  struct Resume {
    std::shared_ptr<net::KeptPort> native;  // the port as the last one left it
    bool as_standby = false;
    std::string follow;            // whom, when it is not by election
    std::string stepped_down;      // why it does not lead any more; empty: it did not
    Duration abstain{};            // an election is left to others for so long
    std::optional<Id128> cluster;  // the own database is empty and joins this cluster
  };
  Resume resume;
};

// Everything `zeolite serve` can be told. Sizes are bytes.
struct ServerConfig {
  std::string node_name = "node";         // --name
  std::vector<StorageConfig> storages;    // the first is what clients get by default
  std::optional<net::HostPort> native;    // --native; not set: the port is not opened
  std::optional<net::ListenAddress> zeo;  // --zeo; not set: the port is not opened
  // --zeo-read: the same, for clients that only read; also on a standby.
  std::optional<net::ListenAddress> zeo_read;
  std::optional<tls::TlsFiles> zeo_tls;  // not set: both ZEO ports speak without TLS
  bool zeo_msgpack = false;              // offer clients msgpack instead of pickles
  bool zeo_read_only = false;            // ZEO clients may read only
  bool zeo_pack_gc = true;               // packs that ZEO clients start collect garbage, too
  // While this server is not the primary, its ZEO port takes clients, and greets them once it is.
  // False: it refuses them.
  bool zeo_parks = false;
  // A ZEO client that missed more transactions than this drops its cache.
  std::size_t zeo_invalidations_max = SIZE_MAX;
  ReplicationConfig replication;

  unsigned io_threads = 0;    // 0: one per core, at most 4
  unsigned read_threads = 2;  // for reads that must wait for the disk

  std::uint64_t block_cache_bytes = 256ULL << 20;  // all storages together
  // Records that were asked for lately, beside the block cache; all storages together.
  std::uint64_t record_cache_bytes = 64ULL << 20;
  std::uint64_t memtable_bytes = 32ULL << 20;       // per storage
  std::optional<std::uint64_t> disk_reserve_bytes;  // nothing: a tenth of the disk, 16..256 MiB

  std::uint32_t frame_bytes_max = 64U << 20;
  std::uint64_t transaction_bytes_max = 256ULL << 20;  // one transaction, all its stages
  std::uint64_t staged_bytes_max = 1ULL << 30;         // all connections together
  std::uint64_t outbound_bytes_max = 128ULL << 20;     // unsent, per connection; two frames
  std::uint64_t buffers_max = 512ULL << 20;            // of slow peers, all connections together
  std::uint32_t connections_max = 20'000;
  Duration handshake_timeout = std::chrono::seconds(10);
  Duration progress_timeout = std::chrono::seconds(30);  // an unfinished frame, an unread reply
  Duration vote_timeout = std::chrono::seconds(60);
  Duration lock_timeout = std::chrono::seconds(30);
  // Longest time a group waits for committers that are known to be on their way back.
  Duration group_wait_max = std::chrono::milliseconds(1);
  // On a disk that syncs in this time, a lone client's commit is written by the I/O thread that
  // received it, which others on that thread wait for. Zero: always by the log writer.
  Duration inline_sync_max = std::chrono::microseconds(250);
};

}  // namespace zeolite::daemon
