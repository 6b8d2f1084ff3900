#include "history/undo_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "storage/memory_object_store.h"
#include "storage/store_builders.h"

namespace zeolite::history {
namespace {

using storage::testing::record;
using storage::testing::RecordBuilder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class UndoPlannerTest : public testing::Test {
 protected:
  void append(const TransactionRecord& transaction) {
    ASSERT_TRUE(store_.append({&transaction, 1}).has_value());
  }
  void pack(std::uint64_t tid, std::uint64_t horizon) {
    TransactionRecord packed = record(tid, RecordKind::pack);
    packed.pack_horizon = Tid(horizon);
    append(packed);
  }

  Result<UndoPlan> try_plan(std::vector<std::uint64_t> numbers,
                            std::optional<Tid> line = std::nullopt) const {
    std::vector<Tid> tids;
    for (const std::uint64_t number : numbers) tids.emplace_back(number);
    // A step at a time.
    UndoPlanner planner(store_, line.value_or(store_.last_position().tid), tids);
    while (true) {
      ASSIGN_OR_RETURN(std::optional<UndoPlan> plan, planner.advance(1));
      if (plan) return *std::move(plan);
    }
  }
  UndoPlan plan(std::vector<std::uint64_t> numbers, std::optional<Tid> line = std::nullopt) const {
    Result<UndoPlan> made = try_plan(std::move(numbers), line);
    EXPECT_TRUE(made) << made.error().to_string();
    return made.value_or(UndoPlan{});
  }
  // "oid on base: back to tid" for each write, "oid: reason" for each failure.
  static std::vector<std::string> text(const UndoPlan& made) {
    std::vector<std::string> lines;
    for (const UndoWrite& write : made.writes) {
      const std::string name =
          std::to_string(write.oid.value()) + " on " + std::to_string(write.base.value());
      lines.push_back(write.kind == RevisionKind::deletion
                          ? name + ": gone"
                          : name + ": back to " + std::to_string(write.back.value()));
    }
    for (const UndoFailure& failure : made.failures) {
      lines.push_back(std::to_string(failure.oid.value()) + ": " + failure.reason);
    }
    return lines;
  }
  std::vector<std::string> plan_text(std::vector<std::uint64_t> numbers,
                                     std::optional<Tid> line = std::nullopt) const {
    return text(plan(std::move(numbers), line));
  }
  Error error_of(std::vector<std::uint64_t> numbers, std::optional<Tid> line = std::nullopt) const {
    const Result<UndoPlan> made = try_plan(std::move(numbers), line);
    EXPECT_FALSE(made.has_value());
    return made ? Error{} : made.error();
  }

  storage::MemoryObjectStore store_;
};

constexpr const char* kModified = "1: Some data were modified by a later transaction";

TEST_F(UndoPlannerTest, CurrentRevisionGoesBackToTheOneBefore) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  EXPECT_THAT(plan_text({20}), ElementsAre("1 on 20: back to 10"));
  EXPECT_EQ(plan({20}).oldest, Tid(20));
}

TEST_F(UndoPlannerTest, CreationBecomesDeletion) {
  append(record(10).data(1, "a").data(2, "x"));
  EXPECT_THAT(plan_text({10}), ElementsAre("1 on 10: gone", "2 on 10: gone"));
}

TEST_F(UndoPlannerTest, DeletionBecomesWhatWasThere) {
  append(record(10).data(1, "a"));
  append(record(20).deletion(1, 10));
  EXPECT_THAT(plan_text({20}), ElementsAre("1 on 20: back to 10"));
}

TEST_F(UndoPlannerTest, CreationAfterDeletionBecomesDeletionAgain) {
  append(record(10).data(1, "a"));
  append(record(20).deletion(1, 10));
  append(record(30).data(1, "b"));
  EXPECT_THAT(plan_text({30}), ElementsAre("1 on 30: gone"));
}

TEST_F(UndoPlannerTest, LaterChangeIsAFailure) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  append(record(30).data(1, "c", 20));
  EXPECT_THAT(plan_text({20}), ElementsAre(kModified));
}

TEST_F(UndoPlannerTest, CreationThatWasChangedIsAFailure) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  EXPECT_THAT(plan_text({10}), ElementsAre("1: Can't undo an add transaction followed by "
                                           "conflicting transactions."));
}

TEST_F(UndoPlannerTest, EqualBytesAreTheSameState) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  append(record(30).data(1, "c", 20));
  append(record(40).data(1, "b", 30));
  EXPECT_THAT(plan_text({20}), ElementsAre("1 on 40: back to 10"));
}

TEST_F(UndoPlannerTest, EqualSizesAloneAreNot) {
  append(record(10).data(1, "aa"));
  append(record(20).data(1, "bb", 10));
  append(record(30).data(1, "cc", 20));
  EXPECT_THAT(plan_text({20}), ElementsAre(kModified));
}

TEST_F(UndoPlannerTest, CurrentBackPointerToTheUndoneRevisionIsTheSameState) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  append(record(30).data(1, "c", 20));
  append(record(40).back(1, 20, 30));
  EXPECT_THAT(plan_text({20}), ElementsAre("1 on 40: back to 10"));
}

TEST_F(UndoPlannerTest, UndoCanBeUndone) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  append(record(30).back(1, 10, 20));
  EXPECT_THAT(plan_text({30}), ElementsAre("1 on 30: back to 20"));
  append(record(40).back(1, 20, 30));
  // To what 30 had: its data is 10's.
  EXPECT_THAT(plan_text({40}), ElementsAre("1 on 40: back to 10"));
  EXPECT_THAT(plan_text({20}), ElementsAre("1 on 40: back to 10"));
}

TEST_F(UndoPlannerTest, UndoneCreationComesBackAndGoesAgain) {
  append(record(10).data(1, "a"));
  append(record(20).deletion(1, 10));
  EXPECT_THAT(plan_text({20}), ElementsAre("1 on 20: back to 10"));
  append(record(30).back(1, 10));
  EXPECT_THAT(plan_text({30}), ElementsAre("1 on 30: gone"));
  EXPECT_THAT(plan_text({10}), ElementsAre("1 on 30: gone"));
  EXPECT_THAT(plan_text({20, 10}), ElementsAre("1: _loadBack() failed"));
}

TEST_F(UndoPlannerTest, TheLaterOfTwoDeletionsStands) {
  append(record(10).data(1, "a"));
  append(record(20).deletion(1, 10));
  append(record(30).deletion(1));
  EXPECT_THAT(plan_text({30}), ElementsAre("1 on 30: gone"));
  EXPECT_THAT(plan_text({20}), ElementsAre("1: _loadBack() failed"));
  EXPECT_THAT(plan_text({20, 10}), ElementsAre("1: _loadBack() failed"));
  EXPECT_THAT(plan_text({30, 20, 10}), ElementsAre("1 on 30: gone"));
}

TEST_F(UndoPlannerTest, ADeletionThatAnUndoWentBackToIsUndone) {
  append(record(10).data(1, "a"));
  append(record(20).deletion(1, 10));
  append(record(30).data(1, "b"));
  TransactionRecord undo = record(40).deletion(1, 30);
  undo.writes[0].via = Tid(20);
  append(undo);
  EXPECT_THAT(plan_text({20}), ElementsAre("1 on 40: back to 10"));
  append(record(50).deletion(1));
  EXPECT_THAT(plan_text({20}), ElementsAre("1: _loadBack() failed"));
}

TEST_F(UndoPlannerTest, ChangeOfWhatIsGoneNowIsAFailure) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  append(record(30).deletion(1, 20));
  EXPECT_THAT(plan_text({20}), ElementsAre("1: _loadBack() failed"));
}

TEST_F(UndoPlannerTest, DeletionOfWhatIsThereAgainIsAFailure) {
  append(record(10).data(1, "a"));
  append(record(20).deletion(1, 10));
  append(record(30).data(1, "b"));
  EXPECT_THAT(plan_text({20}), ElementsAre("1: _loadBack() failed"));
}

TEST_F(UndoPlannerTest, SeveralInOneGoNewestFirst) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  append(record(30).data(1, "c", 20).data(2, "x"));
  append(record(40).data(1, "d", 30));
  EXPECT_THAT(plan_text({40, 30, 20}), ElementsAre("1 on 40: back to 10", "2 on 30: gone"));
  EXPECT_EQ(plan({40, 30, 20}).oldest, Tid(20));
  EXPECT_THAT(plan_text({40, 30, 20, 10}), ElementsAre("1 on 40: gone", "2 on 30: gone"));
}

TEST_F(UndoPlannerTest, SeveralInTheWrongOrderFail) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  append(record(30).data(1, "c", 20));
  EXPECT_THAT(plan_text({20, 30}), ElementsAre(kModified));
  EXPECT_THAT(plan_text({30, 30}), ElementsAre(kModified));
}

TEST_F(UndoPlannerTest, FailuresOfOneTransactionAreCollected) {
  append(record(10).data(1, "a").data(2, "x").data(3, "p"));
  append(record(20).data(1, "b", 10).data(2, "y", 10).data(3, "q", 10));
  append(record(30).data(1, "c", 20).data(3, "r", 20));
  const UndoPlan made = plan({20});
  EXPECT_THAT(made.writes, IsEmpty());
  EXPECT_THAT(text(made),
              ElementsAre(kModified, "3: Some data were modified by a later transaction"));
}

TEST_F(UndoPlannerTest, NamesTheRevisionBeforeWhenItRepeatsAnother) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  append(record(30).back(1, 10, 20));
  append(record(40).data(1, "c", 30));
  append(record(50).deletion(1, 40));
  append(record(60).data(1, "d"));
  EXPECT_EQ(plan({60}).writes.at(0).via, Tid(50));
  EXPECT_EQ(plan({60, 50}).writes.at(0).via, kNoTid);
  EXPECT_EQ(plan({60, 50, 40}).writes.at(0).via, Tid(30));
  EXPECT_EQ(plan({60, 50, 40}).writes.at(0).back, Tid(10));
  EXPECT_EQ(plan({60, 50, 40, 30}).writes.at(0).via, kNoTid);
}

TEST_F(UndoPlannerTest, BlobIsThatOfTheRevisionGoneBackTo) {
  TransactionRecord with_blob = record(10).data(1, "blob");
  with_blob.writes[0].blob = BlobInfo{77, ChainHash{1, 2, 3}};
  append(with_blob);
  append(record(20).data(1, "b", 10));
  append(record(30).data(1, "c", 20));
  EXPECT_EQ(plan({30, 20}).writes.at(0).blob, with_blob.writes[0].blob);
  EXPECT_EQ(plan({30}).writes.at(0).blob, std::nullopt);
}

TEST_F(UndoPlannerTest, WhatIsAboveTheLineIsNotThere) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  append(record(30).data(1, "c", 20));
  EXPECT_THAT(plan_text({20}, Tid(25)), ElementsAre("1 on 20: back to 10"));
  EXPECT_EQ(error_of({30}, Tid(25)).code, ErrorCode::not_found);
}

TEST_F(UndoPlannerTest, UnknownTransactionIsNamed) {
  append(record(10).data(1, "a"));
  append(record(15, RecordKind::epoch));
  EXPECT_EQ(error_of({11}).code, ErrorCode::not_found);
  EXPECT_THAT(error_of({11}).detail, HasSubstr("no transaction 000000000000000b"));
  EXPECT_THAT(error_of({15}).detail, HasSubstr("no transaction 000000000000000f"));
}

TEST_F(UndoPlannerTest, PackedTransactionIsNamed) {
  append(record(10).data(1, "a"));
  append(record(20).data(1, "b", 10));
  pack(30, 10);
  EXPECT_EQ(error_of({10}).code, ErrorCode::not_found);
  EXPECT_THAT(error_of({10}).detail, HasSubstr("000000000000000a was packed away"));
  EXPECT_THAT(plan_text({20}), ElementsAre("1 on 20: back to 10"));
}

TEST_F(UndoPlannerTest, TransactionOfAnotherStatusIsNamed) {
  TransactionRecord packed = record(10).data(1, "a");
  packed.status = 'p';
  append(packed);
  EXPECT_EQ(error_of({10}).code, ErrorCode::invalid_argument);
  EXPECT_THAT(error_of({10}).detail, HasSubstr("000000000000000a: its status is 'p'"));
}

TEST_F(UndoPlannerTest, RevisionBeforeThatIsGoneIsAFailureNotADeletion) {
  append(record(10).data(1, "a"));
  append(record(15).data(2, "x"));
  append(record(20).data(1, "b", 10));
  pack(30, 15);
  append(storage::testing::removal(31, 30, {{Oid(1), Tid(10)}}));
  EXPECT_THAT(plan_text({20}),
              ElementsAre("1: its revision of transaction 000000000000000a was packed away"));
}

// Whatever was committed and undone before: a plan that succeeds gives every object the state it
// had before the undone transaction, and all others keep theirs.
TEST_F(UndoPlannerTest, UndoRestoresTheStateBefore) {
  std::mt19937_64 random(7);
  constexpr std::uint64_t kOids = 5;
  // By transaction number: the states of all objects after it.
  std::vector<std::vector<std::string>> states{std::vector<std::string>(kOids)};
  std::size_t succeeded = 0;
  for (std::uint64_t tid = 1; tid <= 600; ++tid) {
    std::vector<std::string> state = states.back();
    TransactionRecord next = record(tid);
    if (random() % 2 == 0 && tid > 1) {
      const std::uint64_t undone = tid - 1 - random() % std::min<std::uint64_t>(tid - 1, 4);
      const UndoPlan made = plan({undone});
      ASSERT_EQ(made.writes.empty() && made.failures.empty(),
                store_.log_entry(Tid(undone)).value()->objects.empty());
      if (made.failures.empty()) ++succeeded;
      for (const UndoWrite& write : made.writes) {
        const Tid before = store_.current_tids(std::vector{write.oid}, kMaxTid).value().front();
        next.writes.push_back({write.oid, before, write.kind, Bytes(), write.back});
        const std::size_t oid = write.oid.value();
        ASSERT_EQ(state[oid], states[undone][oid]) << "at " << tid;
        state[oid] = states[undone - 1][oid];
      }
    } else {
      for (std::uint64_t oid = 0; oid < kOids; ++oid) {
        if (random() % 3 != 0) continue;
        const bool gone = random() % 4 == 0;
        const Tid base = store_.current_tids(std::vector<Oid>{Oid(oid)}, kMaxTid).value().front();
        if (gone && base.is_zero()) continue;
        state[oid] = gone ? "" : std::string(1, static_cast<char>('a' + random() % 3));
        next.writes.push_back({Oid(oid), base, gone ? RevisionKind::deletion : RevisionKind::data,
                               Bytes(state[oid]), kNoTid});
      }
    }
    append(next);
    for (std::uint64_t oid = 0; oid < kOids; ++oid) {
      const auto loaded =
          store_.load_before(Oid(oid), kMaxTid, kMaxTid, storage::ReadTier::disk).value();
      ASSERT_EQ(loaded.data.view(), state[oid]) << "object " << oid << " at " << tid;
    }
    states.push_back(std::move(state));
  }
  EXPECT_GT(succeeded, 100U);
}

TEST_F(UndoPlannerTest, BlobsAreFoundAmongManyThatOneTransactionMade) {
  constexpr std::uint64_t kObjects = 1000;
  RecordBuilder made = record(1);
  RecordBuilder changed = record(2);
  for (std::uint64_t oid = 1; oid <= kObjects; ++oid) {
    made.data(oid, "a");
    changed.data(oid, "b", 1);
  }
  TransactionRecord first = made;
  first.writes[6].blob = BlobInfo{.size = 5, .hash = {}};
  append(first);
  append(changed);
  const UndoPlan made_plan = plan({2});
  ASSERT_EQ(made_plan.writes.size(), kObjects);
  for (const UndoWrite& write : made_plan.writes) {
    EXPECT_EQ(write.back, Tid(1));
    EXPECT_EQ(write.blob.has_value(), write.oid == Oid(7));
  }
}

}  // namespace
}  // namespace zeolite::history
