// Loads PostgreSQL, Redis or a plain echo server the way `zeolite bench` loads Zeolite: one thread,
// one request outstanding per client. See bench/README.md.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "bench/load_generator/closed_loop.h"
#include "bench/load_generator/echo_dialogue.h"
#include "bench/load_generator/echo_server.h"
#include "bench/load_generator/postgres_dialogue.h"
#include "bench/load_generator/redis_dialogue.h"

namespace zeolite::bench {
namespace {

struct Options {
  std::string peer;
  std::string kind = "commit";
  std::string at;
  std::uint64_t clients = 1;
  double seconds = 5;
  std::size_t record_bytes = 300;
  std::uint64_t objects = 10'000;
  std::string user = "bench";
  std::string database = "postgres";
};

std::unique_ptr<Dialogue> make_dialogue(const Options& options, std::uint64_t client) {
  const Work work = options.kind == "commit" ? Work::commit : Work::load;
  ObjectChoice choice(client, options.clients, options.objects, options.record_bytes);
  if (options.peer == "redis") return std::make_unique<RedisDialogue>(work, std::move(choice));
  if (options.peer == "postgres")
    return std::make_unique<PostgresDialogue>(work, std::move(choice), options.user,
                                              options.database);
  return std::make_unique<EchoDialogue>(std::move(choice), options.record_bytes);
}

double seconds_of(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

Result<> measure(const Options& options) {
  ASSIGN_OR_RETURN(const Address address, parse_address(options.at));
  if (options.objects < options.clients)
    return make_error(ErrorCode::invalid_argument, "--objects must be at least --clients");
  ClosedLoop loop;
  for (std::uint64_t i = 0; i < options.clients; ++i)
    RETURN_IF_ERROR(loop.add_client(address, make_dialogue(options, i)));
  const double cpu_before = cpu_seconds();
  const std::chrono::duration<double> duration(options.seconds);
  ASSIGN_OR_RETURN(LatencyLog log,
                   loop.run(std::chrono::duration_cast<std::chrono::nanoseconds>(duration)));
  const bool commits = options.kind == "commit" && options.peer != "echo";
  std::printf(
      "{\"%s\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"acknowledged\": %llu, "
      "\"conflicts\": 0, \"errors\": 0, \"unknown\": 0, \"longest_gap_ms\": %.1f, "
      "\"cpu_seconds\": %.3f}\n",
      commits ? "commits_per_s" : "loads_per_s", static_cast<double>(log.count()) / options.seconds,
      log.percentile_us(0.5), log.percentile_us(0.99), static_cast<unsigned long long>(log.count()),
      log.longest_gap_ms(), cpu_seconds() - cpu_before);
  return {};
}

int run(int argc, char** argv) {
  CLI::App app("Loads a database server with small records and prints what it did as JSON.");
  Options options;
  app.add_option("peer", options.peer, "Whom to load")
      ->required()
      ->check(CLI::IsMember({"redis", "postgres", "echo", "echo-server"}));
  app.add_option("kind", options.kind, "What each request does")
      ->check(CLI::IsMember({"commit", "load"}));
  app.add_option("--at", options.at, "HOST:PORT of the server");
  app.add_option("--clients", options.clients)->check(CLI::Range(1, 10'000));
  app.add_option("--seconds", options.seconds)->check(CLI::PositiveNumber);
  app.add_option("--size", options.record_bytes, "Bytes per record")->check(CLI::Range(8, 60'000));
  app.add_option("--objects", options.objects, "Objects that the clients share out");
  app.add_option("--user", options.user, "PostgreSQL user");
  app.add_option("--database", options.database, "PostgreSQL database");
  CLI11_PARSE(app, argc, argv);
  const Result<> done = options.peer == "echo-server" ? serve_echo() : measure(options);
  if (done) return 0;
  std::cerr << "peer_load: " << done.error().detail << '\n';
  return 1;
}

}  // namespace
}  // namespace zeolite::bench

int main(int argc, char** argv) { return zeolite::bench::run(argc, argv); }
