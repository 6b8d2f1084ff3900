#include "blobs/blob_directory.h"

#include <sys/stat.h>

#include <atomic>
#include <barrier>
#include <thread>

#include "blobs/blob_fixture.h"

namespace zeolite::blobs::testing {
namespace {

using BlobDirectoryTest = BlobFixture;
namespace fs = std::filesystem;

constexpr Oid kOid{0x012a};
constexpr Tid kTid{0x03d1e0f1a2b3c4d5};
constexpr std::string_view kPath =
    "0x00/0x00/0x00/0x00/0x00/0x00/0x01/0x2a/0x03d1e0f1a2b3c4d5.blob";

// --- Opening

TEST_F(BlobDirectoryTest, IsOneThatZodbWouldMake) {
  EXPECT_EQ(read_file(directory_ / "blobs/.layout"), "bushy");
  EXPECT_TRUE(fs::is_directory(directory_ / "blobs/tmp"));
}

TEST_F(BlobDirectoryTest, TakesAnExistingBushyDirectory) {
  fs::create_directories(directory_ / "old" / fs::path(kPath).parent_path());
  write_file(directory_ / "old/.layout", "bushy\n");
  write_file(directory_ / "old" / kPath, "old blob");
  const auto blobs = BlobDirectory::open({.path = directory_ / "old"});
  ASSERT_TRUE(blobs) << blobs.error().to_string();
  EXPECT_TRUE((*blobs)->verify(kOid, kTid, info_of("old blob"), nullptr));
}

TEST_F(BlobDirectoryTest, RefusesAnotherLayout) {
  for (const char* const layout : {"lawn", "zeocache\n", ""}) {
    const fs::path path = directory_ / "other";
    fs::create_directories(path);
    write_file(path / ".layout", layout);
    const auto blobs = BlobDirectory::open({.path = path});
    ASSERT_EQ(code_of(blobs), ErrorCode::invalid_argument) << layout;
    EXPECT_NE(blobs.error().detail.find("bushy"), std::string::npos);
    fs::remove_all(path);
  }
}

TEST_F(BlobDirectoryTest, RefusesADirectoryOfSomethingElse) {
  fs::create_directories(directory_ / "other");
  write_file(directory_ / "other/file", "");
  const auto blobs = BlobDirectory::open({.path = directory_ / "other"});
  ASSERT_EQ(code_of(blobs), ErrorCode::invalid_argument);
  EXPECT_FALSE(fs::exists(directory_ / "other/.layout"));
}

TEST_F(BlobDirectoryTest, OneProcessAtATime) {
  EXPECT_EQ(code_of(BlobDirectory::open({.path = directory_ / "blobs"})), ErrorCode::busy);
  EXPECT_TRUE(BlobDirectory::open({.path = directory_ / "blobs", .read_only = true}));
  blobs_.reset();
  EXPECT_TRUE(BlobDirectory::open({.path = directory_ / "blobs"}));
}

TEST_F(BlobDirectoryTest, BelongsToOneDatabase) {
  Id128 first{}, second{};
  first.fill(1);
  second.fill(2);
  reopen({.cluster_id = first});
  reopen({.cluster_id = first});
  blobs_.reset();
  const auto other = BlobDirectory::open({.path = directory_ / "blobs", .cluster_id = second});
  EXPECT_EQ(code_of(other), ErrorCode::invalid_argument);
}

TEST_F(BlobDirectoryTest, IsNotMadeUnlessWanted) {
  EXPECT_EQ(code_of(BlobDirectory::open({.path = directory_ / "new", .create_if_missing = false})),
            ErrorCode::not_found);
  EXPECT_EQ(code_of(BlobDirectory::open({.path = directory_ / "new", .read_only = true})),
            ErrorCode::not_found);
  EXPECT_FALSE(fs::exists(directory_ / "new"));
}

TEST_F(BlobDirectoryTest, MayBeReachedThroughALink) {
  blobs_.reset();
  fs::create_directory_symlink(directory_ / "blobs", directory_ / "link");
  EXPECT_TRUE(BlobDirectory::open({.path = directory_ / "link"}));
}

TEST_F(BlobDirectoryTest, UnfinishedUploadsAreRemovedAtOpen) {
  blobs_.reset();
  write_file(private_path() / upload_name(41), "half");
  const std::string sealed = format_staged_name({kOid, info_of("x"), 50});
  write_file(private_path() / sealed, "x");
  reopen();
  EXPECT_EQ(waiting(), (std::vector<std::string>{sealed}));
  const auto blob = blobs().stage();
  EXPECT_EQ(parse_upload_name(blob->name()), 51U);
}

// --- Committing

TEST_F(BlobDirectoryTest, AnInstalledBlobIsWhereZodbLooksForIt) {
  commit(kTid, kOid, "content");
  EXPECT_EQ(blobs().path_of(kOid, kTid), directory_ / "blobs" / kPath);
  EXPECT_EQ(read_file(directory_ / "blobs" / kPath), "content");
  struct stat status{};
  ASSERT_EQ(::stat(blobs().path_of(kOid, kTid).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0222U, 0U);
  EXPECT_TRUE(blobs().verify(kOid, kTid, info_of("content"), nullptr));
  EXPECT_EQ(blobs().size_of(kOid, kTid), 7U);
}

TEST_F(BlobDirectoryTest, TheStagedNameStaysUntilTheFinalOneIsDurable) {
  commit(kTid, kOid, "content");
  EXPECT_EQ(waiting().size(), 1U);
  EXPECT_EQ(blobs().unsettled(), 1U);
  ASSERT_TRUE(blobs().settle());
  EXPECT_TRUE(waiting().empty());
  EXPECT_EQ(blobs().unsettled(), 0U);
  EXPECT_EQ(content_of(kOid, kTid), "content");
}

TEST_F(BlobDirectoryTest, SettlesManyAtOnce) {
  for (std::uint64_t i = 0; i < 100; ++i) commit(Tid(i + 1), Oid(i * 1000), std::to_string(i));
  ASSERT_TRUE(blobs().settle());
  EXPECT_TRUE(waiting().empty());
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(content_of(Oid(i * 1000), Tid(i + 1)), std::to_string(i));
  }
}

TEST_F(BlobDirectoryTest, InstallingAgainDoesNoHarm) {
  StagedBlob blob = staged(kOid, "content");
  const std::string name = blob.release();
  EXPECT_TRUE(blobs().install(name, kOid, kTid));
  EXPECT_TRUE(blobs().install(name, kOid, kTid));
  ASSERT_TRUE(blobs().settle());
  EXPECT_TRUE(blobs().install(name, kOid, kTid));
  EXPECT_TRUE(blobs().settle());
  EXPECT_EQ(content_of(kOid, kTid), "content");
}

TEST_F(BlobDirectoryTest, WhatHasTheNameWronglyIsReplaced) {
  fs::create_directories(blobs().path_of(kOid, kTid).parent_path());
  write_file(blobs().path_of(kOid, kTid), "left over");
  commit(kTid, kOid, "content");
  EXPECT_EQ(content_of(kOid, kTid), "content");
  EXPECT_TRUE(blobs().settle());
  EXPECT_TRUE(waiting().empty());
}

TEST_F(BlobDirectoryTest, ABlobThatCannotBeInstalledNowIsReadableAndInstalledLater) {
  // Something is in the way of its directory.
  const fs::path way = directory_ / "blobs/0x00";
  write_file(way, "");
  StagedBlob blob = staged(kOid, "content");
  EXPECT_FALSE(blobs().install(blob.release(), kOid, kTid));
  EXPECT_FALSE(blobs().settle());
  EXPECT_EQ(blobs().unsettled(), 1U);
  fs::remove(way);
  EXPECT_EQ(content_of(kOid, kTid), "content");
  EXPECT_FALSE(fs::exists(blobs().path_of(kOid, kTid)));
  EXPECT_TRUE(blobs().settle());
  EXPECT_EQ(read_file(blobs().path_of(kOid, kTid)), "content");
  EXPECT_EQ(blobs().unsettled(), 0U);
}

TEST_F(BlobDirectoryTest, AStagedFileThatVanishedIsAnError) {
  EXPECT_EQ(code_of(blobs().install(format_staged_name({kOid, info_of("x"), 1}), kOid, kTid)),
            ErrorCode::not_found);
}

// --- Files that clients put there

TEST_F(BlobDirectoryTest, AdoptsAClientsFile) {
  const fs::path object = blobs().path_of(kOid, kTid).parent_path();
  fs::create_directories(object);
  write_file(object / "0x03d1abc.tmp-", "content");
  auto blob = blobs().adopt(kOid, "0x03d1abc.tmp-");
  ASSERT_TRUE(blob) << blob.error().to_string();
  EXPECT_EQ(blob->info(), info_of("content"));
  EXPECT_TRUE(fs::is_empty(object));
  ASSERT_TRUE(blobs().install(blob->release(), kOid, kTid));
  EXPECT_EQ(content_of(kOid, kTid), "content");
}

TEST_F(BlobDirectoryTest, AnAdoptedFileOfAnAbortedTransactionIsGone) {
  const fs::path object = blobs().path_of(kOid, kTid).parent_path();
  fs::create_directories(object);
  write_file(object / "x.tmp", "content");
  ASSERT_TRUE(blobs().adopt(kOid, "x.tmp"));
  EXPECT_TRUE(fs::is_empty(object));
  EXPECT_TRUE(waiting().empty());
}

TEST_F(BlobDirectoryTest, AnAdoptedFileThatNobodyWaitsForIsGone) {
  const fs::path object = blobs().path_of(kOid, kTid).parent_path();
  fs::create_directories(object);
  write_file(object / "x.tmp", "content");
  const std::atomic<bool> abandoned = true;
  EXPECT_EQ(code_of(blobs().adopt(kOid, "x.tmp", &abandoned)), ErrorCode::aborted);
  EXPECT_TRUE(fs::is_empty(object));
  EXPECT_TRUE(waiting().empty());
}

TEST_F(BlobDirectoryTest, NoNameLeadsOutOfTheObjectsDirectory) {
  const fs::path object = blobs().path_of(kOid, kTid).parent_path();
  fs::create_directories(object / "sub.tmp");
  write_file(directory_ / "secret.tmp", "secret");
  write_file(object / "two.tmp", "content");
  fs::create_hard_link(object / "two.tmp", directory_ / "second name");
  fs::create_symlink(directory_ / "secret.tmp", object / "link.tmp");
  for (const char* const name :
       {"", ".", "..", "../../../../../../../../../secret.tmp", "/etc/passwd", "sub.tmp/x.tmp",
        "0x03d1e0f1a2b3c4d5.blob", "link.tmp", "sub.tmp", "two.tmp"}) {
    EXPECT_EQ(code_of(blobs().adopt(kOid, name)), ErrorCode::invalid_argument) << name;
  }
  EXPECT_EQ(code_of(blobs().adopt(kOid, "missing.tmp")), ErrorCode::not_found);
  EXPECT_EQ(code_of(blobs().adopt(Oid(5), "x.tmp")), ErrorCode::not_found);
  EXPECT_EQ(read_file(directory_ / "secret.tmp"), "secret");
  EXPECT_TRUE(waiting().empty());
}

TEST_F(BlobDirectoryTest, ADirectoryReplacedByALinkIsNotFollowed) {
  fs::create_directories(directory_ / "outside");
  fs::create_directories(blobs().path_of(kOid, kTid).parent_path().parent_path());
  fs::create_directory_symlink(directory_ / "outside", blobs().path_of(kOid, kTid).parent_path());
  write_file(directory_ / "outside/x.tmp", "secret");
  write_file(directory_ / "outside" / blob_file_name(kTid), "secret");
  EXPECT_FALSE(blobs().adopt(kOid, "x.tmp"));
  EXPECT_FALSE(blobs().open_for_reading(kOid, kTid));
  StagedBlob blob = staged(kOid, "content");
  EXPECT_FALSE(blobs().install(blob.release(), kOid, kTid));
  EXPECT_EQ(content_of(kOid, kTid).substr(0, 8), "io_error");
  EXPECT_EQ(read_file(directory_ / "outside" / blob_file_name(kTid)), "secret");
}

// --- Undo and import

TEST_F(BlobDirectoryTest, RestagedBlobsShareTheirBytes) {
  commit(kTid, kOid, "content");
  auto again = blobs().restage(kOid, kTid, info_of("content"));
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ(again->info(), info_of("content"));
  ASSERT_TRUE(blobs().install(again->release(), kOid, kTid.next()));
  EXPECT_TRUE(blobs().settle());
  EXPECT_TRUE(fs::equivalent(blobs().path_of(kOid, kTid), blobs().path_of(kOid, kTid.next())));
  EXPECT_EQ(blobs().remove(kOid, kTid), true);
  EXPECT_EQ(content_of(kOid, kTid.next()), "content");
}

TEST_F(BlobDirectoryTest, RestagingNeedsTheRightFile) {
  commit(kTid, kOid, "content");
  EXPECT_EQ(code_of(blobs().restage(kOid, kTid.next(), info_of("content"))), ErrorCode::not_found);
  EXPECT_EQ(code_of(blobs().restage(kOid, kTid, info_of("con"))), ErrorCode::corruption);
}

TEST_F(BlobDirectoryTest, TakesInFilesFromElsewhere) {
  write_file(directory_ / "file", "content");
  auto blob = blobs().take_in(kOid, directory_ / "file", Sync::later);
  ASSERT_TRUE(blob) << blob.error().to_string();
  EXPECT_EQ(blob->info(), info_of("content"));
  ASSERT_TRUE(blobs().sync_staged());
  ASSERT_TRUE(blobs().install(blob->release(), kOid, kTid));
  EXPECT_EQ(content_of(kOid, kTid), "content");
  EXPECT_EQ(read_file(directory_ / "file"), "content");
  EXPECT_EQ(code_of(blobs().take_in(kOid, directory_ / "missing", Sync::now)),
            ErrorCode::not_found);
  EXPECT_FALSE(blobs().take_in(kOid, directory_.path(), Sync::now));
}

TEST_F(BlobDirectoryTest, CopiesFromAnotherFileSystem) {
  // Another one where the tests' directories are in memory.
  const fs::path source = fs::temp_directory_path() / directory_.path().filename();
  const std::string content(3'000'000, 'x');
  write_file(source, content);
  auto blob = blobs().take_in(kOid, source, Sync::now);
  fs::remove(source);
  ASSERT_TRUE(blob) << blob.error().to_string();
  EXPECT_EQ(blob->info(), info_of(content));
}

// --- Reading

TEST_F(BlobDirectoryTest, ReadsInChunks) {
  commit(kTid, kOid, "0123456789");
  const auto file = blobs().open_for_reading(kOid, kTid);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size(), 10U);
  std::string buffer(4, '\0');
  EXPECT_EQ(file->read(4, buffer), 4U);
  EXPECT_EQ(buffer, "4567");
  EXPECT_EQ(file->read(8, buffer), 2U);
  EXPECT_EQ(file->read(10, buffer), 0U);
}

TEST_F(BlobDirectoryTest, AnOpenBlobStaysReadableWhenItIsRemoved) {
  commit(kTid, kOid, "content");
  const auto file = blobs().open_for_reading(kOid, kTid);
  ASSERT_TRUE(blobs().remove(kOid, kTid));
  std::string buffer(7, '\0');
  EXPECT_EQ(file->read(0, buffer), 7U);
  EXPECT_EQ(buffer, "content");
}

TEST_F(BlobDirectoryTest, MissingBlobsAreNotFound) {
  EXPECT_EQ(code_of(blobs().open_for_reading(kOid, kTid)), ErrorCode::not_found);
  EXPECT_EQ(blobs().size_of(kOid, kTid), std::nullopt);
  EXPECT_EQ(code_of(blobs().verify(kOid, kTid, {}, nullptr)), ErrorCode::not_found);
}

TEST_F(BlobDirectoryTest, VerifyFindsDamage) {
  commit(kTid, kOid, "content");
  fs::permissions(blobs().path_of(kOid, kTid), fs::perms::owner_all);
  write_file(blobs().path_of(kOid, kTid), "Content");
  EXPECT_EQ(code_of(blobs().verify(kOid, kTid, info_of("content"), nullptr)),
            ErrorCode::corruption);
  write_file(blobs().path_of(kOid, kTid), "contents and more");
  const auto longer = blobs().verify(kOid, kTid, info_of("content"), nullptr);
  EXPECT_EQ(code_of(longer), ErrorCode::corruption);
  EXPECT_NE(longer.error().detail.find("17 bytes"), std::string::npos) << longer.error().detail;
  const std::atomic<bool> cancelled = true;
  EXPECT_EQ(code_of(blobs().verify(kOid, kTid, info_of("content"), &cancelled)),
            ErrorCode::aborted);
}

TEST_F(BlobDirectoryTest, VerifyBeforeRecoveryFindsWhatRecoveryWillInstall) {
  (void)staged(kOid, "content").release();
  blobs_.reset();
  const auto blobs = BlobDirectory::open({.path = directory_ / "blobs", .read_only = true});
  ASSERT_TRUE(blobs);
  EXPECT_TRUE((*blobs)->verify(kOid, kTid, info_of("content"), nullptr));
  EXPECT_EQ(code_of((*blobs)->verify(kOid, kTid, info_of("other"), nullptr)), ErrorCode::not_found);
  EXPECT_EQ(code_of((*blobs)->verify(kOid.next(), kTid, info_of("content"), nullptr)),
            ErrorCode::not_found);
}

TEST_F(BlobDirectoryTest, WalksInOrderAndPassesOverTheRest) {
  commit(Tid(3), Oid(0x200), "a");
  commit(Tid(5), Oid(0x1FF), "b");
  commit(Tid(7), Oid(0x1FF), "c");
  write_file(blobs().path_of(Oid(0x1FF), Tid(7)).parent_path() / "0x07abc.tmp", "uploading");
  write_file(directory_ / "blobs/tmp/0x01.blob", "");
  fs::create_directories(directory_ / "blobs/0x00/other");
  std::vector<std::pair<Oid, Tid>> found;
  const auto walked = blobs().walk([&](Oid oid, Tid tid) -> Result<> {
    found.emplace_back(oid, tid);
    return {};
  });
  ASSERT_TRUE(walked) << walked.error().to_string();
  EXPECT_EQ(found, (std::vector<std::pair<Oid, Tid>>{
                       {Oid(0x1FF), Tid(5)}, {Oid(0x1FF), Tid(7)}, {Oid(0x200), Tid(3)}}));
  EXPECT_EQ(code_of(blobs().walk([](Oid, Tid) { return make_error(ErrorCode::aborted, ""); })),
            ErrorCode::aborted);
}

// --- Removing

TEST_F(BlobDirectoryTest, RemovingLeavesNoEmptyDirectories) {
  commit(Tid(3), Oid(0x100), "a");
  commit(Tid(4), Oid(0x101), "b");
  EXPECT_EQ(blobs().remove(Oid(0x100), Tid(3)), true);
  EXPECT_EQ(blobs().remove(Oid(0x100), Tid(3)), false);
  EXPECT_FALSE(fs::exists(blobs().path_of(Oid(0x100), Tid(3)).parent_path()));
  EXPECT_EQ(content_of(Oid(0x101), Tid(4)), "b");
  EXPECT_EQ(blobs().remove(Oid(0x101), Tid(4)), true);
  EXPECT_FALSE(fs::exists(directory_ / "blobs/0x00"));
  EXPECT_TRUE(fs::exists(directory_ / "blobs/tmp"));
  // It was not settled before.
  EXPECT_EQ(blobs().unsettled(), 0U);
  EXPECT_TRUE(waiting().empty());
}

TEST_F(BlobDirectoryTest, InstallingBesideRemovingAndSettlingLosesNothing) {
  constexpr std::uint64_t kRounds = 300;
  std::barrier start(3);
  std::atomic<std::uint64_t> installed = 0;
  std::jthread remover([&] {
    start.arrive_and_wait();
    for (std::uint64_t i = 1; i <= kRounds;) {
      if (installed < i) {
        std::this_thread::yield();
        continue;
      }
      if (i % 3 != 0) {
        EXPECT_EQ(blobs().remove(Oid(i % 3), Tid(i)), true);
      }
      ++i;
    }
  });
  std::jthread settler([&] {
    start.arrive_and_wait();
    while (installed < kRounds) EXPECT_TRUE(blobs().settle());
  });
  start.arrive_and_wait();
  for (std::uint64_t i = 1; i <= kRounds; ++i) {
    auto blob = blobs().stage();
    ASSERT_TRUE(blob && blob->append(std::to_string(i)) && blob->seal(Oid(i % 3), Sync::later));
    const auto result = blobs().install(blob->release(), Oid(i % 3), Tid(i));
    EXPECT_TRUE(result) << result.error().to_string();
    installed = i;
  }
  remover.join();
  settler.join();
  EXPECT_TRUE(blobs().settle());
  EXPECT_TRUE(waiting().empty());
  for (std::uint64_t i = 1; i <= kRounds; ++i) {
    EXPECT_EQ(blobs().size_of(Oid(i % 3), Tid(i)).value().has_value(), i % 3 == 0) << i;
  }
}

}  // namespace
}  // namespace zeolite::blobs::testing
