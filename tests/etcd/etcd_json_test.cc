#include "etcd/etcd_json.h"

#include <gtest/gtest.h>

#include <chrono>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "etcd/base64.h"
#include "etcd/key_values.h"

namespace zeolite::etcd {
namespace {

using namespace std::chrono_literals;
namespace dcs = replication::dcs;
using replication::DcsView;

constexpr Id128 kNode = {1};
constexpr Id128 kStandby = {2};
constexpr Id128 kCluster = {0xc1};
const std::string kPrefix = "/zeolite/c/";

// As etcd 3.4.23 writes it.
const std::string kHeader =
    R"("header":{"cluster_id":"324952591200643719","member_id":"3319814642761637952",)"
    R"("revision":"9","raft_term":"2"})";
const std::string kLeaseNotFound = R"({"error":"etcdserver: requested lease not found",)"
                                   R"("message":"etcdserver: requested lease not found","code":5})";

// The call's body with keys and values as text instead of base64, apostrophes for their quotes.
std::string readable(const HttpCall& call) {
  static const std::regex field(R"re("(key|value|range_end)":"([^"]*)")re");
  std::string out;
  auto rest = call.body.cbegin();
  for (std::sregex_iterator at(call.body.begin(), call.body.end(), field), end; at != end; ++at) {
    out.append(rest, at->prefix().second);
    std::string text = from_base64((*at)[2].str()).value_or("?");
    for (char& c : text) c = c == '"' ? '\'' : c;
    out += (*at)[1].str() + "=" + text;
    rest = at->suffix().first;
  }
  return out.append(rest, call.body.cend());
}

dcs::Acquire acquire() {
  return {.lease = 77,
          .node = kNode,
          .name = "a",
          .address = "h:1",
          .ttl = std::chrono::seconds(3),
          .epoch = Epoch(8),
          .epoch_revision = 5,
          .sync_revision = 6,
          .cluster = kCluster,
          .cluster_seen = true};
}

dcs::PutSync put_sync() {
  return {.leader_revision = 9,
          .sync = {.leader = kNode, .epoch = Epoch(8), .members = {kStandby}, .revision = 6}};
}

std::vector<dcs::Request> all_requests() {
  return {dcs::Read{},           dcs::GrantLease{3s}, dcs::KeepAlive{77}, dcs::Revoke{77},
          dcs::Register{77, {}}, acquire(),           dcs::Confirm{9},    put_sync(),
          dcs::Release{9}};
}

template <typename T>
T decode_as(const dcs::Request& request, std::string_view body) {
  const auto answer = decode(request, 200, body);
  EXPECT_TRUE(answer) << answer.error().detail;
  return std::get<T>(answer.value());
}

ErrorCode error_of(const dcs::Request& request, unsigned status, std::string_view body) {
  const auto answer = decode(request, status, body);
  EXPECT_FALSE(answer) << body;
  return answer ? ErrorCode{} : answer.error().code;
}

// ---- requests -----------------------------------------------------------------------------------

TEST(EtcdJson, NamesAClusterByItsPrefix) {
  EXPECT_EQ(key_prefix("c"), "/zeolite/c/");
  EXPECT_TRUE(key_prefix("A-z_0.9"));
  for (const std::string& name : {std::string(), std::string("a/b"), std::string("a b"),
                                  std::string(65, 'a'), std::string("a\0", 2)}) {
    const auto prefix = key_prefix(name);
    ASSERT_FALSE(prefix) << name;
    EXPECT_EQ(prefix.error().code, ErrorCode::invalid_argument);
  }
}

TEST(EtcdJson, ReadsAllKeysButTheHistoryInOneTransaction) {
  const HttpCall call = encode(dcs::Read{}, kPrefix);
  EXPECT_EQ(call.path, "/v3/kv/txn");
  EXPECT_EQ(readable(call),
            R"({"compare":[],"success":[{"request_range":{key=/zeolite/c/leader}},)"
            R"({"request_range":{key=/zeolite/c/epoch}},)"
            R"({"request_range":{key=/zeolite/c/sync}},)"
            R"({"request_range":{key=/zeolite/c/cluster}},)"
            R"({"request_range":{key=/zeolite/c/members/,range_end=/zeolite/c/members0}}]})");
}

TEST(EtcdJson, AsksForLeasesInWholeSecondsRoundedUp) {
  EXPECT_EQ(encode(dcs::GrantLease{3s}, kPrefix).body, R"({"TTL":"3"})");
  EXPECT_EQ(encode(dcs::GrantLease{2001ms}, kPrefix).body, R"({"TTL":"3"})");
  EXPECT_EQ(encode(dcs::GrantLease{3s}, kPrefix).path, "/v3/lease/grant");
}

TEST(EtcdJson, NamesLeasesByTheirDigits) {
  const HttpCall keep = encode(dcs::KeepAlive{INT64_MAX}, kPrefix);
  EXPECT_EQ(keep.path, "/v3/lease/keepalive");
  EXPECT_EQ(keep.body, R"({"ID":"9223372036854775807"})");
  const HttpCall end = encode(dcs::Revoke{77}, kPrefix);
  EXPECT_EQ(end.path, "/v3/lease/revoke");
  EXPECT_EQ(end.body, R"({"ID":"77"})");
}

TEST(EtcdJson, RegistersAMemberUnderItsLease) {
  const HttpCall call = encode(
      dcs::Register{
          77,
          {.node = kNode, .name = "a", .address = "h:1", .role = "standby", .last_tid = kNoTid}},
      kPrefix);
  EXPECT_EQ(call.path, "/v3/kv/put");
  EXPECT_EQ(readable(call),
            "{key=/zeolite/c/members/01000000000000000000000000000000,"
            "value={'v':1,'name':'a','address':'h:1','role':'standby',"
            R"('last_tid':'0000000000000000'},"lease":"77"})");
}

constexpr const char* kAcquireGuards =
    R"({"compare":[{key=/zeolite/c/leader,"target":"CREATE","result":"EQUAL",)"
    R"("create_revision":"0"},)"
    R"({key=/zeolite/c/epoch,"target":"MOD","result":"EQUAL","mod_revision":"5"},)"
    R"({key=/zeolite/c/sync,"target":"MOD","result":"EQUAL","mod_revision":"6"},)";
constexpr const char* kAcquirePuts =
    R"("success":[{"request_put":{key=/zeolite/c/leader,)"
    R"(value={'v':1,'node':'01000000000000000000000000000000','name':'a','address':'h:1',)"
    R"('epoch':8,'lease_ms':3000},"lease":"77"}},)"
    R"({"request_put":{key=/zeolite/c/epoch,value={'v':1,'epoch':8}}})";

TEST(EtcdJson, AcquiresIfNothingChangedSinceItWasSeen) {
  EXPECT_EQ(readable(encode(acquire(), kPrefix)),
            std::string(kAcquireGuards) +
                R"({key=/zeolite/c/cluster,"target":"VALUE","result":"EQUAL",)"
                R"(value={'v':1,'cluster':'c1000000000000000000000000000000'}}],)" +
                kAcquirePuts + "]}");
}

TEST(EtcdJson, NamesTheClusterIfNobodyHasDoneSo) {
  dcs::Acquire first = acquire();
  first.cluster_seen = false;
  EXPECT_EQ(readable(encode(first, kPrefix)),
            std::string(kAcquireGuards) +
                R"({key=/zeolite/c/cluster,"target":"CREATE","result":"EQUAL",)"
                R"("create_revision":"0"}],)" +
                kAcquirePuts +
                R"(,{"request_put":{key=/zeolite/c/cluster,)"
                R"(value={'v':1,'cluster':'c1000000000000000000000000000000'}}}]})");
}

TEST(EtcdJson, GuardsByTheLeaderKeysRevision) {
  const std::string guard =
      R"({"compare":[{key=/zeolite/c/leader,"target":"MOD","result":"EQUAL","mod_revision":"9"})";
  EXPECT_EQ(readable(encode(dcs::Confirm{9}, kPrefix)),
            guard + R"(],"success":[{"request_delete_range":{key=/zeolite/c/nothing}}]})");
  EXPECT_EQ(readable(encode(dcs::Release{9}, kPrefix)),
            guard + R"(],"success":[{"request_delete_range":{key=/zeolite/c/leader}}]})");
  EXPECT_EQ(readable(encode(put_sync(), kPrefix)),
            guard + R"(,{key=/zeolite/c/sync,"target":"MOD","result":"EQUAL","mod_revision":"6"}],)"
                    R"("success":[{"request_put":{key=/zeolite/c/sync,)"
                    R"(value={'v':1,'leader':'01000000000000000000000000000000','epoch':8,)"
                    R"('members':['02000000000000000000000000000000'],'automatic':true}}},)"
                    R"({"request_put":{key=/zeolite/c/history/0000000008,)"
                    R"(value={'v':1,'leader':'01000000000000000000000000000000'}}}]})");
}

// Revision 0 is that of a key that does not exist: such a guard holds when nobody leads.
TEST(EtcdJsonDeathTest, TakesAGuardWithoutRevisionForABug) {
  EXPECT_DEATH(static_cast<void>(encode(dcs::Confirm{0}, kPrefix)), "revision");
}

TEST(EtcdJson, RepeatsOnlyWhatItsFirstTimeDoesNotSpoil) {
  std::size_t repeatable = 0;
  for (const auto& request : all_requests()) repeatable += may_repeat(request) ? 1U : 0U;
  EXPECT_EQ(repeatable, all_requests().size() - 3);
  EXPECT_FALSE(may_repeat(acquire()));
  EXPECT_FALSE(may_repeat(put_sync()));
  EXPECT_FALSE(may_repeat(dcs::Release{9}));
}

// ---- answers ------------------------------------------------------------------------------------

std::string kv(const std::string& key, const std::string& value, int revision,
               const std::string& more = "") {
  return R"({"key":")" + to_base64(kPrefix + key) + R"(","create_revision":"2","mod_revision":")" +
         std::to_string(revision) + R"(","version":"1","value":")" + to_base64(value) + "\"" +
         more + "}";
}
std::string range(const std::string& keys = "", int count = 1) {
  const std::string found =
      keys.empty() ? "" : R"(,"kvs":[)" + keys + R"(],"count":")" + std::to_string(count) + "\"";
  return R"({"response_range":{"header":{"revision":"9"})" + found + "}}";
}
std::string read_answer(const std::string& responses) {
  return "{" + kHeader + R"(,"succeeded":true,"responses":[)" + responses + "]}";
}

TEST(EtcdJson, SeesAnEmptyClusterAsEmpty) {
  const std::string nothing = range() + "," + range() + "," + range() + "," + range();
  const auto viewed = decode_as<dcs::Viewed>(dcs::Read{}, read_answer(nothing + "," + range()));
  EXPECT_EQ(viewed.view, DcsView{});
}

TEST(EtcdJson, SeesAllKeys) {
  const replication::LeaderKey leader{
      .node = kNode, .name = "a", .address = "h:1", .epoch = Epoch(7), .revision = 4, .lease = 77};
  const replication::SyncKey sync{
      .leader = kNode, .epoch = Epoch(7), .members = {kStandby}, .revision = 6};
  const replication::MemberKey standby{
      .node = kStandby, .name = "b", .address = "h:2", .role = "standby", .last_tid = Tid(3)};
  const auto viewed = decode_as<dcs::Viewed>(
      dcs::Read{},
      read_answer(range(kv("leader", encode_leader(leader), 4, R"(,"lease":"77")")) + "," +
                  range(kv("epoch", encode_epoch(Epoch(7)), 5)) + "," +
                  range(kv("sync", encode_sync(sync), 6)) + "," +
                  range(kv("cluster", encode_cluster(kCluster), 2)) + "," +
                  range(kv("members/" + to_hex(kNode), encode_member({}), 3, R"(,"lease":"77")") +
                            "," + kv("members/" + to_hex(kStandby), encode_member(standby), 8),
                        2)));
  const DcsView& view = viewed.view;
  EXPECT_EQ(view.leader, leader);
  EXPECT_EQ(view.epoch, Epoch(7));
  EXPECT_EQ(view.epoch_revision, 5);
  EXPECT_EQ(view.sync, sync);
  EXPECT_EQ(view.cluster, kCluster);
  ASSERT_EQ(view.members.size(), 2U);
  EXPECT_EQ(view.members[0].node, kNode);
  EXPECT_EQ(view.members[1], standby);
}

TEST(EtcdJson, DoesNotGuessAtAViewOfAnotherShape) {
  const std::string four = range() + "," + range() + "," + range() + "," + range();
  const std::string leader = kv("leader", encode_leader({}), 4);
  const std::vector<std::string> bodies = {
      "{" + kHeader + "}",                                                 // not read at all
      "{" + kHeader + R"(,"succeeded":true})",                             // no responses
      read_answer(four),                                                   // one is missing
      read_answer(range() + "," + four + "," + range()),                   // one too many
      R"({"succeeded":true,"responses":[)" + four + "," + range() + "]}",  // no header
      read_answer(range(leader, 2) + "," + four),  // fewer keys than it says
      read_answer(range(leader + "," + leader, 2) + "," + four),
      read_answer(range(kv("epoch", encode_leader({}), 4)) + "," + four),  // another key
      read_answer(range(kv("leader", "x", 4)) + "," + four),
      read_answer(range(kv("leader", "", 4)) + "," + four),
      read_answer(range(R"({"key":"!","mod_revision":"4"})") + "," + four),
      read_answer(range(kv("leader", encode_leader({}), 0)) + "," + four),
      read_answer(four + "," + range(kv("members/xyz", encode_member({}), 4))),
      read_answer(four + "," + range(kv("other", encode_member({}), 4))),
      read_answer(R"({"response_put":{}},)" + four),
      read_answer(R"({"response_range":{"more":true}},)" + four),
      read_answer("7," + four),
  };
  for (const std::string& body : bodies) {
    EXPECT_EQ(error_of(dcs::Read{}, 200, body), ErrorCode::protocol_error) << body;
  }
}

TEST(EtcdJson, TellsOfAValueOfALaterProgram) {
  const std::string four = range() + "," + range() + "," + range() + "," + range();
  const std::string body = read_answer(range(kv("leader", R"({"v":2})", 4)) + "," + four);
  EXPECT_EQ(error_of(dcs::Read{}, 200, body), ErrorCode::too_new);
}

// Asked for 1 s, etcd grants 2 s.
TEST(EtcdJson, TakesTheTtlThatWasGranted) {
  const auto leased = decode_as<dcs::Leased>(
      dcs::GrantLease{1s}, "{" + kHeader + R"(,"ID":"2324035667754216709","TTL":"2"})");
  EXPECT_EQ(leased.lease, 2324035667754216709);
  EXPECT_EQ(leased.ttl, 2s);
}

TEST(EtcdJson, DoesNotTakeALeaseWithoutIdOrTime) {
  for (const std::string& fields :
       {std::string(), std::string(R"(,"ID":"7")"), std::string(R"(,"TTL":"2")"),
        std::string(R"(,"ID":"0","TTL":"2")"), std::string(R"(,"ID":"7","TTL":"-1")"),
        std::string(R"(,"ID":"7","TTL":"9223372036854775807")"),
        std::string(R"(,"ID":"7","TTL":"0")")}) {
    EXPECT_EQ(error_of(dcs::GrantLease{1s}, 200, "{" + kHeader + fields + "}"),
              ErrorCode::protocol_error)
        << fields;
  }
}

TEST(EtcdJson, KeepsALeaseAlive) {
  const auto leased = decode_as<dcs::Leased>(
      dcs::KeepAlive{77}, R"({"result":{)" + kHeader + R"(,"ID":"77","TTL":"30"}})" + "\n");
  EXPECT_EQ(leased.lease, 77);
  EXPECT_EQ(leased.ttl, 30s);
}

// HTTP 200, and only the missing TTL says that there is no such lease.
TEST(EtcdJson, SeesThatAKeptLeaseIsGone) {
  const auto leased = decode_as<dcs::Leased>(dcs::KeepAlive{12345},
                                             R"({"result":{)" + kHeader + R"(,"ID":"12345"}})");
  EXPECT_EQ(leased.ttl, Duration{});
}

TEST(EtcdJson, DoesNotTakeAKeepaliveForAnotherLeaseOrAnError) {
  const dcs::KeepAlive keep{77};
  EXPECT_EQ(error_of(keep, 200, R"({"result":{)" + kHeader + R"(,"ID":"78","TTL":"30"}})"),
            ErrorCode::protocol_error);
  EXPECT_EQ(error_of(keep, 200, "{" + kHeader + R"(,"ID":"77","TTL":"30"})"),
            ErrorCode::protocol_error);
  // An error in a stream is an object, in an answer with HTTP 200.
  EXPECT_EQ(error_of(keep, 200,
                     R"({"error":{"grpc_code":14,"http_code":503,"message":"no leader",)"
                     R"("http_status":"Service Unavailable"}})"),
            ErrorCode::unavailable);
  // And it may come after a result.
  EXPECT_EQ(error_of(keep, 200,
                     R"({"result":{)" + kHeader + R"(,"ID":"77","TTL":"30"}})" + "\n" +
                         R"({"error":{"grpc_code":14}})"),
            ErrorCode::protocol_error);
}

TEST(EtcdJson, AcquiresAtTheRevisionOfTheLeaderKey) {
  const std::string body =
      "{" + kHeader +
      R"(,"succeeded":true,"responses":[{"response_put":{"header":{"revision":"3"}}},)"
      R"({"response_put":{"header":{"revision":"3"}}}]})";
  const auto guarded = decode_as<dcs::Guarded>(acquire(), body);
  EXPECT_TRUE(guarded.held);
  EXPECT_EQ(guarded.revision, 3);
  EXPECT_EQ(decode_as<dcs::Guarded>(put_sync(), body).revision, 3);
}

// What is false is left out.
TEST(EtcdJson, SeesThatGuardsDidNotHold) {
  for (const dcs::Request& request : {dcs::Request(acquire()), dcs::Request(dcs::Confirm{9}),
                                      dcs::Request(put_sync()), dcs::Request(dcs::Release{9})}) {
    EXPECT_FALSE(decode_as<dcs::Guarded>(request, "{" + kHeader + "}").held);
    EXPECT_FALSE(decode_as<dcs::Guarded>(request, "{" + kHeader + R"(,"succeeded":false})").held);
  }
}

// Were it empty, a member that is cut off from the others would confirm whoever led when it was.
TEST(EtcdJson, ConfirmsByAChangeThatHasToBeAgreedOn) {
  EXPECT_TRUE(decode_as<dcs::Guarded>(
                  dcs::Confirm{9},
                  "{" + kHeader + R"(,"succeeded":true,"responses":[{"response_delete_range":)" +
                      R"({"header":{"revision":"9"}}}]})")
                  .held);
  EXPECT_EQ(error_of(dcs::Confirm{9}, 200, "{" + kHeader + R"(,"succeeded":true})"),
            ErrorCode::protocol_error);
}

TEST(EtcdJson, Releases) {
  EXPECT_TRUE(decode_as<dcs::Guarded>(
                  dcs::Release{9},
                  "{" + kHeader + R"(,"succeeded":true,"responses":[{"response_delete_range":)" +
                      R"({"header":{"revision":"4"},"deleted":"1"}}]})")
                  .held);
}

TEST(EtcdJson, DoesNotBelieveATransactionOfAnotherShape) {
  const std::string put = R"({"response_put":{"header":{"revision":"3"}}})";
  const std::vector<std::pair<dcs::Request, std::string>> cases = {
      {acquire(), R"("succeeded":true)"},
      {acquire(), R"("succeeded":true,"responses":[)" + put + "]"},
      {acquire(), R"("succeeded":true,"responses":[{},{}])"},
      {acquire(), R"("succeeded":true,"responses":[1,2])"},
      {acquire(), R"("succeeded":true,"responses":[{"response_put":{"header":{}}},)" + put + "]"},
      {acquire(), R"("responses":[)" + put + "," + put + "]"},
      {acquire(), R"("succeeded":"true")"},
      {dcs::Confirm{9}, R"("succeeded":1)"},
      {dcs::Confirm{9}, R"("succeeded":true,"responses":[)" + put + "," + put + "]"},
      {dcs::Confirm{9}, R"("succeeded":true,"responses":{})"},
      {dcs::Release{9}, R"("succeeded":true)"},
  };
  for (const auto& [request, fields] : cases) {
    EXPECT_EQ(error_of(request, 200, "{" + kHeader + "," + fields + "}"), ErrorCode::protocol_error)
        << fields;
  }
}

// An error has no header, as an answer of guards that did not hold would have: were that not looked
// at, an overloaded etcd would say that the leader lost its key.
TEST(EtcdJson, NeverTakesAnErrorForADecision) {
  for (const dcs::Request& request : all_requests()) {
    for (const char* body : {
             R"({"error":"etcdserver: request timed out","message":"the same","code":14})",
             R"({"error":"etcdserver: no leader","message":"etcdserver: no leader","code":14})",
             R"({"error":"etcdserver: leader changed","code":14})",
             R"({"error":"context canceled","code":1})",
             R"({"error":7})",
             R"({"error":null})",
         }) {
      EXPECT_EQ(error_of(request, 503, body), ErrorCode::unavailable) << body;
      EXPECT_EQ(error_of(request, 200, body), ErrorCode::unavailable) << body;
    }
    for (const char* body : {"", "{}", "[]", "null", "Not Found", "<html>502</html>",
                             R"({"succeeded":true})", R"({"header":"x"})", R"({"header":{)"}) {
      EXPECT_EQ(error_of(request, 200, body), ErrorCode::protocol_error) << body;
      EXPECT_EQ(error_of(request, 502, body), ErrorCode::protocol_error) << body;
    }
    // Good content under a bad status.
    EXPECT_EQ(error_of(request, 500, "{" + kHeader + "}"), ErrorCode::protocol_error);
  }
}

TEST(EtcdJson, KnowsThatNothingWasPutUnderALeaseThatIsGone) {
  EXPECT_EQ(error_of(acquire(), 404, kLeaseNotFound), ErrorCode::not_found);
  EXPECT_EQ(error_of(dcs::Register{77, {}}, 404, kLeaseNotFound), ErrorCode::not_found);
  EXPECT_EQ(error_of(dcs::Confirm{9}, 404, kLeaseNotFound), ErrorCode::unavailable);
}

TEST(EtcdJson, RevokesWhatIsGoneAlready) {
  EXPECT_TRUE(decode_as<dcs::Guarded>(dcs::Revoke{77}, "{" + kHeader + "}").held);
  const auto gone = decode(dcs::Revoke{77}, 404, kLeaseNotFound);
  ASSERT_TRUE(gone);
  EXPECT_FALSE(std::get<dcs::Guarded>(*gone).held);
}

TEST(EtcdJson, Registers) {
  EXPECT_TRUE(decode_as<dcs::Guarded>(dcs::Register{77, {}}, "{" + kHeader + "}").held);
}

}  // namespace
}  // namespace zeolite::etcd
