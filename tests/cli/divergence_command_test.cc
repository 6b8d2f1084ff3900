#include "cli/divergence_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cli/fake_server.h"
#include "daemon/divergence_file.h"
#include "storage/memory_object_store.h"
#include "support/temporary_directory.h"

namespace zeolite::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::CaptureStdout;
using ::testing::internal::GetCapturedStderr;
using ::testing::internal::GetCapturedStdout;
using zeolite::testing::TemporaryDirectory;

// A server that keeps current tids, and remembers outcomes. Used on its thread.
class FakeStorage {
 public:
  std::map<Oid, Tid> current;
  std::map<std::uint64_t, Tid> outcomes;  // by number; kNoTid: a tombstone
  int commits_left = 100;                 // after that it hangs up
  std::vector<wire::Commit> committed;

  void answer(FakeServer::Peer& peer, std::uint32_t id, const wire::Message& message) {
    if (std::holds_alternative<wire::Hello>(message)) {
      wire::Welcome welcome = welcome_of(wire::NodeRole::primary);
      welcome.visible.tid = Tid(next_ - 1);
      welcome.body_max = 1 << 20;
      peer.send(welcome, id);
    } else if (const auto* load = std::get_if<wire::Load>(&message)) {
      wire::Loaded loaded;
      const auto found = current.find(load->oid);
      if (found != current.end()) {
        loaded.status = wire::LoadedStatus::found;
        loaded.tid = found->second;
      }
      peer.send(loaded, id);
    } else if (const auto* commit = std::get_if<wire::Commit>(&message)) {
      this->commit(peer, id, *commit);
    }
  }

 private:
  void commit(FakeServer::Peer& peer, std::uint32_t id, const wire::Commit& commit) {
    if (commits_left-- == 0) {
      peer.hang_up();
      return;
    }
    if (const auto known = outcomes.find(commit.number); known != outcomes.end()) {
      if (known->second.is_zero()) {
        peer.send(wire::ErrorReply{Error{ErrorCode::aborted, "given up"}}, id);
      } else {
        peer.send(wire::Committed{known->second, Epoch(3)}, id);
      }
      return;
    }
    for (const wire::WireWrite& write : commit.writes) {
      if (current[write.oid] == write.base) continue;
      peer.send(wire::Conflicted{{{write.oid, current[write.oid], write.base, false}}}, id);
      return;
    }
    const Tid tid(next_++);
    for (const wire::WireWrite& write : commit.writes) current[write.oid] = tid;
    outcomes[commit.number] = tid;
    committed.push_back(commit);
    peer.send(wire::Committed{tid, Epoch(3)}, id);
  }

  std::uint64_t next_ = 0x100;
};

class DivergenceCommandTest : public ::testing::Test {
 protected:
  // The tail: 11 changes object 1, 12 changes it again, 13 makes object 2.
  void SetUp() override {
    add(5, Oid(1), kNoTid);
    const Position ancestor = store_.last_position();
    add(0x11, Oid(1), Tid(5));
    add(0x12, Oid(1), Tid(0x11));
    add(0x13, Oid(2), kNoTid);
    const auto file = daemon::write_divergence_file(store_, directory_.path(), ancestor);
    ASSERT_TRUE(file);
    file_ = *file;
    server_.on_shard([this] { storage_.current[Oid(1)] = Tid(5); });
  }

  void add(std::uint64_t tid, Oid oid, Tid previous) {
    TransactionRecord record;
    record.epoch = Epoch(2);
    record.tid = Tid(tid);
    record.metadata.description = "number " + std::to_string(tid);
    record.writes.push_back({.oid = oid,
                             .previous = previous,
                             .data = Bytes("data " + std::to_string(tid)),
                             .back = kNoTid});
    const std::vector<TransactionRecord> group = {record};
    ASSERT_TRUE(store_.append(group));
  }

  struct Ran {
    ExitCode code;
    std::string out, error;
  };
  Ran run(DivergenceOptions::What what, const std::filesystem::path& path, bool json = false,
          bool dry_run = false) {
    DivergenceOptions options;
    options.what = what;
    options.path = path;
    options.target.at = {server_.address()};
    options.json = json;
    options.dry_run = dry_run;
    CaptureStdout();
    CaptureStderr();
    const ExitCode code = run_divergence(options);
    return {code, GetCapturedStdout(), GetCapturedStderr()};
  }
  Ran show(const std::filesystem::path& path, bool json = false) {
    return run(DivergenceOptions::What::show, path, json);
  }
  Ran replay(bool dry_run = false) {
    return run(DivergenceOptions::What::replay, file_, false, dry_run);
  }

  TemporaryDirectory directory_;
  storage::MemoryObjectStore store_;
  std::filesystem::path file_;
  FakeStorage storage_;
  FakeServer server_{[this](FakeServer::Peer& peer, std::uint32_t id,
                            const wire::Message& message) { storage_.answer(peer, id, message); }};
};

TEST_F(DivergenceCommandTest, ShowsAFileOrAllOfADirectory) {
  const Ran one = show(file_);
  EXPECT_EQ(one.code, ExitCode::done);
  EXPECT_THAT(one.out, HasSubstr("3 transactions"));
  EXPECT_THAT(one.out, HasSubstr("'number 18'"));
  EXPECT_EQ(show(file_.parent_path()).out, one.out);
  EXPECT_THAT(show(file_, true).out, HasSubstr(R"("transactions":3)"));
  std::filesystem::create_directory(directory_ / "none");
  EXPECT_THAT(show(directory_ / "none").out, HasSubstr("no transactions were undone"));
  EXPECT_EQ(show(directory_ / "none", true).out, "{\"files\":[]}\n");
}

TEST_F(DivergenceCommandTest, ShowsTheReignsInTheirOrder) {
  std::filesystem::copy(file_, file_.parent_path() / "10-5-13.zdiv");
  std::ofstream(file_.parent_path() / "3-5-13.zdiv.new") << "unfinished";
  const std::string out = show(file_.parent_path()).out;
  EXPECT_LT(out.find("/2-"), out.find("/10-5-13.zdiv\n"));
  EXPECT_EQ(out.find(".new"), std::string::npos);
}

TEST_F(DivergenceCommandTest, DamageAndWhatIsNotThereHaveTheirExitCodes) {
  const Ran missing = show(directory_ / "missing.zdiv");
  EXPECT_EQ(missing.code, ExitCode::failed);
  EXPECT_THAT(missing.error, HasSubstr("zeolite divergence: there is no file"));
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) - 8);
  for (const Ran& damaged : {show(file_), replay()}) {
    EXPECT_EQ(damaged.code, ExitCode::damage);
    EXPECT_THAT(damaged.error, HasSubstr("group 1: the file ends within it"));
  }
  server_.on_shard([this] { EXPECT_TRUE(storage_.committed.empty()); });
  EXPECT_EQ(run(DivergenceOptions::What::replay, file_.parent_path()).code, ExitCode::failed);
}

TEST_F(DivergenceCommandTest, ReplaysInOrderAndOnlyOnce) {
  const Ran tried = replay(true);
  EXPECT_EQ(tried.code, ExitCode::done);
  EXPECT_THAT(tried.out, HasSubstr("would replay 3 of 3 transactions"));
  server_.on_shard([this] { EXPECT_TRUE(storage_.committed.empty()) << "a dry run"; });
  const Ran first = replay();
  EXPECT_EQ(first.code, ExitCode::done) << first.error;
  EXPECT_THAT(first.out, HasSubstr("0000000000000012  replayed as 0000000000000101\n"));
  server_.on_shard([this] {
    ASSERT_EQ(storage_.committed.size(), 3U);
    EXPECT_EQ(storage_.committed[0].writes[0].data.view(), "data 17");
    EXPECT_EQ(storage_.committed[1].writes[0].base, Tid(0x100));
    EXPECT_EQ(storage_.committed[2].metadata.description, "number 19");
  });
  const Ran second = replay();
  EXPECT_EQ(second.code, ExitCode::done);
  EXPECT_THAT(second.out, HasSubstr("is there already, as 0000000000000101\n"));
  EXPECT_THAT(second.out, HasSubstr("replayed 0 of 3 transactions, 3 were there already"));
  server_.on_shard([this] { EXPECT_EQ(storage_.committed.size(), 3U); });
}

TEST_F(DivergenceCommandTest, AConflictIsLeftOutWithWhatWasBuiltUponIt) {
  server_.on_shard([this] { storage_.current[Oid(1)] = Tid(0x99); });
  for (const bool dry_run : {true, false}) {
    const Ran ran = replay(dry_run);
    EXPECT_EQ(ran.code, ExitCode::failed);
    EXPECT_THAT(ran.out, HasSubstr("0000000000000011  left out: conflict: object 0000000000000001 "
                                   "is at 0000000000000099 now, and it was made from "
                                   "0000000000000005\n"));
    EXPECT_THAT(ran.out, HasSubstr("0000000000000012  left out: object 0000000000000001 was made "
                                   "from transaction 0000000000000011, which is left out\n"));
    EXPECT_THAT(ran.out, HasSubstr(" 1 of 3 transactions, 0 were there already, 2 left out"));
  }
}

TEST_F(DivergenceCommandTest, WhatAClientWasToldIsNotCommittedStaysSo) {
  server_.on_shard([this] { storage_.outcomes[0x13] = kNoTid; });
  const Ran ran = replay();
  EXPECT_EQ(ran.code, ExitCode::failed);
  EXPECT_THAT(ran.out, HasSubstr("0000000000000013  left out: its client was told"));
}

TEST_F(DivergenceCommandTest, WhatIsCutOffGoesOnTheNextTime) {
  server_.on_shard([this] { storage_.commits_left = 1; });
  const Ran cut = replay();
  EXPECT_EQ(cut.code, ExitCode::unreachable);
  EXPECT_THAT(cut.out, HasSubstr("replayed 1 of 1 transactions"));
  EXPECT_THAT(cut.error, HasSubstr("run it again for the rest"));
  server_.on_shard([this] { storage_.commits_left = 100; });
  const Ran rest = replay();
  EXPECT_EQ(rest.code, ExitCode::done);
  EXPECT_THAT(rest.out,
              HasSubstr("replayed 2 of 3 transactions, 1 were there already, 0 left out"));
}

}  // namespace
}  // namespace zeolite::cli
