#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "daemon/checkpoint_receiver.h"
#include "daemon/checkpoint_sender.h"
#include "daemon/controlled_store.h"
#include "net/loopback_peer.h"
#include "storage/checkpoint_install.h"
#include "support/temporary_directory.h"

// A copy of a database from its sender to its receiver, cut off wherever it may be.
namespace zeolite::daemon {
namespace {

namespace fs = std::filesystem;
using zeolite::testing::TemporaryDirectory;

constexpr std::size_t kMiB = 1 << 20;

std::string random_bytes(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

void write_file(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

using Files = std::map<std::string, std::string>;

class CheckpointTransfer : public ::testing::Test, private net::FramedConnection::Handler {
 protected:
  // What a connection carried.
  struct Carried {
    std::size_t bytes = 0;                    // from the sender
    std::vector<std::size_t> frame_ends;      // in bytes, of what came whole
    std::vector<wire::CheckpointChunk> seen;  // without their data
    std::optional<Result<CheckpointReceiver::Complete>> finished;
    int percent = 0;  // as the sender knew at the end
  };

  explicit CheckpointTransfer(std::shared_ptr<blobs::BlobDirectory> blobs = nullptr) {
    StorageEngine::Options options;
    options.name = "main";
    options.blobs = std::move(blobs);
    engine_ = StorageEngine::start(
                  std::move(options), std::make_unique<ControlledStore>(control_), clock_,
                  [](std::size_t) {}, [](const Error& why) { ADD_FAILURE() << why.detail; })
                  .value();
    fs::create_directories(from_.path());
    OutgoingCheckpoints::Environment environment;
    environment.shard = &shard_;
    environment.pool = &sending_;
    environment.engine = engine_.get();
    environment.directory = from_.path();
    environment.log = [](LogLevel, std::string_view) {};
    environment.make = [this](const fs::path& path) -> Result<Position> {
      for (const auto& [name, content] : files_) write_file(path / name, content);
      ++made_;
      return position_;
    };
    outgoing_ = std::make_shared<OutgoingCheckpoints>(std::move(environment));
  }
  ~CheckpointTransfer() override {
    control_->append.open();
    for (boost::asio::thread_pool* pool : {&sending_, &receiving_}) pool->join();
    shard_.stop();
    shard_.join();
    outgoing_.reset();
    engine_.reset();
  }

  // One connection, until the copy is complete or refused, or so many bytes have come.
  Carried connect(std::size_t bytes_max = SIZE_MAX, std::size_t frames_max = SIZE_MAX,
                  std::uint64_t rate = 0) {
    boost::asio::io_context far_context;
    net::SocketPair pair = net::SocketPair::make(shard_.context(), far_context);
    Carried carried;
    begin(std::move(pair.near), rate);
    wire::FrameDecoder decoder(wire::kBodyMaxDefault);
    std::string buffer(64 * 1024, '\0');
    while (carried.bytes < bytes_max && carried.frame_ends.size() < frames_max) {
      boost::system::error_code error;
      const std::size_t room = std::min(buffer.size(), bytes_max - carried.bytes);
      const std::size_t n = pair.far.read_some(boost::asio::buffer(buffer.data(), room), error);
      if (error) break;
      decoder.feed(Bytes::copy_of(ByteView(buffer.data(), n)));
      carried.bytes += n;
      take(decoder, frames_max, carried);
    }
    pair.far.close();
    end(carried);
    return carried;
  }

  // Both folders hold the same files. That alone installs nothing.
  void expect_complete(const Files& files) const {
    EXPECT_FALSE(fs::exists(incoming() / "COMPLETE"));
    for (const auto& [name, content] : files) {
      EXPECT_TRUE(read_file(incoming() / name) == content) << name;
    }
  }
  [[nodiscard]] fs::path incoming() const { return to_->path() / storage::kIncomingFolder; }
  void begin_anew() const { fs::remove_all(incoming()); }

  [[nodiscard]] fs::path outgoing() const { return from_.path() / "outgoing"; }

  Files files_;
  Position position_{Epoch(3), Tid(9), {}};       // of the sender's database
  replication::Follower::TakeCheckpoint take_{};  // what the receiver needs
  int made_ = 0;                                  // checkpoints
  TemporaryDirectory first_, second_;
  TemporaryDirectory* to_ = &first_;  // whose receiver connects

 private:
  void begin(boost::asio::ip::tcp::socket near, std::uint64_t rate) {
    on_shard([&] {
      connection_ = std::make_shared<net::FramedConnection>(
          shard_, std::move(near), static_cast<net::FramedConnection::Handler&>(*this),
          net::FramedConnection::Limits{});
      connection_->start();
      CheckpointSender::Environment environment;
      environment.shard = &shard_;
      environment.pool = &sending_;
      environment.checkpoints = outgoing_;
      environment.bytes_per_second = rate;
      sender_ = std::make_shared<CheckpointSender>(environment, connection_, [this](const Error&) {
        connection_->close(Error{ErrorCode::unavailable, "the copy cannot be sent"});
      });
      CheckpointReceiver::Events events;
      events.request = [this](const wire::CheckpointRequest& request) { sender_->start(request); };
      events.acknowledge = [this](const wire::CheckpointAck& ack) { sender_->on_ack(ack); };
      events.finished = [this](Result<CheckpointReceiver::Complete> finished) {
        receiver_.reset();  // as who follows another now does
        finished_ = std::move(finished);
        connection_->close_after_flush(Error{ErrorCode::unavailable, "it is over"});
      };
      events.log = [](LogLevel, std::string_view) {};
      receiver_ =
          std::make_unique<CheckpointReceiver>(to_->path(), shard_, receiving_, std::move(events));
      receiver_->start(take_);
    });
  }

  void take(wire::FrameDecoder& decoder, std::size_t frames_max, Carried& carried) {
    while (carried.frame_ends.size() < frames_max) {
      auto frame = decoder.next();
      ASSERT_TRUE(frame) << frame.error().detail;
      if (!*frame) return;
      auto message = wire::decode(**frame);
      ASSERT_TRUE(message);
      if (const auto* chunk = std::get_if<wire::CheckpointChunk>(&*message)) {
        carried.seen.push_back({chunk->file, chunk->offset, {}, chunk->last, chunk->hash});
      }
      const std::size_t body = ((*frame)->body.size() + 7) / 8 * 8;  // not compressed
      const std::size_t begin = carried.frame_ends.empty() ? 0 : carried.frame_ends.back();
      carried.frame_ends.push_back(begin + wire::kFrameHeaderSize + body);
      on_shard([&] {
        if (receiver_) receiver_->on_message(*message);
      });
    }
  }

  void end(Carried& carried) {
    // What was received is written and confirmed: the next try will find it.
    drain();
    on_shard([&] {
      sender_->stop();
      carried.percent = sender_->percent();
      receiver_.reset();
      connection_->detach();
    });
    drain();
    on_shard([&] {
      sender_.reset();
      connection_.reset();
      carried.finished = std::exchange(finished_, std::nullopt);
    });
  }

  void drain() {
    on_shard([] {});
    for (boost::asio::thread_pool* pool : {&sending_, &receiving_}) {
      std::promise<void> idle;
      boost::asio::post(*pool, [&idle] { idle.set_value(); });
      idle.get_future().wait();
    }
    on_shard([] {});
  }

  void on_shard(const std::function<void()>& function) { shard_.run(function); }
  void on_frame(wire::Frame /*frame*/) override {}
  void on_drained() override {
    if (sender_) sender_->pump();
  }
  void on_closed(const Error& /*why*/) override {}

  TemporaryDirectory from_;
  std::shared_ptr<StoreControl> control_ = std::make_shared<StoreControl>();
  ManualClock clock_;
  std::unique_ptr<StorageEngine> engine_;
  net::IoShard shard_{"copy-test"};
  boost::asio::thread_pool sending_{1}, receiving_{1};
  std::shared_ptr<OutgoingCheckpoints> outgoing_;
  // The shard's.
  std::shared_ptr<net::FramedConnection> connection_;
  std::shared_ptr<CheckpointSender> sender_;
  std::unique_ptr<CheckpointReceiver> receiver_;
  std::optional<Result<CheckpointReceiver::Complete>> finished_;
};

Files sample_files() {
  return {{"000012.sst", random_bytes(2 * kMiB + 1000, 1)},
          {"CURRENT", "MANIFEST-000005\n"},
          {"sub/empty", ""},
          {"sub/000013.sst", random_bytes(kMiB, 2)}};
}

TEST_F(CheckpointTransfer, ArrivesAsItIs) {
  files_ = sample_files();
  const Carried carried = connect();
  ASSERT_TRUE(carried.finished && *carried.finished);
  EXPECT_EQ(carried.percent, 100);
  expect_complete(files_);
}

// Cut within, at, and around the end of each frame: what came whole is not sent again.
TEST_F(CheckpointTransfer, GoesOnWhereverItWasCut) {
  files_ = sample_files();
  const Carried whole = connect();
  ASSERT_TRUE(whole.finished && *whole.finished);
  std::vector<std::size_t> cuts = {1, 15, 16, 17};  // in the first frame's header
  for (std::size_t i = 0; i + 1 < whole.frame_ends.size(); ++i) {
    const std::size_t end = whole.frame_ends[i];
    cuts.insert(cuts.end(), {end - 1, end, end + 1, (end + whole.frame_ends[i + 1]) / 2});
  }
  cuts.push_back(whole.bytes - 1);
  for (const std::size_t cut : cuts) {
    SCOPED_TRACE("cut after " + std::to_string(cut) + " bytes");
    begin_anew();
    const Carried first = connect(cut);
    ASSERT_FALSE(first.finished);
    const Carried second = connect();
    ASSERT_TRUE(second.finished && *second.finished);
    expect_complete(files_);
    const std::size_t kept = first.seen.empty() ? 0 : first.frame_ends.back();
    EXPECT_LE(second.bytes, whole.bytes - kept + whole.frame_ends.front()) << "sent again";
  }
}

TEST_F(CheckpointTransfer, GoesOnHoweverOftenItIsCut) {
  files_ = sample_files();
  std::mt19937 random(7);
  for (int round = 0; round < 5; ++round) {
    begin_anew();
    Carried last;
    int cuts = 0;
    do {
      last = connect(2000 + random() % (2 * kMiB));
      ++cuts;
      ASSERT_LT(cuts, 200) << "it does not get on";
    } while (!last.finished);
    ASSERT_TRUE(*last.finished);
    EXPECT_GT(cuts, 1);
    expect_complete(files_);
  }
}

TEST_F(CheckpointTransfer, AFileThatWasDamagedIsFoundAndFetchedAgain) {
  files_ = {{"a", random_bytes(2 * kMiB, 1)}, {"b", random_bytes(2 * kMiB, 2)}};
  // The first file, and half of the second.
  const Carried first = connect(SIZE_MAX, 4);
  ASSERT_EQ(first.seen.size(), 3U);
  ASSERT_TRUE(first.seen[1].last);
  std::string damaged;
  for (const auto& [name, content] : files_) {
    if (fs::file_size(incoming() / name) == kMiB) damaged = name;
  }
  ASSERT_FALSE(damaged.empty());
  std::string content = read_file(incoming() / damaged);
  content[100] = static_cast<char>(content[100] ^ 1);
  write_file(incoming() / damaged, content);
  const Carried second = connect();
  ASSERT_TRUE(second.finished);
  ASSERT_FALSE(*second.finished);
  EXPECT_EQ(second.finished->error().code, ErrorCode::corruption);
  EXPECT_NE(second.finished->error().detail.find("/" + damaged), std::string::npos);
  const Carried third = connect();
  ASSERT_TRUE(third.finished && *third.finished);
  expect_complete(files_);
  EXPECT_LT(third.bytes, 3 * kMiB) << "only that file";
}

TEST_F(CheckpointTransfer, AFileThatWentMissingIsFetchedAgain) {
  files_ = {{"a", random_bytes(kMiB, 1)}, {"b", random_bytes(2 * kMiB, 2)}};
  const Carried first = connect(SIZE_MAX, 3);
  ASSERT_FALSE(first.finished);
  // Its mark outlived it: nothing says in which order a crash leaves what was not synced.
  for (const auto& [name, content] : files_) {
    if (fs::exists(incoming() / name)) fs::remove(incoming() / name);
  }
  const Carried second = connect();
  ASSERT_TRUE(second.finished && *second.finished);
  expect_complete(files_);
}

TEST_F(CheckpointTransfer, WhatItWasACopyOfIsDamagedAndItBeginsAnew) {
  files_ = sample_files();
  ASSERT_FALSE(connect(kMiB + 5000).finished);
  std::string begin = read_file(incoming() / "BEGIN");
  begin[20] = static_cast<char>(begin[20] ^ 1);
  write_file(incoming() / "BEGIN", begin);
  const Carried second = connect();
  ASSERT_TRUE(second.finished && *second.finished);
  expect_complete(files_);
}

TEST_F(CheckpointTransfer, AnotherThatAsksMeanwhileIsSentTheSame) {
  const Files files = files_ = sample_files();
  const Carried first = connect(kMiB + 5000);
  ASSERT_FALSE(first.finished);
  files_ = {{"a", random_bytes(kMiB, 3)}};  // as the database is by now
  to_ = &second_;
  const Carried other = connect();
  ASSERT_TRUE(other.finished && *other.finished);
  expect_complete(files);
  to_ = &first_;
  const Carried rest = connect();
  ASSERT_TRUE(rest.finished && *rest.finished);
  expect_complete(files);
  EXPECT_LT(rest.bytes, other.bytes - kMiB / 2) << "it went on where it was";
  EXPECT_EQ(made_, 1);
}

TEST_F(CheckpointTransfer, AnotherThatNeedsALaterOneTakesNobodyHis) {
  const Files files = files_ = sample_files();
  ASSERT_FALSE(connect(kMiB + 5000).finished);
  const Files later =
      files_ = {{"000012.sst", random_bytes(2 * kMiB, 3)}, {"CURRENT", "MANIFEST-000006\n"}};
  position_.tid = Tid(20);
  take_.from.tid = Tid(12);
  to_ = &second_;
  const Carried other = connect(kMiB + 5000);
  ASSERT_FALSE(other.finished);
  take_.from.tid = Tid(0);
  to_ = &first_;
  const Carried rest = connect();
  ASSERT_TRUE(rest.finished && *rest.finished);
  expect_complete(files);
  take_.from.tid = Tid(12);
  to_ = &second_;
  const Carried end = connect();
  ASSERT_TRUE(end.finished && *end.finished);
  EXPECT_EQ((*end.finished)->position.tid, Tid(20));
  expect_complete(later);
  EXPECT_EQ(made_, 2);
}

TEST_F(CheckpointTransfer, WhenNobodyIsSentItAnyMoreItGoes) {
  files_ = sample_files();
  ASSERT_FALSE(connect(kMiB).finished);
  EXPECT_FALSE(fs::is_empty(outgoing())) << "whoever was cut off comes back";
  ASSERT_TRUE(connect().finished);
  EXPECT_TRUE(fs::is_empty(outgoing()));
}

TEST_F(CheckpointTransfer, AFileThatTheSenderHasNoMoreMeansANewCopy) {
  files_ = sample_files();
  ASSERT_FALSE(connect(kMiB).finished);
  for (const auto& checkpoint : fs::directory_iterator(outgoing())) {
    fs::remove_all(checkpoint.path() / "sub");
    fs::remove(checkpoint.path() / "CURRENT");
  }
  const Carried failed = connect();
  EXPECT_FALSE(failed.finished);
  const Carried again = connect();
  ASSERT_TRUE(again.finished && *again.finished);
  expect_complete(files_);
  EXPECT_EQ(made_, 2);
}

TEST_F(CheckpointTransfer, WhatIsNotMadeIsNotSent) {
  files_ = sample_files();
  take_.from.tid = Tid(10);
  const Carried carried = connect();
  EXPECT_FALSE(carried.finished) << "the sender has less than the receiver";
  EXPECT_TRUE(fs::is_empty(outgoing()));
}

TEST_F(CheckpointTransfer, IsNotFasterThanItMayBe) {
  files_ = {{"a", random_bytes(4 * kMiB, 1)}};
  const auto began = SystemClock().now().instant;
  const Carried carried = connect(SIZE_MAX, SIZE_MAX, 6 * kMiB);
  ASSERT_TRUE(carried.finished && *carried.finished);
  // The last of its pieces, of a MiB each, leaves when those before it are paid for.
  EXPECT_GE(SystemClock().now().instant - began, std::chrono::milliseconds(500));
}

TEST_F(CheckpointTransfer, TellsHowFarItIs) {
  files_ = {{"a", random_bytes(4 * kMiB, 1)}};
  const Carried carried = connect(SIZE_MAX, 3, 8 * kMiB);
  EXPECT_FALSE(carried.finished);
  EXPECT_EQ(carried.percent, 50) << "two of four pieces";
}

// The sender's blobs; before the fixture that uses them.
struct SendersBlobs {
  TemporaryDirectory at;
  std::shared_ptr<blobs::BlobDirectory> blobs = *blobs::BlobDirectory::open({.path = at.path()});
};

class CheckpointTransferOfBlobs : protected SendersBlobs, public CheckpointTransfer {
 protected:
  CheckpointTransferOfBlobs() : CheckpointTransfer(blobs) {}
};

// A blob whose final name could not be made is committed nonetheless, and has to be in a copy.
TEST_F(CheckpointTransferOfBlobs, HasAllOrIsNone) {
  files_ = {{"a", "content"}};
  blobs::StagedBlob staged = *blobs->stage();
  ASSERT_TRUE(staged.append("blob"));
  ASSERT_TRUE(staged.seal(Oid(1)));
  const fs::path final_name = blobs->path_of(Oid(1), Tid(9));
  write_file(final_name.parent_path(), "in the way");
  ASSERT_FALSE(blobs->install(staged.release(), Oid(1), Tid(9)));
  EXPECT_FALSE(connect().finished);

  fs::remove(final_name.parent_path());
  const Carried carried = connect();
  ASSERT_TRUE(carried.finished && *carried.finished);
  expect_complete({{"blobs" / final_name.lexically_relative(blobs->path()), "blob"}});
}

}  // namespace
}  // namespace zeolite::daemon
