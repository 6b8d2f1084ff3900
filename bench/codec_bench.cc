// What a message costs on its way to and from bytes, for the requests and answers of the hot path
// with a record of 300 bytes, and for groups of such commits on their way to a standby.
#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "wire/codec.h"
#include "wire/crc32c.h"

namespace zeolite::wire {
namespace {

Bytes record() { return Bytes(std::string(300, 'r')); }

Commit commit() {
  Commit m;
  m.number = 77;
  m.begun = Tid(1ULL << 60);
  m.writes.push_back({Oid(5), Tid(6), RevisionKind::data, record()});
  return m;
}

template <typename M>
void run_encode(benchmark::State& state, const M& message) {
  std::string out;
  for (auto _ : state) {
    out.clear();
    encode(message, 1, out);
    benchmark::DoNotOptimize(out.data());
  }
}

// From received bytes to the message: what a connection does for each frame.
template <typename M>
void run_decode(benchmark::State& state, const M& message) {
  std::string out;
  encode(message, 1, out);
  const Bytes received(std::move(out));
  FrameDecoder decoder(kBodyMaxDefault);
  for (auto _ : state) {
    decoder.feed(received);
    const auto frame = decoder.next();
    const auto decoded = decode(**frame);
    benchmark::DoNotOptimize(decoded.has_value());
  }
}

void run_crc32c(benchmark::State& state) {
  const std::string bytes(static_cast<std::size_t>(state.range(0)), 'c');
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

std::vector<TransactionRecord> group(std::size_t commits) {
  std::vector<TransactionRecord> records(commits);
  for (std::size_t i = 0; i < commits; ++i) {
    records[i].epoch = Epoch(1);
    records[i].tid = Tid(i + 1);
    records[i].commit_id = {SessionId{1}, i};
    records[i].writes.push_back({Oid(i), Tid(0), RevisionKind::data, record(), kNoTid});
  }
  return records;
}

void run_encode_append(benchmark::State& state) {
  const std::vector<TransactionRecord> records = group(static_cast<std::size_t>(state.range(0)));
  std::string out;
  for (auto _ : state) {
    out.clear();
    encode_append(Epoch(1), {}, records, out, SIZE_MAX);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void run_decode_append(benchmark::State& state) {
  std::string out;
  encode_append(Epoch(1), {}, group(static_cast<std::size_t>(state.range(0))), out, SIZE_MAX);
  const Bytes received(std::move(out));
  FrameDecoder decoder(kBodyMaxDefault);
  for (auto _ : state) {
    decoder.feed(received);
    const auto frame = decoder.next();
    const auto decoded = decode(**frame);
    benchmark::DoNotOptimize(decoded.has_value());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

const Loaded kLoaded{LoadedStatus::found, record(), Tid(7), {}};

BENCHMARK_CAPTURE(run_encode, load, Load{Oid(5), kMaxTid});
BENCHMARK_CAPTURE(run_decode, load, Load{Oid(5), kMaxTid});
BENCHMARK_CAPTURE(run_encode, loaded, kLoaded);
BENCHMARK_CAPTURE(run_decode, loaded, kLoaded);
BENCHMARK_CAPTURE(run_encode, commit, commit());
BENCHMARK_CAPTURE(run_decode, commit, commit());
BENCHMARK_CAPTURE(run_encode, committed, Committed{Tid(7), Epoch(1)});
BENCHMARK_CAPTURE(run_decode, committed, Committed{Tid(7), Epoch(1)});
BENCHMARK(run_encode_append)->Arg(1)->Arg(32)->Arg(1024);
BENCHMARK(run_decode_append)->Arg(1)->Arg(32)->Arg(1024);
BENCHMARK(run_crc32c)->Arg(300)->Arg(65536);

}  // namespace
}  // namespace zeolite::wire
