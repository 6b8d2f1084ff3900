#include "etcd/etcd_client.h"

#include <algorithm>
#include <chrono>
#include <list>
#include <optional>
#include <utility>

#include "base/check.h"
#include "etcd/etcd_json.h"
#include "etcd/http_attempt.h"

namespace zeolite::etcd {

namespace asio = boost::asio;
namespace dcs = replication::dcs;
using SteadyClock = std::chrono::steady_clock;

namespace {

constexpr std::uint16_t kDefaultPort = 2379;
// The election has at most one request of each kind under way.
constexpr std::size_t kIdleMax = 8;

Result<net::HostPort> parse_endpoint(std::string_view text) {
  constexpr std::string_view kPlain = "http://";
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    return make_error(ErrorCode::invalid_argument,
                      "'" + std::string(text) + "': TLS to etcd is not supported; use http://");
  }
  if (rest.starts_with(kPlain)) rest.remove_prefix(kPlain.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const bool has_port = !rest.ends_with(']') && rest.find(':') != std::string_view::npos;
  if (rest.empty() || rest.find_first_of("/?@ ") != std::string_view::npos) {
    return make_error(
        ErrorCode::invalid_argument,
        "'" + std::string(text) + "' is not an endpoint of etcd: " + "expected http://HOST:PORT");
  }
  return net::parse_host_port(has_port ? std::string(rest)
                                       : std::string(rest) + ":" + std::to_string(kDefaultPort));
}

}  // namespace

Result<std::vector<net::HostPort>> parse_endpoints(std::string_view text) {
  std::vector<net::HostPort> endpoints;
  while (true) {
    const std::size_t comma = text.find(',');
    ASSIGN_OR_RETURN(net::HostPort endpoint, parse_endpoint(text.substr(0, comma)));
    endpoints.push_back(std::move(endpoint));
    if (comma == std::string_view::npos) return endpoints;
    text.remove_prefix(comma + 1);
  }
}

// One request on its way through the endpoints.
struct EtcdClient::Exchange {
  dcs::Request request;
  HttpCall call;
  Callback callback;
  SteadyClock::time_point deadline;
  std::size_t endpoint = 0;  // tried now
  std::size_t tried = 0;     // endpoints that failed
  bool kept = false;         // tried now on a kept connection
  std::shared_ptr<HttpAttempt> attempt = nullptr;
};

// All of the client; handlers of the io_context may outlive the client itself.
struct EtcdClient::State : std::enable_shared_from_this<EtcdClient::State> {
  struct Idle {
    std::size_t endpoint;
    std::unique_ptr<HttpConnection> connection;
  };
  using Place = std::list<Exchange>::iterator;

  State(asio::io_context& io_context, std::vector<net::HostPort> members, std::string key_prefix)
      : context(io_context), endpoints(std::move(members)), prefix(std::move(key_prefix)) {}

  void attempt(Place exchange);
  void ended(Place exchange, HttpAttempt::Outcome outcome);
  // Whether it makes sense to go on after `error`.
  [[nodiscard]] bool moves_along(const Exchange& exchange, const Error& error, bool sent) const;
  void finish(Place exchange, Result<dcs::Answer> answer);
  [[nodiscard]] std::unique_ptr<HttpConnection> take_idle(std::size_t endpoint);

  asio::io_context& context;
  std::vector<net::HostPort> endpoints;
  std::string prefix;
  std::size_t current = 0;  // the endpoint that new requests go to
  std::list<Exchange> exchanges;
  std::vector<Idle> idle;
};

void EtcdClient::State::attempt(Place exchange) {
  const auto now = SteadyClock::now();
  // Time for those not tried yet is kept back as long as this one can still be given up.
  const auto part =
      (exchange->deadline - now) / static_cast<int>(endpoints.size() - exchange->tried);
  const auto connected_by = now + part;
  const auto answered_by = may_repeat(exchange->request) ? now + part : exchange->deadline;
  std::unique_ptr<HttpConnection> connection = take_idle(exchange->endpoint);
  exchange->kept = connection != nullptr;
  exchange->attempt = std::make_shared<HttpAttempt>(
      context, endpoints[exchange->endpoint], exchange->call,
      [state = weak_from_this(), exchange](HttpAttempt::Outcome outcome) {
        if (const auto self = state.lock()) self->ended(exchange, std::move(outcome));
      });
  exchange->attempt->start(std::move(connection), connected_by, answered_by);
}

bool EtcdClient::State::moves_along(const Exchange& exchange, const Error& error, bool sent) const {
  return error.code != ErrorCode::not_found && (!sent || may_repeat(exchange.request)) &&
         SteadyClock::now() < exchange.deadline;
}

void EtcdClient::State::ended(Place exchange, HttpAttempt::Outcome outcome) {
  exchange->attempt = nullptr;
  Result<dcs::Answer> answer =
      outcome.answer ? decode(exchange->request, outcome.answer->status, outcome.answer->body)
                     : Result<dcs::Answer>(std::unexpected(outcome.answer.error()));
  if (outcome.connection && idle.size() < kIdleMax) {
    idle.push_back({exchange->endpoint, std::move(outcome.connection)});
  }
  if (answer || answer.error().code == ErrorCode::not_found) {
    return finish(exchange, std::move(answer));
  }
  const bool moves = moves_along(*exchange, answer.error(), outcome.sent);
  if (exchange->kept && !outcome.answer && answer.error().code == ErrorCode::unavailable && moves) {
    // It was closed between two requests, which says little about the member.
    std::erase_if(idle, [&](const Idle& one) { return one.endpoint == exchange->endpoint; });
    return attempt(exchange);
  }
  const std::size_t next = (exchange->endpoint + 1) % endpoints.size();
  if (current == exchange->endpoint) current = next;
  std::erase_if(idle, [&](const Idle& one) { return one.endpoint == exchange->endpoint; });
  exchange->endpoint = next;
  ++exchange->tried;
  if (!moves || exchange->tried == endpoints.size()) return finish(exchange, std::move(answer));
  attempt(exchange);
}

void EtcdClient::State::finish(Place exchange, Result<dcs::Answer> answer) {
  const Callback callback = std::move(exchange->callback);
  exchanges.erase(exchange);
  // May destroy the client.
  callback(std::move(answer));
}

std::unique_ptr<HttpConnection> EtcdClient::State::take_idle(std::size_t endpoint) {
  std::erase_if(idle, [](const Idle& one) { return one.connection->is_stale(); });
  const auto found = std::ranges::find(idle, endpoint, &Idle::endpoint);
  if (found == idle.end()) return nullptr;
  std::unique_ptr<HttpConnection> connection = std::move(found->connection);
  idle.erase(found);
  return connection;
}

EtcdClient::EtcdClient(asio::io_context& context, std::vector<net::HostPort> endpoints,
                       std::string prefix)
    : state_(std::make_shared<State>(context, std::move(endpoints), std::move(prefix))) {
  CHECK(!state_->endpoints.empty(), "etcd has at least one endpoint");
}

EtcdClient::~EtcdClient() {
  for (Exchange& exchange : state_->exchanges) {
    if (exchange.attempt) exchange.attempt->abandon();
  }
}

void EtcdClient::send(dcs::Request request, Duration timeout, Callback callback) {
  HttpCall call = encode(request, state_->prefix);
  state_->exchanges.push_back({std::move(request), std::move(call), std::move(callback),
                               SteadyClock::now() + timeout, state_->current});
  state_->attempt(std::prev(state_->exchanges.end()));
}

Result<> revoke(const std::vector<net::HostPort>& endpoints, replication::LeaseId lease,
                Duration timeout) {
  asio::io_context context(1);
  EtcdClient client(context, endpoints, "");
  std::optional<Result<dcs::Answer>> answer;
  client.send(dcs::Revoke{lease}, timeout,
              [&](Result<dcs::Answer> got) { answer = std::move(got); });
  while (!answer && context.run_one() > 0) {
  }
  CHECK(answer.has_value(), "a request ends");
  if (!*answer) return std::unexpected(std::move(*answer).error());
  return {};
}

}  // namespace zeolite::etcd
