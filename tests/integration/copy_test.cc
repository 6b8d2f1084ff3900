#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "blobs/blob_names.h"
#include "filestorage/data_fs_builder.h"
#include "integration/cluster.h"
#include "integration/commit_load.h"

// Copies of a database for new standbys, and blobs on their way to them.
namespace zeolite::testing {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

// Apart from those that CommitLoad chooses.
constexpr std::uint64_t kFirst = 1 << 30;

Tid numbered_tid(std::uint64_t number) { return Tid(0x032b'ff9c'0000'0000 + 1000 * number); }

class Copy : public ClusterTest {
 protected:
  // Imports transactions with a blob each into the directory of node `name`.
  void import_blobs(const std::string& name, std::uint64_t count) {
    filestorage::DataFsBuilder file(filestorage::kMagicPython3);
    const fs::path given = directory_ / "given";
    fs::create_directories(given);
    std::ofstream(given / ".layout") << "bushy";
    for (std::uint64_t i = 1; i <= count; ++i) {
      file.begin(numbered_tid(i));
      file.data(Oid(kFirst + i), "cZODB.blob\nBlob\nq\x01.N.");
      file.end();
      const fs::path object =
          given / blobs::object_directory(blobs::Layout::bushy, Oid(kFirst + i));
      fs::create_directories(object);
      // Some in several pieces, some empty.
      std::ofstream(object / blobs::blob_file_name(numbered_tid(i)))
          << std::string(i % 7 == 0   ? 0
                         : i % 5 == 0 ? 2'500'000
                                      : 1000 * i,
                         'b')
          << i;
    }
    const fs::path source = directory_ / "blobs.fs";
    std::ofstream(source, std::ios::binary) << file.bytes();
    const ProgramResult imported =
        zeolite({"import", "filestorage:" + source.string(), "--data", (directory_ / name).string(),
                 "--blobs", given.string()});
    ASSERT_EQ(imported.exit_code, 0) << imported.error;
  }
  // "a", with blobs, which sends copies at `rate` bytes a second.
  ServerProcess::Options slow_primary(int rate) {
    import_blobs("a", 30);
    ServerProcess::Options slow = options("a");
    slow.config = "[replication]\ncheckpoint_rate = " + std::to_string(rate) + "\n";
    return slow;
  }
  // Its log has a gap afterwards: a new standby takes a copy.
  static void start_to_be_copied(ServerProcess& a) {
    ASSERT_TRUE(a.start()) << a.standard_error();
    ASSERT_EQ(zeolite({"bench", "commit", "--seconds", "0.3", "--at", a.address()}).exit_code, 0);
    ASSERT_EQ(zeolite({"pack", "--days", "0", "--no-gc", "--at", a.address()}).exit_code, 0);
  }
  static std::uintmax_t bytes_in(const fs::path& directory) {
    std::uintmax_t bytes = 0;
    std::error_code error;
    for (auto it = fs::recursive_directory_iterator(directory, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
      std::error_code gone;
      if (it->is_regular_file(gone)) bytes += it->file_size(gone);
    }
    return bytes;
  }
  // Clean, with so many blobs.
  static void expect_blobs(const fs::path& data, std::int64_t count) {
    const ProgramResult result = verify(data);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.error;
    EXPECT_EQ(json_of(result).at("blobs").to_number<std::int64_t>(), count);
  }
  // A new standby of `a` that ends at `point` while it joins becomes in the next process what it
  // was to be.
  void expect_joins_after(const ServerProcess& a, const std::string& point, std::int64_t blobs) {
    SCOPED_TRACE(point);
    const std::string name = "killed at " + point;
    ServerProcess b(options(name, standby_of(a)));
    b.set_environment({"ZEOLITE_CRASH_POINT=" + point});
    b.launch();
    ASSERT_EQ(b.wait_exit(seconds(20)), 137) << b.standard_error();
    b.set_environment({});
    ASSERT_TRUE(b.start()) << b.standard_error();
    ASSERT_TRUE(wait_until([&] { return same_end(a, b); })) << b.standard_error();
    EXPECT_EQ(digest(a), digest(b));
    EXPECT_EQ(b.stop(), 0) << b.standard_error();
    expect_blobs(directory_ / name, blobs);
    EXPECT_FALSE(fs::exists(directory_ / name / "records.gone"));
  }
};

// Killed while it is being sent them: what it has in its log, it has with its blobs.
TEST_F(Copy, BlobsAreThereBeforeTheirTransactionWhereverAStandbyIsKilled) {
  constexpr std::int64_t kBlobs = 60;
  import_blobs("a", kBlobs);
  ServerProcess a(options("a"));
  ASSERT_TRUE(a.start()) << a.standard_error();
  ServerProcess b(options("b", standby_of(a)));
  std::string seen;
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(b.start()) << b.standard_error();
    // Somewhere on the way: when it has got further than the last time.
    ASSERT_TRUE(wait_until([&] {
      const std::string now = text_of(status(b), "last_tid");
      return now > seen || (!now.empty() && same_end(a, b));
    }));
    seen = text_of(status(b), "last_tid");
    b.kill();
    const ProgramResult clean = verify(directory_ / "b");
    EXPECT_EQ(clean.exit_code, 0) << clean.out << clean.error;
  }
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(a) && same_end(a, b); })) << b.standard_error();
  EXPECT_EQ(digest(a), digest(b));
  EXPECT_EQ(b.stop(), 0) << b.standard_error();
  expect_blobs(directory_ / "b", kBlobs);
}

TEST_F(Copy, HasTheBlobs) {
  constexpr std::int64_t kBlobs = 20;
  import_blobs("a", kBlobs);
  ServerProcess a(options("a"));
  ASSERT_TRUE(a.start()) << a.standard_error();
  CommitLoad load(1, 300);
  load.start(a.port());
  ASSERT_TRUE(load.wait_acknowledged(50));
  load.stop();
  load.join();
  // After that its log is not complete for a new standby.
  ASSERT_EQ(zeolite({"pack", "--days", "0", "--no-gc", "--at", a.address()}).exit_code, 0);
  ServerProcess b(options("b", standby_of(a)));
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(a) && same_end(a, b); })) << b.standard_error();
  EXPECT_NE(b.standard_error().find("copy"), std::string::npos);
  EXPECT_EQ(digest(a), digest(b));
  EXPECT_EQ(b.stop(), 0) << b.standard_error();
  expect_blobs(directory_ / "b", kBlobs);
}

TEST_F(Copy, ANewStandbyOfALargeDatabaseDoesNotApplyItsWholeLog) {
  filestorage::DataFsBuilder file(filestorage::kMagicPython3);
  std::mt19937_64 random(1);
  constexpr std::uint64_t kObjects = 66;
  for (std::uint64_t i = 1; i <= kObjects; ++i) {
    std::string data(1 << 20, '\0');  // that no compression makes smaller
    std::ranges::generate(data, [&] { return static_cast<char>(random()); });
    file.begin(numbered_tid(i));
    file.data(Oid(kFirst + i), data);
    file.end();
  }
  const fs::path source = directory_ / "large.fs";
  std::ofstream(source, std::ios::binary) << file.bytes();
  const ProgramResult imported =
      zeolite({"import", "filestorage:" + source.string(), "--data", (directory_ / "a").string()});
  ASSERT_EQ(imported.exit_code, 0) << imported.error;
  ServerProcess a(options("a"));
  ASSERT_TRUE(a.start()) << a.standard_error();
  ServerProcess b(options("b", standby_of(a)));
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(a) && same_end(a, b); })) << b.standard_error();
  EXPECT_NE(b.standard_error().find("a copy of the database is taken"), std::string::npos);
  EXPECT_EQ(digest(a), digest(b));
}

TEST_F(Copy, GoesOnInTheNextProcess) {
  ServerProcess a(slow_primary(6291456));
  ASSERT_NO_FATAL_FAILURE(start_to_be_copied(a));
  ServerProcess b(options("b", standby_of(a)));
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return bytes_in(directory_ / "b" / "incoming") > (3 << 20); }))
      << b.standard_error();
  b.kill();
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(a) && same_end(a, b); })) << b.standard_error();
  const std::string log = b.standard_error();
  EXPECT_NE(log.find("are here already"), std::string::npos) << log;
  EXPECT_EQ(log.find(" 0 of them are here already"), std::string::npos) << log;
  EXPECT_EQ(digest(a), digest(b));
  EXPECT_FALSE(fs::exists(directory_ / "b" / "incoming"));
}

TEST_F(Copy, ANewStandbyThatIsKilledWhileItForgetsItsEmptyDatabaseGoesOn) {
  import_blobs("a", 3);
  ServerProcess a(options("a"));
  ASSERT_TRUE(a.start()) << a.standard_error();
  for (const char* point : {"join.blobs_released", "forget.records_aside", "forget.format_gone",
                            "forget.before_end", "create.before_format:2", "create.after_format:2",
                            "open.before_records:3", "open.after_records:3"}) {
    ASSERT_NO_FATAL_FAILURE(expect_joins_after(a, point, 3));
  }
}

TEST_F(Copy, ANewStandbyThatIsKilledWhileItInstallsItsCopyGoesOn) {
  import_blobs("a", 3);
  ServerProcess a(options("a"));
  ASSERT_NO_FATAL_FAILURE(start_to_be_copied(a));
  for (const char* point : {"join.blobs_released", "install.begun", "install.after_blobs",
                            "install.before_part", "install.before_part:2", "install.before_part:3",
                            "install.before_end", "install.forgotten"}) {
    ASSERT_NO_FATAL_FAILURE(expect_joins_after(a, point, 3));
  }
}

// Each is sent its copy to the end, whatever the other asks for meanwhile.
TEST_F(Copy, TwoNewStandbysCopyAtTheSameTime) {
  ServerProcess a(slow_primary(4194304));
  ASSERT_NO_FATAL_FAILURE(start_to_be_copied(a));
  CommitLoad load(2, 300);
  load.start(a.port());
  ServerProcess b(options("b", standby_of(a)));
  ServerProcess c(options("c", standby_of(a)));
  ASSERT_TRUE(b.start()) << b.standard_error();
  ASSERT_TRUE(wait_until([&] { return fs::exists(directory_ / "b" / "incoming" / "BEGIN"); }));
  ASSERT_TRUE(c.start()) << c.standard_error();
  ASSERT_TRUE(wait_until([&] { return fs::exists(directory_ / "c" / "incoming" / "BEGIN"); }));
  EXPECT_TRUE(fs::exists(directory_ / "b" / "incoming" / "BEGIN")) << "both at the same time";
  const auto both_stream = [&] {
    const boost::json::object object = status(a);
    const boost::json::value* standbys = object.if_contains("standbys");
    return standbys != nullptr && standbys->as_array().size() == 2 &&
           std::ranges::all_of(standbys->as_array(), [](const boost::json::value& standby) {
             return text_of(standby.as_object(), "state") == "streaming";
           });
  };
  ASSERT_TRUE(wait_until(both_stream, seconds(60))) << b.standard_error() << c.standard_error();
  load.stop();
  load.join();
  load.check(a.port());
  ASSERT_TRUE(wait_until([&] { return same_end(a, b) && same_end(a, c); }));
  EXPECT_EQ(digest(a), digest(b));
  EXPECT_EQ(digest(a), digest(c));
  for (const ServerProcess* standby : {&b, &c}) {
    EXPECT_EQ(standby->standard_error().find("no copy of the database"), std::string::npos);
  }
  ASSERT_TRUE(wait_until([&] { return fs::is_empty(directory_ / "a" / "outgoing"); }))
      << "what they were sent keeps no space";
  EXPECT_FALSE(fs::exists(directory_ / "b" / "incoming"));
}

TEST_F(Copy, ThePrimaryGoesOnCommittingMeanwhileAndTellsHowFarItIs) {
  ServerProcess a(slow_primary(4194304));
  ASSERT_NO_FATAL_FAILURE(start_to_be_copied(a));
  CommitLoad load(2, 300);
  load.start(a.port());
  ServerProcess b(options("b", standby_of(a)));
  ASSERT_TRUE(b.start()) << b.standard_error();
  const auto copying = [&] {
    const boost::json::object object = status(a);
    const boost::json::value* standbys = object.if_contains("standbys");
    if (standbys == nullptr || standbys->as_array().empty()) return std::string();
    const std::string state = text_of(standbys->as_array().front().as_object(), "state");
    return state.starts_with("copying, ") && state != "copying, 0 %" ? state : std::string();
  };
  std::string first;
  ASSERT_TRUE(wait_until([&] { return !(first = copying()).empty(); })) << a.standard_error();
  const std::uint64_t before = load.acknowledged();
  std::string later;
  ASSERT_TRUE(wait_until([&] {
    const std::string now = copying();
    if (!now.empty() && now != first) later = now;
    return !later.empty();
  })) << "progress is told";
  EXPECT_GT(load.acknowledged(), before + 10) << "committed while the copy was being sent";
  ASSERT_TRUE(wait_until([&] { return in_sync(a); }, seconds(60))) << b.standard_error();
  load.stop();
  load.join();
  load.check(a.port());
  ASSERT_TRUE(wait_until([&] { return same_end(a, b); }));
  EXPECT_EQ(digest(a), digest(b));
}

// A pair where the standby stays away until come_back(), and its primary goes on meanwhile.
class StandbyThatWasAway : public Copy {
 protected:
  void SetUp() override {
    pair_ = start_pair();
    ASSERT_TRUE(pair_);
    commit(a(), 300);
    ASSERT_TRUE(wait_until([&] { return same_end(a(), b()); }));
    has_ = text_of(status(b()), "last_tid");
    EXPECT_EQ(b().stop(), 0) << b().standard_error();
    commit(a(), 300);
  }
  [[nodiscard]] ServerProcess& a() const { return *pair_->primary; }
  [[nodiscard]] ServerProcess& b() const { return *pair_->standby; }

  void commit(const ServerProcess& server, std::uint64_t count) {
    load_.start(server.port());
    EXPECT_TRUE(load_.wait_acknowledged(load_.acknowledged() + count));
    load_.stop();
    load_.join();
  }
  void pack(const std::string& before) {
    const ProgramResult packed =
        zeolite({"pack", "--before", before, "--no-gc", "--json", "--at", a().address()});
    ASSERT_EQ(packed.exit_code, 0) << packed.error;
    EXPECT_GT(json_of(packed).at("removed_revisions").to_number<int>(), 100) << packed.out;
  }
  // It comes to have what the primary has, and is a standby like any other.
  void come_back() {
    ASSERT_TRUE(b().start()) << b().standard_error();
    ASSERT_TRUE(wait_until([&] { return in_sync(a()) && same_end(a(), b()); }))
        << a().standard_error() << b().standard_error();
    EXPECT_EQ(digest(a()), digest(b()));
    commit(a(), 100);
    a().kill();
    ASSERT_EQ(zeolite({"promote", "--at", b().address()}).exit_code, 0) << b().standard_error();
    commit(b(), 100);
    EXPECT_EQ(b().stop(), 0) << b().standard_error();
    EXPECT_EQ(verify(directory_ / "b").exit_code, 0);
  }
  [[nodiscard]] bool took_a_copy() const {
    return b().standard_error().find("a copy of the database is taken") != std::string::npos;
  }

  std::optional<ServerPair> pair_;
  CommitLoad load_{4, 300};
  std::string has_;  // the end of the standby's log
};

TEST_F(StandbyThatWasAway, TooLongTakesACopyAndKeepsItsFormerDatabaseAside) {
  const std::string end = text_of(status(a()), "last_tid");
  ASSERT_NO_FATAL_FAILURE(pack(end));
  ASSERT_NO_FATAL_FAILURE(come_back());
  EXPECT_TRUE(took_a_copy()) << "what was committed since is not complete any more";
  std::vector<fs::path> aside;
  for (const fs::path& path : fs::directory_iterator(directory_ / "b")) {
    if (path.filename().string().starts_with("old-")) aside.push_back(path);
  }
  ASSERT_EQ(aside.size(), 1U);
  const ProgramResult kept = verify(aside.front());
  EXPECT_EQ(kept.exit_code, 0) << kept.error;
  EXPECT_NE(b().standard_error().find("have replaced: 1 in " + (directory_ / "b/old-*").string()),
            std::string::npos)
      << b().standard_error();
}

TEST_F(StandbyThatWasAway, StreamsTheRemovalsOfAPackOfWhatItHas) {
  ASSERT_NO_FATAL_FAILURE(pack(has_));
  ASSERT_NO_FATAL_FAILURE(come_back());
  EXPECT_FALSE(took_a_copy());
}

TEST_F(StandbyThatWasAway, ThePrimaryOfAPackThatIsNotUndoneTakesACopy) {
  ASSERT_NO_FATAL_FAILURE(pack(has_));
  a().kill();
  ASSERT_TRUE(b().start()) << b().standard_error();
  ASSERT_EQ(zeolite({"promote", "--force", "--at", b().address()}).exit_code, 0)
      << b().standard_error();
  ServerProcess again(options("a", standby_of(b())));
  ASSERT_TRUE(again.start()) << again.standard_error();
  ASSERT_TRUE(wait_until([&] { return in_sync(b()) && same_end(b(), again); }))
      << again.standard_error();
  EXPECT_NE(again.standard_error().find("a copy of the database is taken"), std::string::npos);
  EXPECT_EQ(digest(b()), digest(again));
  EXPECT_FALSE(fs::is_empty(directory_ / "a" / "divergence")) << "what only it had is kept";
}

}  // namespace
}  // namespace zeolite::testing
