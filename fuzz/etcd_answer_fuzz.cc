// Any bytes as etcd's answer. The first byte says to which request, the second under which HTTP
// status. What is believed has sense, and an error is one of the contract's.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "base/check.h"
#include "etcd/etcd_json.h"
#include "etcd/key_values.h"

namespace {

using namespace zeolite;
namespace dcs = replication::dcs;

std::vector<dcs::Request> requests() {
  dcs::Acquire acquire;
  acquire.lease = 7;
  acquire.cluster = Id128{1};
  dcs::PutSync put;
  put.leader_revision = 9;
  return {dcs::Read{},          dcs::GrantLease{std::chrono::seconds(3)},
          dcs::KeepAlive{7},    dcs::Revoke{7},
          dcs::Register{7, {}}, acquire,
          dcs::Confirm{9},      put,
          dcs::Release{9}};
}

void check_view(const replication::DcsView& view) {
  if (view.leader) {
    CHECK(view.leader->revision > 0, "a key that is there has a revision");
    CHECK(etcd::decode_leader(etcd::encode_leader(*view.leader)).has_value(), "readable again");
  }
  if (view.sync) {
    CHECK(view.sync->revision > 0, "a key that is there has a revision");
    auto again = etcd::decode_sync(etcd::encode_sync(*view.sync));
    CHECK(again.has_value(), "readable again");
    again->revision = view.sync->revision;
    CHECK(*again == *view.sync, "as it was");
  }
  CHECK(view.epoch_revision > 0 || view.epoch.is_zero(), "no epoch without its key");
}

void check_answer(const dcs::Request& request, const dcs::Answer& answer) {
  if (const auto* viewed = std::get_if<dcs::Viewed>(&answer)) {
    CHECK(std::holds_alternative<dcs::Read>(request), "a view is the answer to Read");
    check_view(viewed->view);
  } else if (const auto* leased = std::get_if<dcs::Leased>(&answer)) {
    CHECK(leased->lease > 0 && leased->ttl >= Duration{}, "a lease has an id");
    const auto* kept = std::get_if<dcs::KeepAlive>(&request);
    CHECK(kept != nullptr ? leased->lease == kept->lease : leased->ttl > Duration{},
          "the lease asked about, or a new one with time");
  } else {
    const auto& guarded = std::get<dcs::Guarded>(answer);
    const bool puts = std::holds_alternative<dcs::Acquire>(request) ||
                      std::holds_alternative<dcs::PutSync>(request);
    CHECK((guarded.revision > 0) == (puts && guarded.held), "what was put has a revision");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static const std::vector<dcs::Request> all = requests();
  const dcs::Request& request = all[data[0] % all.size()];
  const unsigned status = data[1] == 'e' ? 503 : 200;
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  const Result<dcs::Answer> answer = etcd::decode(request, status, body);
  if (answer) {
    CHECK(status == 200 || std::holds_alternative<dcs::Revoke>(request), "believed an error");
    check_answer(request, *answer);
    return 0;
  }
  const ErrorCode code = answer.error().code;
  CHECK(code == ErrorCode::protocol_error || code == ErrorCode::unavailable ||
            code == ErrorCode::too_new || code == ErrorCode::not_found,
        "another error than the contract's");
  return 0;
}
