// What the disk alone allows: small records, each synced before the next. See bench/README.md.

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include "base/error.h"
#include "bench/load_generator/latency_log.h"

namespace zeolite::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::unexpected<Error> system_error(const std::string& what) {
  return make_error(ErrorCode::io_error, what + ": " + std::strerror(errno));
}

// Writes records from the start of the file. `limit_bytes` > 0: starts again there, so that only
// blocks that were written before are written.
Result<LatencyLog> write_synced(int fd, const std::string& record, double seconds,
                                off_t limit_bytes) {
  LatencyLog log;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  off_t offset = 0;
  const auto step = static_cast<off_t>(record.size());
  for (auto start = Clock::now(); start < end; start = Clock::now()) {
    if (limit_bytes > 0 && offset + step > limit_bytes) offset = 0;
    if (::pwrite(fd, record.data(), record.size(), offset) != step) return system_error("pwrite");
    if (::fdatasync(fd) != 0) return system_error("fdatasync");
    log.add(start, Clock::now());
    offset += step;
  }
  return log;
}

void print(const char* name, LatencyLog& log, double seconds, const char* tail) {
  std::printf("\"%s_per_s\": %.1f, \"%s_p50_us\": %.1f, \"%s_p99_us\": %.1f%s", name,
              static_cast<double>(log.count()) / seconds, name, log.percentile_us(0.5), name,
              log.percentile_us(0.99), tail);
}

Result<> measure(const std::string& directory, double seconds, std::size_t record_bytes) {
  const std::string path = directory + "/disk_rate.tmp";
  const std::string record(record_bytes, 'z');
  const int fd = ::open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return system_error(path);
  ::unlink(path.c_str());
  ASSIGN_OR_RETURN(LatencyLog append, write_synced(fd, record, seconds, 0));
  const auto written = static_cast<off_t>(append.count() * record_bytes);
  ASSIGN_OR_RETURN(LatencyLog overwrite, write_synced(fd, record, seconds, written));
  ::close(fd);
  std::printf("{");
  print("append", append, seconds, ", ");
  print("overwrite", overwrite, seconds, "}\n");
  return {};
}

int run(int argc, char** argv) {
  CLI::App app("Measures write and fdatasync of small records: appended, then overwritten.");
  std::string directory = ".";
  double seconds = 2;
  std::size_t record_bytes = 400;
  app.add_option("--dir", directory, "Directory on the disk to measure");
  app.add_option("--seconds", seconds, "Time for each of the two")->check(CLI::PositiveNumber);
  app.add_option("--size", record_bytes, "Bytes per record")->check(CLI::Range(1, 1 << 20));
  CLI11_PARSE(app, argc, argv);
  const Result<> done = measure(directory, seconds, record_bytes);
  if (done) return 0;
  std::cerr << "disk_rate: " << done.error().detail << '\n';
  return 1;
}

}  // namespace
}  // namespace zeolite::bench

int main(int argc, char** argv) { return zeolite::bench::run(argc, argv); }
