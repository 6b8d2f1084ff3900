#include "cluster/operation_log.h"

#include <stdexcept>
#include <utility>

namespace zeolite::cluster_test {

using client::Oid;

namespace {

const char* name_of(Operation::End end) {
  switch (end) {
    case Operation::End::ok:
      return "ok";
    case Operation::End::fail:
      return "fail";
    case Operation::End::unknown:
      break;
  }
  return "unknown";
}

// Items with commas between.
class Joined {
 public:
  void add(const std::string& item) { text_ += (text_.empty() ? "" : ",") + item; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string json_value(const Operation& operation) {
  std::map<Oid, std::optional<std::string>> writes;
  for (const auto& [oid, value] : operation.writes) writes.emplace(oid, value);
  Joined current;
  for (const Oid oid : operation.current) current.add(json_string(to_string(oid)));
  Joined appended;
  for (const auto& [oid, elements] : operation.appended) {
    Joined numbers;
    for (const std::uint64_t element : elements) numbers.add(std::to_string(element));
    appended.add(json_string(to_string(oid)) + ":[" + numbers.text() + "]");
  }
  return R"({"reads":)" + json_objects(operation.reads) + R"(,"writes":)" + json_objects(writes) +
         R"(,"current":[)" + current.text() + R"(],"append":{)" + appended.text() + "}}";
}

}  // namespace

std::string json_string(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (code < 0x20 || code > 0x7e) {  // not UTF-8, but never wrong JSON
      quoted += "\\u00";
      quoted += kHex[code >> 4];
      quoted += kHex[code & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string json_objects(const std::map<Oid, std::optional<std::string>>& objects) {
  Joined items;
  for (const auto& [oid, value] : objects) {
    items.add(json_string(to_string(oid)) + ":" + (value ? json_string(*value) : "null"));
  }
  return "{" + items.text() + "}";
}

std::string to_json(const std::string& client, const Operation& operation) {
  Joined fields;
  const auto add = [&](const char* name, const std::string& value) {
    fields.add(json_string(name) + ":" + value);
  };
  const auto add_tid = [&](const char* name, client::Tid tid) {
    if (tid.value != 0) add(name, json_string(to_string(tid)));
  };
  add("client", json_string(client));
  add("seq", std::to_string(operation.seq));
  add("f", json_string(operation.f));
  add("role", operation.standby ? R"("standby")" : R"("primary")");
  add("begin_ns", std::to_string(operation.begin_ns));
  add("end_ns", std::to_string(operation.end_ns));
  add("type", json_string(name_of(operation.end)));
  add_tid("tid", operation.tid);
  add_tid("snapshot", operation.snapshot);
  add_tid("at_least", operation.at_least);
  if (operation.epoch != 0) add("epoch", std::to_string(operation.epoch));
  if (operation.synced) add("synced", "true");
  if (operation.learned) add("learned", "true");
  if (!operation.why.empty()) add("why", json_string(operation.why));
  add("value", json_value(operation));
  return "{" + fields.text() + "}";
}

LineFile::LineFile(const std::string& path) : file_(std::fopen(path.c_str(), "w")) {
  if (file_ == nullptr) throw std::runtime_error(path + " cannot be written");
}

LineFile::~LineFile() { std::fclose(file_); }

void LineFile::write(std::string line) {
  line += '\n';
  const std::lock_guard lock(mutex_);
  if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() || std::fflush(file_) != 0) {
    throw std::runtime_error("the history cannot be written");
  }
}

}  // namespace zeolite::cluster_test
