#include "daemon/zeo_status.h"

#include <array>
#include <boost/json.hpp>
#include <ctime>
#include <string_view>

#include "zeo/message.h"

namespace zeolite::daemon {

using pickle::Dict;
using pickle::None;
using zeo::Value;

namespace {

Value number(std::uint64_t n) { return Value(static_cast<std::int64_t>(n)); }

std::string start_text(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm local{};
  localtime_r(&time, &local);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%a %b %e %H:%M:%S %Y", &local);
  return text.data();
}

boost::json::value to_json(const Value& value) {
  if (const auto* n = value.get<std::int64_t>()) return *n;
  if (const auto* text = value.get<pickle::Text>()) return boost::json::string(text->utf8);
  if (const auto* flag = value.get<bool>()) return *flag;
  return nullptr;
}

}  // namespace

Dict storage_size(const StorageEngine& engine) {
  const StorageEngine::Size size = engine.size();
  Dict dict;
  dict.items.emplace_back(Value::text("length"), number(size.objects));
  dict.items.emplace_back(Value::text("size"), number(size.bytes));
  return dict;
}

Dict storage_info(const StorageEngine& engine) {
  // Clients compare these with tuples, and switch on what they know by name.
  static constexpr std::array kInterfaces{"IStorageRestoreable", "IStorageIteration",
                                          "IStorageUndoable",    "IStorageCurrentRecordIteration",
                                          "IExternalGC",         "IStorage"};
  pickle::Tuple interfaces;
  const bool blobs = engine.blobs() != nullptr;
  for (const char* name : kInterfaces) {
    if (blobs && std::string_view(name) == "IExternalGC") {
      interfaces.items.push_back(
          Value::tuple(Value::text("ZODB.interfaces"), Value::text("IBlobStorage")));
    }
    interfaces.items.push_back(Value::tuple(Value::text("ZODB.interfaces"), Value::text(name)));
  }
  interfaces.items.push_back(Value::tuple(Value::text("zope.interface"), Value::text("Interface")));
  Dict dict = storage_size(engine);
  dict.items.emplace_back(Value::text("name"), Value::text(engine.name()));
  dict.items.emplace_back(Value::text("supportsUndo"), Value(true));
  dict.items.emplace_back(Value::text("supports_record_iternext"), Value(true));
  dict.items.emplace_back(Value::text("interfaces"), Value(std::move(interfaces)));
  return dict;
}

Dict server_status(const ZeoStatus& status) {
  Dict dict;
  const auto add = [&dict](std::string_view key, Value value) {
    dict.items.emplace_back(Value::text(key), std::move(value));
  };
  add("aborts", number(status.counters.aborts));
  add("active_txns", number(status.counts.voted + status.counts.waiting + status.counts.in_flight));
  add("commits", number(status.counters.commits));
  add("conflicts", number(status.counters.conflicts));
  add("conflicts_resolved", number(0));
  add("connections", number(status.connections));
  add("last-transaction", Value::text(to_hex(status.last_transaction)));
  add("loads", number(status.loads));
  add("lock_time", Value(None{}));
  add("start", Value::text(start_text(status.started_s)));
  add("stores", number(status.counters.stores));
  add("timeout-thread-is-alive", Value(true));
  add("waiting", number(status.counts.waiting));
  return dict;
}

std::string monitoring_json(std::span<const ZeoStatus> storages) {
  boost::json::object all;
  for (const ZeoStatus& status : storages) {
    boost::json::object one;
    for (const auto& [key, value] : server_status(status).items) {
      one[key.get<pickle::Text>()->utf8] = to_json(value);
    }
    all[status.storage] = std::move(one);
  }
  return boost::json::serialize(all);
}

}  // namespace zeolite::daemon
