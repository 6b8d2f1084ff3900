#include "daemon/zeo_values.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <string_view>

#include "model/tid_time.h"
#include "zeo/client_messages.h"

namespace zeolite::daemon {
namespace {

using namespace std::string_view_literals;

using zeo::bytes;
using zeo::dict;
using zeo::integer;
using zeo::text;
using zeo::Value;

pickle::Dict items(const Value& value) { return *value.get<pickle::Dict>(); }

TEST(ZeoValues, AnExtensionIsTheDictThatWasPickled) {
  std::string pickled;
  pickle::encode(dict({{"k", integer(1)}}), pickled);
  EXPECT_EQ(extension_value(pickled), dict({{"k", integer(1)}}));
  EXPECT_EQ(extension_value(""), dict({}));
  EXPECT_EQ(extension_value("nonsense"), dict({}));
  pickled.clear();
  pickle::encode(integer(1), pickled);
  EXPECT_EQ(extension_value(pickled), dict({}));
}

// Clients refuse a message with a global, which pickled sets are.
TEST(ZeoValues, SetsInAnExtensionAreToldAsTuples) {
  const Value set(pickle::Set{{integer(1)}});
  const Value tuple(pickle::Tuple{{integer(1)}});
  std::string pickled;
  pickle::encode(dict({{"s", set},
                       {"l", Value(pickle::List{{set}})},
                       {"d", Value(pickle::Dict{{{tuple, Value(pickle::Tuple{{set}})}}})}}),
                 pickled);
  EXPECT_EQ(extension_value(pickled),
            dict({{"s", tuple},
                  {"l", Value(pickle::List{{tuple}})},
                  {"d", Value(pickle::Dict{{{tuple, Value(pickle::Tuple{{tuple}})}}})}}));
}

// As ZODB reads a file that Python 2 wrote.
TEST(ZeoValues, StringsOfPython2InAnExtensionAreTextIfTheyAreAscii) {
  EXPECT_EQ(extension_value("(dp0\nS'old'\np1\nS'text'\np2\ns."), dict({{"old", text("text")}}));
  EXPECT_EQ(extension_value("}U\x03oldT\x02\x00\x00\x00\xc3\xa4s."sv),
            dict({{"old", bytes("\xc3\xa4")}}));
}

// TimeStamp(*time.gmtime(t)[:5] + (t % 60,)) in Python.
TEST(ZeoValues, ATimeToPackToIsTheTidThatFileStorageTakes) {
  EXPECT_EQ(tid_of_seconds(0), Tid(0x023c2b0000000000));
  EXPECT_EQ(tid_of_seconds(59.999999), Tid(0x023c2b00ffffffb8));
  EXPECT_EQ(tid_of_seconds(912694929.000001), Tid(0x032895be266666aa));
  EXPECT_EQ(tid_of_seconds(1795919659.3380795), Tid(0x040d54da528256ee));
  EXPECT_EQ(tid_of_seconds(1795919659.9999998), Tid(0x040d54da55555544));
  EXPECT_EQ(tid_of_seconds(4102444800.25), Tid(0x0662c40001111111));
  // The time that is told of a transaction need not lead back to it.
  EXPECT_EQ(tid_of_seconds(seconds_of(Tid(0x040d54da9c66aacc))), Tid(0x040d54da9c66aacc));
  EXPECT_EQ(tid_of_seconds(seconds_of(Tid(0x03292acfb11228b3))), Tid(0x03292acfb11228aa));
  EXPECT_EQ(tid_of_seconds(-1), Tid(0x023c2afffbbbbbbb));
  EXPECT_EQ(tid_of_seconds(-60), Tid(0x023c2aff00000000));
  EXPECT_EQ(tid_of_seconds(-1e-20), Tid(0x023c2aff00000000));
  EXPECT_EQ(tid_of_seconds(-912694929.25), Tid(0x014fc041d8888888));
  EXPECT_EQ(tid_of_seconds(-2208988799.5), Tid(0x0000000002222222));
  EXPECT_EQ(tid_of_seconds(-1e300), kNoTid);
  EXPECT_EQ(tid_of_seconds(1e300).value() >> 32, kMaxTid.value() >> 32);
}

TEST(ZeoValues, SecondsAreSince1970) {
  EXPECT_EQ(seconds_of(tid_from_time(WallTime{912'694'920'000'000})), 912'694'920.0);
  EXPECT_NEAR(seconds_of(tid_from_time(WallTime{912'694'929'123'456})), 912'694'929.123456, 1e-6);
}

// What TimeStamp(tid).timeTime() of the persistent package gives.
TEST(ZeoValues, SecondsAreRoundedAsTimeStampDoes) {
  EXPECT_EQ(seconds_of(Tid(0x03154a4bd59d32b8)), 838'207'430.065794);
  EXPECT_EQ(seconds_of(Tid(0x03154a4bd59d32a5)), 838'207'430.065794);
}

TEST(ZeoValues, WhoComesLastHasHisWay) {
  TransactionMetadata metadata;
  metadata.user = "user";
  metadata.description = "text";
  pickle::encode(dict({{"size", text("mine")}, {"k", integer(1)}}), metadata.extension);
  const Tid tid = tid_from_time(WallTime{60'000'000});
  pickle::Dict undo_log;
  set_transaction(tid, metadata, 7, undo_log);
  set_extension(metadata, undo_log);
  pickle::Dict history;
  set_extension(metadata, history);
  set_transaction(tid, metadata, 7, history);
  const pickle::Dict mine = items(dict({{"time", Value(60.0)},
                                        {"user_name", bytes("user")},
                                        {"description", bytes("text")},
                                        {"k", integer(1)}}));
  for (const pickle::Dict* each : {&undo_log, &history}) {
    EXPECT_EQ(each->items.size(), 5U);
    EXPECT_TRUE(has_all(*each, mine));
  }
  EXPECT_EQ(*undo_log.find("size"), text("mine"));
  EXPECT_EQ(*history.find("size"), integer(7));
}

TEST(ZeoValues, EveryItemOfASpecificationMustBeThere) {
  const pickle::Dict entry = items(dict({{"a", integer(1)}, {"b", bytes("x")}}));
  EXPECT_TRUE(has_all(entry, items(dict({}))));
  EXPECT_TRUE(has_all(entry, items(dict({{"b", bytes("x")}, {"a", integer(1)}}))));
  EXPECT_FALSE(has_all(entry, items(dict({{"a", integer(2)}}))));
  EXPECT_FALSE(has_all(entry, items(dict({{"c", integer(1)}}))));
}

// FileStorage asks `desc.get(k) != v`.
TEST(ZeoValues, ASpecificationIsComparedAsPythonDoes) {
  const Value none{pickle::None{}};
  const Value pair = Value::tuple(integer(1), Value(true));
  const pickle::Dict entry = items(dict({{"one", integer(1)},
                                         {"yes", Value(true)},
                                         {"two", Value(2.0)},
                                         {"pair", pair},
                                         {"none", none},
                                         {"text", text("1")}}));
  const auto has = [&entry](std::string_view key, const Value& value) {
    return has_all(entry, items(dict({{key, value}})));
  };
  EXPECT_TRUE(has("missing", none));
  EXPECT_TRUE(has("none", none));
  EXPECT_FALSE(has("one", none));
  EXPECT_TRUE(has("one", Value(true)));
  EXPECT_TRUE(has("one", Value(1.0)));
  EXPECT_TRUE(has("yes", integer(1)));
  EXPECT_FALSE(has("yes", Value(false)));
  EXPECT_TRUE(has("two", integer(2)));
  EXPECT_FALSE(has("two", Value(2.5)));
  EXPECT_TRUE(has("pair", Value::tuple(Value(1.0), integer(1))));
  EXPECT_FALSE(has("pair", Value::tuple(integer(1))));
  EXPECT_FALSE(has("pair", zeo::list({integer(1), integer(1)})));
  EXPECT_FALSE(has("text", integer(1)));
  EXPECT_FALSE(has("text", bytes("1")));
}

// In the processor's time, of which a search for each key takes many seconds.
TEST(ZeoValues, ALargeExtensionIsMergedOnceThrough) {
  pickle::Dict large;
  for (std::int64_t key = 0; key < 8'000; ++key) large.items.emplace_back(integer(key), integer(1));
  TransactionMetadata metadata;
  pickle::encode(Value(large), metadata.extension);
  const std::clock_t begun = std::clock();
  for (int transaction = 0; transaction < 60; ++transaction) {
    pickle::Dict entry;
    set_transaction(Tid(1), metadata, 7, entry);
    set_extension(metadata, entry);
    ASSERT_EQ(entry.items.size(), 8'004U);
  }
  EXPECT_LT((std::clock() - begun) / CLOCKS_PER_SEC, 4);
}

TEST(ZeoValues, APrefixIsOfPathElements) {
  const auto begins = [](std::vector<std::string> prefix, std::string_view user) {
    return has_all(items(dict({{"user_name", bytes(user)}})),
                   items(dict({{"user_name", Value(pickle::PathPrefix{std::move(prefix)})}})));
  };
  EXPECT_TRUE(begins({}, "/a/b user"));
  EXPECT_TRUE(begins({"", "a"}, "/a/b user"));
  EXPECT_TRUE(begins({"", "a"}, "/a user"));
  EXPECT_TRUE(begins({"", "a"}, "/a"));
  EXPECT_TRUE(begins({"", "a", "b"}, "/a/b user"));
  EXPECT_FALSE(begins({"", "a", "b", "c"}, "/a/b user"));
  EXPECT_FALSE(begins({"", "aa"}, "/a/b user"));
  EXPECT_FALSE(begins({"", "a"}, "/aa user"));
}

}  // namespace
}  // namespace zeolite::daemon
