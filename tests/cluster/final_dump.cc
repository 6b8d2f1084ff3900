#include "cluster/final_dump.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "cluster/operation_log.h"
#include "zeolite/zeolite.h"

namespace zeolite::cluster_test {

namespace {

constexpr std::string_view kMark = "history ";

std::string transaction_line(client::Client& client, const client::LogEntry& entry) {
  // Written by Participant: "history CLIENT/SEQ".
  const std::string id = entry.description.substr(kMark.size());
  const std::size_t slash = id.rfind('/');
  std::map<client::Oid, std::optional<std::string>> writes;
  for (const client::LogEntry::Object& object : entry.objects) {
    writes[object.oid] = client.load_at(object.oid, entry.tid).str();
  }
  return R"({"tid":)" + json_string(to_string(entry.tid)) + R"(,"client":)" +
         json_string(id.substr(0, slash)) + R"(,"seq":)" + id.substr(slash + 1) + R"(,"writes":)" +
         json_objects(writes) + "}";
}

}  // namespace

void dump_final(const Arguments& arguments) {
  client::Options options;
  options.addresses = {arguments.connect};
  options.storage = arguments.storage;
  options.label = "history_client final";
  client::Client client(options);
  client.wait_connected();
  const client::Tid visible = client.sync();
  const client::ServerStatus status = client.status();
  LineFile file(arguments.out);
  file.write(R"({"node":)" + json_string(status.node) + R"(,"epoch":)" +
             std::to_string(status.epoch) + R"(,"visible":)" + json_string(to_string(visible)) +
             "}");
  std::uint64_t count = 0;
  client::Tid after;
  for (bool end = false; !end;) {
    const client::LogPage page = client.read_log(after);
    for (const client::LogEntry& entry : page.entries) {
      if (!entry.description.starts_with(kMark)) continue;
      file.write(transaction_line(client, entry));
      ++count;
    }
    after = page.next_after;
    end = page.end;
  }
  file.write(R"({"transactions":)" + std::to_string(count) + "}");
}

}  // namespace zeolite::cluster_test
