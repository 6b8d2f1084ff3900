#include "client/primary_locator.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace zeolite::client_core {

namespace {

constexpr Duration kLasted = std::chrono::seconds(1);
// In one round: a takeover in progress may need two.
constexpr std::size_t kDetoursMax = 3;
constexpr std::size_t kLearnedMax = 64;

Duration scaled(Duration duration, double factor) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(duration.count()) * factor));
}

}  // namespace

PrimaryLocator::PrimaryLocator(std::vector<net::HostPort> addresses, Duration backoff_min,
                               Duration backoff_max)
    : configured_(addresses.size()),
      backoff_min_(backoff_min),
      backoff_max_(std::max(backoff_min, backoff_max)),
      pause_(backoff_min) {
  CHECK(!addresses.empty(), "there is an address to try");
  for (net::HostPort& address : addresses) addresses_.push_back({std::move(address)});
}

void PrimaryLocator::begin_round() {
  tried_ = 0;
  detours_ = 0;
  for (Known& known : addresses_) known.failed = false;
}

Duration PrimaryLocator::failed(double random) {
  addresses_[current_].failed = true;
  current_ = (current_ + 1) % addresses_.size();
  if (++tried_ < addresses_.size()) return Duration(0);
  begin_round();
  const Duration pause = scaled(pause_, 0.5 + random / 2);
  pause_ = std::min(pause_ * 2, backoff_max_);
  return pause;
}

void PrimaryLocator::begin_anew_if_lasted(Instant now) {
  if (!lasted(now)) return;
  begin_round();
  pause_ = backoff_min_;
}

Duration PrimaryLocator::redirected(const std::string& leader, Instant now, double random) {
  begin_anew_if_lasted(now);
  const Result<net::HostPort> address = net::parse_host_port(leader);
  const bool full = addresses_.size() >= configured_ + kLearnedMax;
  if (!address || full || detours_ == kDetoursMax) return failed(random);
  const std::size_t there = find_or_add(*address);
  if (there == current_ || addresses_[there].failed) return failed(random);
  ++detours_;
  current_ = there;
  return Duration(0);
}

void PrimaryLocator::established(Instant now) { established_at_ = now; }

bool PrimaryLocator::lasted(Instant now) {
  const std::optional<Instant> since = std::exchange(established_at_, std::nullopt);
  return since && now - *since >= kLasted;
}

Duration PrimaryLocator::lost(Instant now, double random) {
  if (!lasted(now)) return failed(random);
  begin_round();
  pause_ = backoff_min_;
  return scaled(backoff_min_, random);
}

Duration PrimaryLocator::left(Instant now, double random) {
  begin_anew_if_lasted(now);
  return failed(random);
}

std::vector<net::HostPort> PrimaryLocator::others() const {
  std::vector<net::HostPort> others;
  for (const Known& known : addresses_) {
    const bool there = std::ranges::find(others, known.address) != others.end();
    if (!there && known.address != current()) others.push_back(known.address);
  }
  return others;
}

void PrimaryLocator::learn(const std::vector<std::string>& nodes) {
  const net::HostPort connected = current();
  addresses_.resize(configured_);
  for (const std::string& node : nodes) {
    if (addresses_.size() == configured_ + kLearnedMax) break;
    if (const auto address = net::parse_host_port(node)) (void)find_or_add(*address);
  }
  current_ = find_or_add(connected);
  begin_round();
}

std::size_t PrimaryLocator::find_or_add(const net::HostPort& address) {
  const auto found = std::ranges::find(addresses_, address, &Known::address);
  const auto index = static_cast<std::size_t>(found - addresses_.begin());
  if (found == addresses_.end()) addresses_.push_back({address});
  return index;
}

}  // namespace zeolite::client_core
