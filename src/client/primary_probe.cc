#include "client/primary_probe.h"

#include <utility>

#include "base/check.h"

namespace zeolite::client_core {

PrimaryProbe::PrimaryProbe(std::string storage, std::string label, Duration patience)
    : storage_(std::move(storage)), label_(std::move(label)), patience_(patience) {}

void PrimaryProbe::begin(const net::HostPort& silent, std::vector<net::HostPort> others,
                         Epoch epoch, const Id128& cluster, Instant now) {
  CHECK(!running_, "one search at a time");
  running_ = true;
  silent_ = silent;
  others_ = std::move(others);
  epoch_ = epoch;
  cluster_ = cluster;
  next_ = 0;
  until_ = now;
}

void PrimaryProbe::end() {
  running_ = false;
  leader_.reset();
  dialled_.reset();
}

std::optional<net::HostPort> PrimaryProbe::dial(Instant now) {
  if (!running_ || dialled_ || now < until_) return std::nullopt;
  was_named_ = leader_.has_value();
  if (leader_) {
    dialled_ = std::exchange(leader_, std::nullopt);
  } else if (next_ < others_.size()) {
    dialled_ = others_[next_++];
  } else {
    next_ = 0;
    until_ = now + patience_;
    return std::nullopt;
  }
  until_ = now + patience_;
  return dialled_;
}

wire::Hello PrimaryProbe::hello() const {
  wire::Hello hello;
  hello.storage = storage_;
  hello.label = label_;
  hello.wants_invalidations = false;
  return hello;
}

std::optional<PrimaryProbe::Found> PrimaryProbe::answered(const wire::Message& message,
                                                          Instant now) {
  CHECK(dialled_, "who answers was dialled");
  if (const auto* welcome = std::get_if<wire::Welcome>(&message)) {
    const bool leads =
        welcome->version == wire::kProtocolVersion && welcome->role == wire::NodeRole::primary;
    if (leads && welcome->epoch > epoch_ && welcome->cluster_id == cluster_) {
      Found found{*dialled_, welcome->epoch};
      end();
      return found;
    }
  } else if (const auto* error = std::get_if<wire::ErrorReply>(&message)) {
    const Result<net::HostPort> named = net::parse_host_port(error->leader);
    // One that was named itself is not asked for a name, or two could send us to and fro.
    if (named && *named != silent_ && !was_named_) leader_ = *named;
  }
  failed(now);
  return std::nullopt;
}

void PrimaryProbe::failed(Instant now) {
  dialled_.reset();
  until_ = now;
}

std::optional<Instant> PrimaryProbe::next_deadline() const {
  if (!running_) return std::nullopt;
  return until_;
}

}  // namespace zeolite::client_core
