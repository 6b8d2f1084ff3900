#include "daemon/zeo_status.h"

#include <gtest/gtest.h>

#include <array>
#include <boost/json.hpp>

#include "zeo/client_messages.h"

namespace zeolite::daemon {
namespace {

using zeo::integer;
using zeo::none;
using zeo::text;
using zeo::Value;

ZeoStatus some() {
  ZeoStatus status;
  status.storage = "main";
  status.counters.commits = 1;
  status.counters.conflicts = 2;
  status.counters.aborts = 3;
  status.counters.stores = 4;
  status.counts.voted = 5;
  status.counts.waiting = 6;
  status.loads = 7;
  status.connections = 8;
  status.last_transaction = Tid(0x03aabbccddeeff01);
  status.started_s = 1'000'000;
  return status;
}

TEST(ZeoStatus, TellsWhatPythonsServerTells) {
  const pickle::Dict told = server_status(some());
  EXPECT_EQ(told.items.size(), 13U);
  EXPECT_EQ(*told.find("commits"), integer(1));
  EXPECT_EQ(*told.find("conflicts"), integer(2));
  EXPECT_EQ(*told.find("aborts"), integer(3));
  EXPECT_EQ(*told.find("stores"), integer(4));
  EXPECT_EQ(*told.find("active_txns"), integer(11));
  EXPECT_EQ(*told.find("waiting"), integer(6));
  EXPECT_EQ(*told.find("loads"), integer(7));
  EXPECT_EQ(*told.find("connections"), integer(8));
  EXPECT_EQ(*told.find("last-transaction"), text("03aabbccddeeff01"));
  EXPECT_EQ(*told.find("conflicts_resolved"), integer(0));
  EXPECT_EQ(*told.find("lock_time"), none());
  EXPECT_EQ(*told.find("timeout-thread-is-alive"), Value(true));
  EXPECT_EQ(told.find("start")->get<pickle::Text>()->utf8.size(), 24U);  // as ctime has it
}

TEST(ZeoStatus, MonitoringTellsTheSameOfAllStorages) {
  std::array<ZeoStatus, 2> storages{some(), some()};
  storages[1].storage = "other";
  const boost::json::object all = boost::json::parse(monitoring_json(storages)).as_object();
  ASSERT_EQ(all.size(), 2U);
  const boost::json::object& one = all.at("other").as_object();
  EXPECT_EQ(one.size(), 13U);
  EXPECT_EQ(one.at("commits").as_int64(), 1);
  EXPECT_TRUE(one.at("lock_time").is_null());
  EXPECT_TRUE(one.at("timeout-thread-is-alive").as_bool());
  EXPECT_EQ(one.at("last-transaction").as_string(), "03aabbccddeeff01");
}

}  // namespace
}  // namespace zeolite::daemon
