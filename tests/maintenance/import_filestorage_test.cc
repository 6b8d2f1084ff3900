#include "maintenance/import_filestorage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "filestorage/data_fs_builder.h"
#include "filestorage/real_files.h"
#include "maintenance/verify_store.h"
#include "storage/memory_object_store.h"
#include "storage/store_builders.h"
#include "support/temporary_directory.h"

namespace zeolite::maintenance {
namespace {

using filestorage::DataFsBuilder;
using filestorage::FileStorageReader;
using storage::LoadStatus;
using storage::MemoryObjectStore;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Tid kT1{0x03292acfb11228b3};
constexpr Tid kT2{0x03292acfb5c5d63b};
constexpr Tid kT3{0x03292acff56f8c3b};
constexpr Tid kT4{0x03292ad0a1d7dbf7};
constexpr Oid kA{1};
constexpr Oid kB{2};

Result<ImportReport> import(std::string_view bytes, storage::ObjectStore* store,
                            const ImportOptions& options = {}) {
  auto reader = FileStorageReader::from_source(filestorage::make_memory_source(bytes)).value();
  return import_filestorage(reader, store, options);
}

std::string digest_of(const storage::ObjectStore& store) {
  const auto report = verify_store(store, {});
  EXPECT_TRUE(report.has_value());
  EXPECT_THAT(report->problems, ElementsAre());
  return report->digest;
}

// One object's record at one tid, as the file has it; nothing: it is gone.
using Expected = std::map<std::pair<Oid, Tid>, std::optional<std::string>>;

void expect_all(const storage::ObjectStore& store, const Expected& expected) {
  for (const auto& [place, data] : expected) {
    const auto [oid, tid] = place;
    const auto loaded = store.load_serial(oid, tid, kMaxTid);
    ASSERT_TRUE(loaded.has_value());
    EXPECT_EQ(loaded->status, data ? LoadStatus::found : LoadStatus::deleted);
    EXPECT_EQ(loaded->data.view(), data.value_or(""));
    const auto before = store.load_before(oid, tid.next(), kMaxTid, storage::ReadTier::disk);
    ASSERT_TRUE(before.has_value());
    EXPECT_EQ(before->tid, tid);
    EXPECT_EQ(before->data.view(), data.value_or(""));
  }
}

TEST(ImportFilestorage, EveryRecordOfTheDatabaseOf1998ComesBack) {
  const auto path = filestorage::real_file("zope-1998.fs");
  SKIP_WITHOUT_FILE(path);
  MemoryObjectStore store;
  const auto report = import_filestorage(path, &store, {});
  ASSERT_TRUE(report.has_value()) << report.error().detail;
  EXPECT_EQ(report->transactions, 12U);
  EXPECT_EQ(report->records, 90U);
  EXPECT_EQ(report->data_bytes, 74780U);
  EXPECT_THAT(report->warnings, ElementsAre());

  auto reader = FileStorageReader::open(path).value();
  Expected expected;
  while (auto record = reader.next().value()) {
    const auto entry = store.log_entry(record->tid).value();
    ASSERT_TRUE(entry.has_value());
    EXPECT_EQ(entry->metadata, record->metadata);
    for (const ObjectWrite& write : record->writes) {
      expected[{write.oid, record->tid}] = std::string(write.data.view());
    }
  }
  EXPECT_EQ(expected.size(), 90U);
  expect_all(store, expected);
  const auto verified = verify_store(store, {});
  ASSERT_TRUE(verified.has_value());
  EXPECT_THAT(verified->problems, ElementsAre());
  EXPECT_EQ(verified->revisions, 90U);
}

// Undo, undone creation, a status of each kind, an object twice, an empty transaction.
struct Sample {
  Sample() {
    file.begin(kT1, 'p', "user", "first", "ext");
    const auto a = file.data(kA, "a1");
    file.data(kB, "b1");
    file.end();
    file.begin(Tid(kT1.value() + 1), 'u');
    file.data(kA, "undone");
    file.end();
    file.begin(kT2);
    file.data(kA, "a2 first");
    file.data(kA, "a2");
    file.gone(kB);
    file.end();
    second_end = file.size();
    file.begin(kT3);
    file.back(kA, a);
    file.data(kB, "b3");
    file.end();
    file.begin(kT4);
    file.end();
  }

  DataFsBuilder file;
  std::uint64_t second_end = 0;
  const Expected expected = {{{kA, kT1}, "a1"},         {{kB, kT1}, "b1"}, {{kA, kT2}, "a2"},
                             {{kB, kT2}, std::nullopt}, {{kA, kT3}, "a1"}, {{kB, kT3}, "b3"}};
};

TEST(ImportFilestorage, OddRecordsComeBackAsZodbReadsThem) {
  Sample sample;
  MemoryObjectStore store;
  const auto report = import(sample.file.bytes(), &store);
  ASSERT_TRUE(report.has_value()) << report.error().detail;
  EXPECT_EQ(report->transactions, 4U);
  EXPECT_EQ(report->records, 6U);
  EXPECT_EQ(report->undone_transactions, 1U);
  EXPECT_EQ(report->repeated_records, 1U);
  EXPECT_EQ(report->last_tid, kT4);
  EXPECT_EQ(report->warnings.size(), 2U);
  expect_all(store, sample.expected);
  EXPECT_EQ(store.log_entry(kT1).value()->status, 'p');
  EXPECT_EQ(store.last_transaction(), kT4);
}

TEST(ImportFilestorage, ResultDoesNotDependOnTheGroups) {
  Sample sample;
  MemoryObjectStore one_group;
  MemoryObjectStore many_groups;
  ASSERT_TRUE(import(sample.file.bytes(), &one_group).has_value());
  ASSERT_TRUE(import(sample.file.bytes(), &many_groups, {.group_bytes = 1}).has_value());
  EXPECT_EQ(one_group.last_position(), many_groups.last_position());
  EXPECT_EQ(digest_of(one_group), digest_of(many_groups));
}

TEST(ImportFilestorage, WritesNoEpochRecord) {
  Sample sample;
  MemoryObjectStore store;
  ASSERT_TRUE(import(sample.file.bytes(), &store).has_value());
  const auto log = store.read_log(kNoTid, kMaxTid, {}).value();
  ASSERT_EQ(log.size(), 4U);
  for (const LogEntry& entry : log) {
    EXPECT_EQ(entry.kind, RecordKind::transaction);
    EXPECT_EQ(entry.position.epoch, Epoch(1));
    EXPECT_TRUE(entry.commit_id.empty());
  }
}

TEST(ImportFilestorage, DryRunReadsAndWritesNothing) {
  Sample sample;
  MemoryObjectStore store;
  const auto with_store = import(sample.file.bytes(), &store, {.dry_run = true});
  const auto without = import(sample.file.bytes(), nullptr, {.dry_run = true});
  ASSERT_TRUE(with_store.has_value());
  ASSERT_TRUE(without.has_value());
  EXPECT_EQ(with_store->transactions, 4U);
  EXPECT_EQ(without->records, 6U);
  EXPECT_TRUE(store.last_position().tid.is_zero());
}

TEST(ImportFilestorage, StoreThatIsNotEmptyIsRefused) {
  Sample sample;
  MemoryObjectStore store;
  ASSERT_TRUE(import(sample.file.bytes(), &store).has_value());
  const auto again = import(sample.file.bytes(), &store);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, ErrorCode::conflict);
}

TEST(ImportFilestorage, ServersOwnRecordsAreNoTransactions) {
  // As a server writes it into a fresh database; the file is newer.
  TransactionRecord epoch;
  epoch.kind = RecordKind::epoch;
  epoch.epoch = Epoch(1);
  epoch.tid = Tid(1);
  Sample sample;
  MemoryObjectStore store;
  ASSERT_TRUE(store.append({&epoch, 1}).has_value());
  const auto report = import(sample.file.bytes(), &store);
  ASSERT_TRUE(report.has_value()) << report.error().detail;
  EXPECT_EQ(report->transactions, 4U);
  expect_all(store, sample.expected);

  epoch.tid = Tid(kT1.value() + 1);
  MemoryObjectStore newer;
  ASSERT_TRUE(newer.append({&epoch, 1}).has_value());
  const auto refused = import(sample.file.bytes(), &newer);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::conflict);
}

TEST(ImportFilestorage, TruncatedTailIsAWarning) {
  Sample sample;
  const std::string cut = sample.file.bytes().substr(0, sample.file.size() - 40);
  MemoryObjectStore store;
  const auto report = import(cut, &store);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->transactions, 3U - 1U);
  ASSERT_TRUE(report->tail.has_value());
  EXPECT_THAT(report->warnings, ::testing::Contains(HasSubstr("unfinished transaction")));
}

TEST(ImportFilestorage, DamageKeepsWhatCameBeforeAndSaysSo) {
  Sample sample;
  sample.file.bytes()[sample.second_end + 16] = 'x';
  MemoryObjectStore store;
  const auto report = import(sample.file.bytes(), &store);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::corruption);
  EXPECT_THAT(report.error().detail,
              HasSubstr("at byte " + std::to_string(sample.second_end + 16)));
  EXPECT_THAT(report.error().detail, HasSubstr("2 transactions were imported"));
  EXPECT_THAT(report.error().detail, HasSubstr(to_hex(kT2)));
  EXPECT_EQ(store.last_transaction(), kT2);
}

TEST(ImportFilestorage, BackPointerToNoRecordIsDamage) {
  // Within the data of a record of a real transaction, what looks like an earlier record of A.
  DataFsBuilder file;
  const auto transaction = file.begin(kT1);
  std::string lure;
  put_oid(lure, kA);
  put_tid(lure, kT1);
  put_u64(lure, 0);
  put_u64(lure, transaction);
  put_u16(lure, 0);
  put_u64(lure, 3);
  lure += "lie";
  const auto at = file.data(kB, lure);
  file.end();
  file.begin(kT2);
  file.back(kA, at + filestorage::kRecordHeaderBytes);
  file.end();
  MemoryObjectStore store;
  const auto report = import(file.bytes(), &store);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::corruption);
  EXPECT_THAT(report.error().detail, HasSubstr("which has no data of it"));
}

TEST(ImportFilestorage, IncrementalGoesOnWhereTheStoreEnds) {
  Sample sample;
  MemoryObjectStore store;
  ASSERT_TRUE(import(sample.file.bytes().substr(0, sample.second_end), &store).has_value());
  const auto report = import(sample.file.bytes(), &store, {.incremental = true});
  ASSERT_TRUE(report.has_value()) << report.error().detail;
  EXPECT_EQ(report->compared_transactions, 2U);
  EXPECT_EQ(report->transactions, 2U);
  expect_all(store, sample.expected);
  MemoryObjectStore at_once;
  ASSERT_TRUE(import(sample.file.bytes(), &at_once).has_value());
  EXPECT_EQ(digest_of(store), digest_of(at_once));
}

// What comes next may refer to what the pack removed.
TEST(ImportFilestorage, IncrementalRefusesToGoOnBehindAPack) {
  Sample sample;
  MemoryObjectStore store;
  const std::string begin = sample.file.bytes().substr(0, sample.second_end);
  ASSERT_TRUE(import(begin, &store).has_value());
  const Position end = store.last_position();
  const TransactionRecord packed =
      storage::testing::record(end.tid.next().value(), RecordKind::pack)
          .epoch(end.epoch.value())
          .pack(end.tid.value());
  ASSERT_TRUE(store.append({&packed, 1}).has_value());
  const auto report = import(sample.file.bytes(), &store, {.incremental = true});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::conflict);
  EXPECT_THAT(report.error().detail, HasSubstr("the store was packed"));
  EXPECT_EQ(store.last_position().tid, packed.tid);
  const auto nothing_new = import(begin, &store, {.incremental = true});
  EXPECT_TRUE(nothing_new.has_value()) << nothing_new.error().detail;
}

TEST(ImportFilestorage, IncrementalWithNothingNewChangesNothing) {
  Sample sample;
  MemoryObjectStore store;
  ASSERT_TRUE(import(sample.file.bytes(), &store, {.incremental = true}).has_value());
  const Position before = store.last_position();
  const auto report = import(sample.file.bytes(), &store, {.incremental = true});
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->transactions, 0U);
  EXPECT_EQ(report->compared_transactions, 4U);
  EXPECT_EQ(store.last_position(), before);
}

TEST(ImportFilestorage, IncrementalRefusesAStoreThatDiffers) {
  const auto file_of = [](std::string_view data, std::string_view description, Tid second) {
    DataFsBuilder file;
    file.begin(kT1, ' ', "user", description);
    file.data(kA, data);
    file.end();
    file.commit(second, kB, "b");
    return file.bytes();
  };
  const std::string base = file_of("data", "text", kT2);
  const std::map<std::string, std::string> others = {
      {"the data of its objects", file_of("dato", "text", kT2)},
      {"its objects", file_of("longer", "text", kT2)},
      {"its description", file_of("data", "tixt", kT2)},
      {"which the file does not have", file_of("data", "text", kT3)},
      {"is missing in the store", file_of("data", "text", Tid(kT1.value() + 1))}};
  for (const auto& [says, other] : others) {
    MemoryObjectStore store;
    ASSERT_TRUE(import(base, &store).has_value());
    const Position before = store.last_position();
    const auto report = import(other, &store, {.incremental = true});
    ASSERT_FALSE(report.has_value()) << says;
    EXPECT_EQ(report.error().code, ErrorCode::conflict);
    EXPECT_THAT(report.error().detail, HasSubstr(says));
    EXPECT_EQ(store.last_position(), before);
  }
}

TEST(ImportFilestorage, IncrementalRefusesAFileShorterThanTheStore) {
  Sample sample;
  MemoryObjectStore store;
  ASSERT_TRUE(import(sample.file.bytes(), &store).has_value());
  const auto report =
      import(sample.file.bytes().substr(0, sample.second_end), &store, {.incremental = true});
  ASSERT_FALSE(report.has_value());
  EXPECT_THAT(report.error().detail, HasSubstr("which the file does not have"));
}

TEST(ImportFilestorage, IncrementalRefusesTransactionsOlderThanTheServersRecords) {
  Sample sample;
  MemoryObjectStore store;
  ASSERT_TRUE(import(sample.file.bytes().substr(0, sample.second_end), &store).has_value());
  TransactionRecord epoch;
  epoch.kind = RecordKind::epoch;
  epoch.epoch = Epoch(2);
  epoch.tid = Tid(kT4.value() + 1);
  ASSERT_TRUE(store.append({&epoch, 1}).has_value());
  const auto report = import(sample.file.bytes(), &store, {.incremental = true});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::conflict);
  EXPECT_THAT(report.error().detail, HasSubstr("the store was served in between"));
}

TEST(ImportFilestorage, OidsInAnyOrderGetTheirPreviousTids) {
  DataFsBuilder file;
  std::map<Oid, Tid> newest;
  std::map<std::pair<Oid, Tid>, Tid> expected;
  for (std::uint64_t i = 1; i <= 200; ++i) {
    const Tid tid(kT1.value() + i);
    file.begin(tid);
    for (std::uint64_t j = 0; j < 5; ++j) {
      const Oid oid((i * 7919 + j * 104'729) % 1009 * (j + 1));
      if (expected.contains({oid, tid})) continue;
      file.data(oid, "data");
      expected[{oid, tid}] = std::exchange(newest[oid], tid);
    }
    file.end();
  }
  for (const std::size_t group_bytes : {std::size_t{1}, std::size_t{3000}, std::size_t{1} << 20}) {
    MemoryObjectStore store;
    ASSERT_TRUE(import(file.bytes(), &store, {.group_bytes = group_bytes}).has_value());
    const auto log = store.read_log(kNoTid, kMaxTid, {}).value();
    ASSERT_EQ(log.size(), 200U);
    for (const LogEntry& entry : log) {
      for (const ObjectSummary& object : entry.objects) {
        EXPECT_EQ(object.previous, (expected[{object.oid, entry.position.tid}]));
      }
    }
    digest_of(store);
  }
}

TEST(ImportFilestorage, IncrementalGoesOnAfterEveryPrefix) {
  Sample sample;
  MemoryObjectStore at_once;
  ASSERT_TRUE(import(sample.file.bytes(), &at_once).has_value());
  const std::string expected = digest_of(at_once);
  for (std::size_t bytes = filestorage::kMagicBytes; bytes <= sample.file.size(); ++bytes) {
    MemoryObjectStore store;
    ASSERT_TRUE(import(sample.file.bytes().substr(0, bytes), &store).has_value()) << bytes;
    const auto report = import(sample.file.bytes(), &store, {.incremental = true});
    ASSERT_TRUE(report.has_value()) << bytes << ": " << report.error().detail;
    EXPECT_EQ(report->transactions + report->compared_transactions, 4U);
    EXPECT_EQ(digest_of(store), expected) << bytes;
  }
}

TEST(ImportFilestorage, IncrementalRefusesAnUndoThatNamedAnother) {
  // The data is the same, and so is the revision that has it.
  const auto file_of = [](bool by_way_of_the_undo) {
    DataFsBuilder file;
    const auto one = file.commit(kT1, kA, "one");
    file.begin(kT2);
    const auto two = file.back(kA, one);
    file.end();
    file.begin(kT3);
    file.back(kA, by_way_of_the_undo ? two : one);
    file.end();
    return file.bytes();
  };
  MemoryObjectStore store;
  ASSERT_TRUE(import(file_of(true), &store).has_value());
  const auto report = import(file_of(false), &store, {.incremental = true});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::conflict);
  EXPECT_THAT(report.error().detail, HasSubstr(to_hex(kT3)));
}

TEST(ImportFilestorage, BadSourcesAreToldBeforeAStoreIsMade) {
  const zeolite::testing::TemporaryDirectory directory;
  const auto check = [&](std::string_view bytes) {
    std::ofstream(directory / "Data.fs", std::ios::binary) << bytes;
    return check_importable(directory / "Data.fs");
  };
  EXPECT_EQ(check_importable(directory / "other.fs").error().code, ErrorCode::not_found);
  EXPECT_EQ(check("not a database").error().code, ErrorCode::invalid_argument);
  Sample sample;
  EXPECT_TRUE(check(sample.file.bytes()).has_value());
  EXPECT_TRUE(check("FS30").has_value());
  sample.file.bytes()[filestorage::kMagicBytes + 16] = 'x';
  EXPECT_EQ(check(sample.file.bytes()).error().code, ErrorCode::corruption);
}

TEST(ImportFilestorage, CancelledImportCanBeContinued) {
  Sample sample;
  MemoryObjectStore store;
  std::atomic<bool> cancelled = true;
  const auto stopped = import(sample.file.bytes(), &store, {.cancelled = &cancelled});
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::aborted);
  cancelled = false;
  ASSERT_TRUE(import(sample.file.bytes(), &store, {.incremental = true, .cancelled = &cancelled}));
  expect_all(store, sample.expected);
}

TEST(ImportFilestorage, FullDiskStopsAndCanBeContinued) {
  Sample sample;
  MemoryObjectStore store;
  store.set_out_of_space(true);
  const auto stopped = import(sample.file.bytes(), &store);
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::out_of_space);
  EXPECT_THAT(stopped.error().detail, HasSubstr("0 transactions were imported"));
  store.set_out_of_space(false);
  ASSERT_TRUE(import(sample.file.bytes(), &store, {.incremental = true}).has_value());
  expect_all(store, sample.expected);
}

TEST(ImportFilestorage, ProgressEndsWithTheWholeFile) {
  DataFsBuilder file;
  for (std::uint64_t tid = 1; tid <= 50; ++tid) {
    file.commit(Tid(tid), kA, std::string(100'000, 'x'));
  }
  std::vector<ImportProgress> told;
  MemoryObjectStore store;
  ImportOptions options;
  options.progress = [&](const ImportProgress& progress) { told.push_back(progress); };
  ASSERT_TRUE(import(file.bytes(), &store, options).has_value());
  ASSERT_GE(told.size(), 4U);
  ASSERT_LE(told.size(), 6U);
  EXPECT_EQ(told.back().bytes_done, file.size());
  EXPECT_EQ(told.back().bytes_total, file.size());
  EXPECT_EQ(told.back().transactions, 50U);
}

}  // namespace
}  // namespace zeolite::maintenance
