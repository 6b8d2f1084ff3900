#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "blobs/blob_names.h"
#include "filestorage/data_fs_builder.h"
#include "integration/cluster.h"
#include "integration/small_disk.h"
#include "support/raw_client.h"
#include "support/tcp_proxy.h"

// What takes longer to reach a standby, or to be appended there, than anybody may be silent.
namespace zeolite::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr std::uint64_t kBytesPerSecond = 1 << 20;
constexpr std::size_t kLarge = 6 << 20;  // on its way for twice as long as the limit, 3 s

// That no compression makes smaller.
std::string noise(std::size_t bytes) {
  std::mt19937_64 random(1);
  std::string data(bytes, '\0');
  std::ranges::generate(data, [&] { return static_cast<char>(random()); });
  return data;
}

bool commit(const ServerProcess& server, std::uint64_t oid, std::string data) {
  wire::Hello hello;
  hello.session = random_session();
  Result<RawClient> client = RawClient::open(server.port(), hello);
  if (!client) return false;
  wire::Commit request;
  request.number = 1;
  request.begun = client->welcome().visible.tid;
  request.writes = {{.oid = Oid(oid), .base = {}, .data = Bytes(std::move(data))}};
  return client->ask<wire::Committed>(request).has_value();
}

class SlowStandby : public ClusterTest {
 protected:
  // The primary "a" has what its directory holds, and "b" is to follow it through a proxy.
  void start() {
    a_.emplace(options("a"));
    ASSERT_TRUE(a_->start()) << a_->standard_error();
    proxy_.emplace(a_->port());
    b_.emplace(options("b", {"--standby-of", proxy_->address()}));
  }
  // The same without the proxy, which carries nothing while somebody does not read.
  void start_without_proxy(const std::string& config_of_b) {
    a_.emplace(options("a"));
    ASSERT_TRUE(a_->start()) << a_->standard_error();
    const std::string address = "127.0.0.1:" + std::to_string(a_->port());
    ServerProcess::Options of_b = options("b", {"--standby-of", address});
    of_b.config = config_of_b;
    b_.emplace(of_b);
  }
  // Into the directory of "a".
  void import_blob(std::size_t bytes) {
    filestorage::DataFsBuilder file(filestorage::kMagicPython3);
    const Tid tid(0x032b'ff9c'0000'0000);
    const Oid oid(1);
    file.begin(tid);
    file.data(oid, "cZODB.blob\nBlob\nq\x01.N.");
    file.end();
    const fs::path given = directory_ / "given";
    const fs::path object = given / blobs::object_directory(blobs::Layout::bushy, oid);
    fs::create_directories(object);
    std::ofstream(given / ".layout") << "bushy";
    std::ofstream(object / blobs::blob_file_name(tid), std::ios::binary) << noise(bytes);
    const fs::path source = directory_ / "blobs.fs";
    std::ofstream(source, std::ios::binary) << file.bytes();
    const ProgramResult imported =
        zeolite({"import", "filestorage:" + source.string(), "--data", (directory_ / "a").string(),
                 "--blobs", given.string()});
    ASSERT_EQ(imported.exit_code, 0) << imported.error;
  }
  void expect_has_blob() {
    EXPECT_EQ(b_->stop(), 0) << b_->standard_error();
    const ProgramResult verified = verify(directory_ / "b");
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.error;
    EXPECT_EQ(json_of(verified).at("blobs").to_number<std::int64_t>(), 1);
  }
  // All came over one connection: neither side ended it.
  void expect_replicated() {
    ASSERT_TRUE(wait_until([&] { return in_sync(*a_) && same_end(*a_, *b_); }, seconds(30)))
        << a_->standard_error() << b_->standard_error();
    EXPECT_EQ(b_->standard_error().find("ended"), std::string::npos)
        << a_->standard_error() << b_->standard_error();
    EXPECT_EQ(digest(*a_), digest(*b_));
  }

  std::optional<ServerProcess> a_;
  std::optional<TcpProxy> proxy_;
  std::optional<ServerProcess> b_;
};

TEST_F(SlowStandby, GetsALargeTransactionOverASlowLink) {
  start();
  ASSERT_TRUE(b_->start()) << b_->standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(*a_); })) << b_->standard_error();
  proxy_->limit(kBytesPerSecond);
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(commit(*a_, 1, noise(kLarge))) << a_->standard_error();
  ASSERT_TRUE(wait_until([&] { return same_end(*a_, *b_); }, seconds(30)))
      << a_->standard_error() << b_->standard_error();
  EXPECT_GT(std::chrono::steady_clock::now() - begun, seconds(4)) << "the link was not slow";
  expect_replicated();
}

TEST_F(SlowStandby, GetsALargeBlobOverASlowLink) {
  import_blob(kLarge);
  start();
  proxy_->limit(kBytesPerSecond);
  ASSERT_TRUE(b_->start()) << b_->standard_error();
  expect_replicated();
  expect_has_blob();
}

// It has begun with the blob. The upstream is not asked for all of it again and again.
TEST_F(SlowStandby, WaitsForRoomInTheMiddleOfABlob) {
  const SmallDisk disk(directory_ / "disk");
  if (!disk.mounted()) GTEST_SKIP() << "a tmpfs cannot be mounted here: " << disk.why();
  fs::create_directory(directory_ / "disk/b");
  fs::create_directory_symlink(directory_ / "disk/b", directory_ / "b");
  import_blob(30 << 20);
  start_without_proxy("[memory]\nmemtable = \"2 MiB\"\n");
  disk.fill(35 << 20);  // a tenth of 200 MB is kept free
  ASSERT_TRUE(b_->start()) << b_->standard_error();
  const auto says = [&](const std::string& words) {
    std::size_t times = 0;
    const std::string all = b_->standard_error();
    for (auto at = all.find(words); at != std::string::npos; at = all.find(words, at + 1)) ++times;
    return times;
  };
  ASSERT_TRUE(wait_until([&] { return says("this standby appends nothing") > 0; }))
      << b_->standard_error();
  std::this_thread::sleep_for(seconds(5));  // longer than anybody may be silent
  EXPECT_EQ(says("this standby appends nothing"), 1U) << b_->standard_error();
  disk.release();
  expect_replicated();
  EXPECT_EQ(says("there is space again"), 1U) << b_->standard_error();
  expect_has_blob();
}

// Above 64 MiB of groups that wait for its disk, a standby does not read.
TEST_F(SlowStandby, ReadsOnWhenWhatFilledItsQueueIsAppended) {
  start();
  ASSERT_TRUE(b_->start()) << b_->standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(*a_); })) << b_->standard_error();
  const std::string data = noise(36 << 20);
  std::vector<std::thread> writers;
  for (std::uint64_t oid = 1; oid <= 4; ++oid) {
    writers.emplace_back([&, oid] { EXPECT_TRUE(commit(*a_, oid, data)); });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_TRUE(commit(*a_, 5, "small"));
  expect_replicated();
}

}  // namespace
}  // namespace zeolite::testing
