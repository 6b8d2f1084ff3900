#include "daemon/config_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "daemon/record_bytes.h"
#include "etcd/etcd_client.h"

namespace zeolite::daemon {

namespace {

// What is wrong, and where; parse_config puts the file's name before it.
std::unexpected<Error> mistake_at(const toml::source_region& source, std::string_view what) {
  std::ostringstream detail;
  detail << source.begin.line << ':' << source.begin.column << ": " << what;
  return make_error(ErrorCode::invalid_argument, detail.str());
}

std::unexpected<Error> mistake(const toml::node& node, std::string_view what) {
  return mistake_at(node.source(), what);
}

struct Unit {
  std::string_view name;
  double factor;
};
constexpr std::array<Unit, 9> kSizeUnits{{{"", 1.0},
                                          {"B", 1.0},
                                          {"kB", 1e3},
                                          {"MB", 1e6},
                                          {"GB", 1e9},
                                          {"KiB", 1024.0},
                                          {"MiB", 1024.0 * 1024},
                                          {"GiB", 1024.0 * 1024 * 1024},
                                          {"TiB", 1024.0 * 1024 * 1024 * 1024}}};
constexpr std::array<Unit, 5> kTimeUnits{
    {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}, {"h", 3600e9}}};

// "256 MiB" -> 256 * 2^20; nothing when it is not a number and one of the units.
template <std::size_t N>
std::optional<double> parse_quantity(std::string_view text, const std::array<Unit, N>& units) {
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || number < 0) return std::nullopt;
  std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  const auto unit = std::ranges::find(units, rest, &Unit::name);
  if (unit == units.end()) return std::nullopt;
  return number * unit->factor;
}

// The edit distance, for guessing what was meant.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// One key of a table: its name, and what to do with its value.
struct Key {
  std::string_view name;
  std::function<Result<>(const toml::node&)> take;
};

std::string unknown_key(std::string_view key, std::string_view table,
                        const std::vector<Key>& keys) {
  const auto nearest = std::ranges::min_element(
      keys, {}, [&](const Key& candidate) { return distance(candidate.name, key); });
  std::string what = "unknown key '" + std::string(key) + "'";
  if (!table.empty()) what += " in [" + std::string(table) + "]";
  if (distance(nearest->name, key) <= std::max<std::size_t>(key.size() / 3, 2)) {
    return what + "; did you mean '" + std::string(nearest->name) + "'?";
  }
  what += "; expected one of";
  for (const Key& candidate : keys) {
    what += (&candidate == keys.data() ? " " : ", ") + std::string(candidate.name);
  }
  return what;
}

Result<> take_table(const toml::table& table, std::string_view name, const std::vector<Key>& keys) {
  for (const auto& [key, node] : table) {
    const auto known = std::ranges::find(keys, key.str(), &Key::name);
    if (known == keys.end()) {
      return mistake_at(key.source(), unknown_key(key.str(), name, keys));
    }
    RETURN_IF_ERROR(known->take(node));
  }
  return {};
}

Result<const toml::table*> table_of(const toml::node& node, std::string_view name) {
  if (const toml::table* table = node.as_table()) return table;
  return mistake(node, "expected a table: [" + std::string(name) + "]");
}

Result<std::string> text_of(const toml::node& node) {
  const auto* value = node.as_string();
  if (value == nullptr || value->get().empty()) {
    return mistake(node, "expected a text that is not empty");
  }
  return value->get();
}

template <typename T>
Key integer_key(std::string_view name, T& target, std::int64_t from, std::int64_t to) {
  return {name, [&target, from, to](const toml::node& node) -> Result<> {
            const auto* value = node.as_integer();
            if (value == nullptr || value->get() < from || value->get() > to) {
              return mistake(node, "expected an integer from " + std::to_string(from) + " to " +
                                       std::to_string(to));
            }
            target = static_cast<T>(value->get());
            return {};
          }};
}

template <typename T>
Key size_key(std::string_view name, T& target, std::uint64_t from, std::uint64_t to) {
  return {name, [&target, from, to](const toml::node& node) -> Result<> {
            std::optional<double> bytes;
            if (const auto* number = node.as_integer()) {
              bytes = static_cast<double>(number->get());
            } else if (const auto* text = node.as_string()) {
              bytes = parse_quantity(text->get(), kSizeUnits);
            }
            if (!bytes)
              return mistake(node, "expected a size: bytes, or a text such as \"256 MiB\"");
            if (*bytes < static_cast<double>(from) || *bytes > static_cast<double>(to)) {
              return mistake(node, "expected a size from " + std::to_string(from) + " to " +
                                       std::to_string(to) + " bytes");
            }
            target = static_cast<std::uint64_t>(*bytes);
            return {};
          }};
}

// For fields narrower than 64 bits.
Key size_key(std::string_view name, std::uint32_t& target, std::uint64_t from, std::uint64_t to) {
  auto wide = std::make_shared<std::uint64_t>(0);
  Key key = size_key<std::uint64_t>(name, *wide, from, to);
  return {name, [wide, take = std::move(key.take), &target](const toml::node& node) -> Result<> {
            RETURN_IF_ERROR(take(node));
            target = static_cast<std::uint32_t>(*wide);
            return {};
          }};
}

Key time_key(std::string_view name, Duration& target, Duration from, Duration to) {
  return {name, [&target, from, to](const toml::node& node) -> Result<> {
            const auto* text = node.as_string();
            const std::optional<double> ns =
                text == nullptr ? std::nullopt : parse_quantity(text->get(), kTimeUnits);
            if (!ns)
              return mistake(node, "expected a time with its unit, such as \"30 s\" or \"200 us\"");
            if (*ns < static_cast<double>(from.count()) || *ns > static_cast<double>(to.count())) {
              return mistake(node, "expected a time from " +
                                       std::to_string(from / std::chrono::microseconds(1)) +
                                       " us to " + std::to_string(to / std::chrono::seconds(1)) +
                                       " s");
            }
            target = Duration(static_cast<std::int64_t>(*ns));
            return {};
          }};
}

Key text_key(std::string_view name, std::string& target) {
  return {name, [&target](const toml::node& node) -> Result<> {
            ASSIGN_OR_RETURN(target, text_of(node));
            return {};
          }};
}

// Relative to the folder of the configuration file.
Key path_key(std::string_view name, std::filesystem::path& target,
             const std::filesystem::path& base_directory) {
  return {name, [&target, base_directory](const toml::node& node) -> Result<> {
            ASSIGN_OR_RETURN(const std::string text, text_of(node));
            target = (base_directory / text).lexically_normal();
            return {};
          }};
}

Key zeo_tls_key(std::optional<tls::TlsFiles>& target, const std::filesystem::path& base) {
  return {"zeo_tls", [&target, base](const toml::node& node) -> Result<> {
            tls::TlsFiles files;
            ASSIGN_OR_RETURN(const toml::table* table, table_of(node, "zeo_tls"));
            RETURN_IF_ERROR(take_table(
                *table, "zeo_tls",
                {path_key("certificate", files.certificate, base), path_key("key", files.key, base),
                 path_key("key_password", files.key_password, base),
                 path_key("client_ca", files.client_ca, base)}));
            if (files.certificate.empty()) return mistake(node, "[zeo_tls] has no certificate");
            target = std::move(files);
            return {};
          }};
}

Key storage_name_key(std::string& target) {
  return {"name", [&target](const toml::node& node) -> Result<> {
            ASSIGN_OR_RETURN(target, text_of(node));
            if (is_storage_name(target)) return {};
            return mistake(node,
                           "the name of a storage has no comma, slash, space or control character");
          }};
}

Result<StorageConfig> storage_of(const toml::node& node,
                                 const std::filesystem::path& base_directory) {
  StorageConfig storage;
  ASSIGN_OR_RETURN(const toml::table* table, table_of(node, "storage"));
  RETURN_IF_ERROR(take_table(
      *table, "storage",
      {storage_name_key(storage.name), path_key("directory", storage.directory, base_directory),
       path_key("blobs", storage.blobs, base_directory)}));
  if (storage.directory.empty()) return mistake(node, "this [[storage]] has no directory");
  return storage;
}

Result<std::vector<StorageConfig>> storages_of(const toml::node& node,
                                               const std::filesystem::path& base_directory) {
  const toml::array* array = node.as_array();
  if (array == nullptr) return mistake(node, "expected a list of tables: [[storage]]");
  std::vector<StorageConfig> storages;
  std::set<std::string> names;
  std::set<std::filesystem::path> directories;
  for (const toml::node& element : *array) {
    ASSIGN_OR_RETURN(StorageConfig storage, storage_of(element, base_directory));
    storages.push_back(std::move(storage));
    if (!names.insert(storages.back().name).second) {
      return mistake(element, "there are two storages named '" + storages.back().name + "'");
    }
    if (!directories.insert(storages.back().directory).second) {
      return mistake(element,
                     "two storages have the directory " + storages.back().directory.string());
    }
  }
  return storages;
}

Key table_key(std::string_view name, std::vector<Key> keys) {
  return {name, [name, keys = std::move(keys)](const toml::node& node) -> Result<> {
            ASSIGN_OR_RETURN(const toml::table* table, table_of(node, name));
            return take_table(*table, name, keys);
          }};
}

// An answer of the largest size must find room behind another one.
Result<> check_limits(const ServerConfig& config, const toml::node& node) {
  const auto at_least = [&](std::string_view name, std::uint64_t bytes, std::string_view least_name,
                            std::uint64_t least) -> Result<> {
    if (bytes >= least) return {};
    return mistake(node, "'" + std::string(name) + "' is " + std::to_string(bytes) +
                             " bytes; it must be at least " + std::string(least_name) + ": " +
                             std::to_string(least));
  };
  RETURN_IF_ERROR(at_least("outbound", config.outbound_bytes_max, "twice 'frame'",
                           2ULL * config.frame_bytes_max));
  return at_least("buffers", config.buffers_max, "'outbound'", config.outbound_bytes_max);
}

Key limits_key(const ServerConfig& config, std::vector<Key> keys) {
  Key table = table_key("limits", std::move(keys));
  return {table.name, [take = table.take, &config](const toml::node& node) -> Result<> {
            RETURN_IF_ERROR(take(node));
            return check_limits(config, node);
          }};
}

Key listen_key(std::string_view name, std::optional<net::ListenAddress>& target) {
  return {name, [&target](const toml::node& node) -> Result<> {
            ASSIGN_OR_RETURN(const std::string text, text_of(node));
            Result<net::ListenAddress> address = net::parse_listen_address(text);
            if (!address) return mistake(node, address.error().detail);
            target = std::move(*address);
            return {};
          }};
}

Key host_port_key(std::string_view name, std::optional<net::HostPort>& target) {
  return {name, [&target](const toml::node& node) -> Result<> {
            ASSIGN_OR_RETURN(const std::string text, text_of(node));
            Result<net::HostPort> address = net::parse_host_port(text);
            if (!address) return mistake(node, address.error().detail);
            target = std::move(*address);
            return {};
          }};
}

Result<> take_etcd(const toml::node& node, ReplicationConfig& config) {
  ASSIGN_OR_RETURN(const std::string text, text_of(node));
  Result<std::vector<net::HostPort>> endpoints = etcd::parse_endpoints(text);
  if (!endpoints) return mistake(node, endpoints.error().detail);
  config.etcd = std::move(*endpoints);
  return {};
}

Result<> take_durability(const toml::node& node, ReplicationConfig& config) {
  ASSIGN_OR_RETURN(const std::string text, text_of(node));
  if (text != "local" && text != "standby") {
    return mistake(node, "expected \"local\" or \"standby\"");
  }
  config.waits_for_standby = text == "standby";
  return {};
}

Result<> take_zeo_standby(const toml::node& node, ServerConfig& config) {
  ASSIGN_OR_RETURN(const std::string text, text_of(node));
  if (text != "refuse" && text != "park") return mistake(node, "expected \"refuse\" or \"park\"");
  config.zeo_parks = text == "park";
  return {};
}

Key flag_key(std::string_view name, bool& target) {
  return {name, [&target](const toml::node& node) -> Result<> {
            const auto* flag = node.as_boolean();
            if (flag == nullptr) return mistake(node, "expected true or false");
            target = flag->get();
            return {};
          }};
}

Result<ServerConfig> config_of(const toml::table& root,
                               const std::filesystem::path& base_directory) {
  constexpr std::uint64_t kMiB = 1ULL << 20;
  constexpr std::uint64_t kTiB = 1ULL << 40;
  constexpr Duration kMillisecond = std::chrono::milliseconds(1);
  constexpr Duration kHour = std::chrono::hours(1);
  ServerConfig c;
  std::uint64_t reserve = 0;
  bool has_reserve = false;
  Key reserve_key = size_key("reserve", reserve, 0, kTiB);
  const std::vector<Key> keys{
      text_key("name", c.node_name),
      {"storage",
       [&](const toml::node& node) -> Result<> {
         ASSIGN_OR_RETURN(c.storages, storages_of(node, base_directory));
         return {};
       }},
      table_key("listen", {host_port_key("native", c.native), listen_key("zeo", c.zeo),
                           listen_key("zeo_read", c.zeo_read)}),
      table_key("replication",
                {host_port_key("standby_of", c.replication.standby_of),
                 {"etcd", [&](const toml::node& node) { return take_etcd(node, c.replication); }},
                 text_key("cluster", c.replication.cluster),
                 host_port_key("advertise", c.replication.advertise),
                 {"durability",
                  [&](const toml::node& node) { return take_durability(node, c.replication); }},
                 flag_key("strict", c.replication.strict),
                 time_key("lease", c.replication.lease, std::chrono::seconds(2), kHour),
                 time_key("heartbeat", c.replication.heartbeat, 10 * kMillisecond, kHour),
                 time_key("stall", c.replication.stall_timeout, 100 * kMillisecond, kHour),
                 size_key("checkpoint_rate", c.replication.checkpoint_bytes_per_second, 0, kTiB)}),
      table_key("zeo",
                {flag_key("msgpack", c.zeo_msgpack),
                 flag_key("read_only", c.zeo_read_only),
                 flag_key("pack_gc", c.zeo_pack_gc),
                 {"standby", [&](const toml::node& node) { return take_zeo_standby(node, c); }},
                 integer_key("invalidation_limit", c.zeo_invalidations_max, 0,
                             std::numeric_limits<std::int64_t>::max())}),
      zeo_tls_key(c.zeo_tls, base_directory),
      table_key("threads", {integer_key("io", c.io_threads, 0, 256),
                            integer_key("read", c.read_threads, 1, 256)}),
      table_key("memory", {size_key("block_cache", c.block_cache_bytes, kMiB, kTiB),
                           size_key("record_cache", c.record_cache_bytes, 0, kTiB),
                           size_key("memtable", c.memtable_bytes, kMiB, 1024 * kMiB)}),
      table_key("disk", {{"reserve",
                          [&](const toml::node& node) -> Result<> {
                            has_reserve = true;
                            return reserve_key.take(node);
                          }}}),
      limits_key(c, {size_key("frame", c.frame_bytes_max, 64 * 1024, 1024 * kMiB),
                     size_key("transaction", c.transaction_bytes_max, 64 * 1024, kStreamedBytesMax),
                     size_key("staged", c.staged_bytes_max, 64 * 1024, kTiB),
                     size_key("outbound", c.outbound_bytes_max, kMiB, kTiB),
                     size_key("buffers", c.buffers_max, kMiB, kTiB),
                     integer_key("connections", c.connections_max, 1, 1'000'000)}),
      table_key("timeouts",
                {time_key("handshake", c.handshake_timeout, kMillisecond, kHour),
                 time_key("progress", c.progress_timeout, kMillisecond, kHour),
                 time_key("vote", c.vote_timeout, kMillisecond, kHour),
                 time_key("lock", c.lock_timeout, kMillisecond, kHour),
                 time_key("group_wait", c.group_wait_max, Duration{0}, std::chrono::seconds(1)),
                 time_key("inline_sync", c.inline_sync_max, Duration{0}, std::chrono::seconds(1))}),
  };
  RETURN_IF_ERROR(take_table(root, "", keys));
  if (has_reserve) c.disk_reserve_bytes = reserve;
  return c;
}

// toml++ reports mistakes by an exception; it ends here.
Result<ServerConfig> parse_text(std::string_view text,
                                const std::filesystem::path& base_directory) {
  try {
    return config_of(toml::parse(text), base_directory);
  } catch (const toml::parse_error& wrong) {
    return mistake_at(wrong.source(), wrong.description());
  }
}

}  // namespace

bool is_storage_name(std::string_view name) {
  return !name.empty() && std::ranges::none_of(name, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte == 0x7F || c == ',' || c == '/';
  });
}

Result<ServerConfig> parse_config(std::string_view text, std::string_view file,
                                  const std::filesystem::path& base_directory) {
  Result<ServerConfig> config = parse_text(text, base_directory);
  if (!config) config.error().detail.insert(0, std::string(file) + ":");
  return config;
}

Result<ServerConfig> read_config_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  // Nothing to copy would count as a failure.
  const bool empty = stream.peek() == std::ifstream::traits_type::eof() && stream.eof();
  if (stream && !empty) text << stream.rdbuf();
  if (!stream || !text) {
    return make_error(ErrorCode::io_error, "cannot read the configuration file " + path.string() +
                                               ": " + std::strerror(errno));
  }
  return parse_config(text.str(), path.string(), path.parent_path());
}

}  // namespace zeolite::daemon
