#include "blobs/undone_blobs.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>

#include "blobs/blob_fixture.h"

namespace zeolite::blobs::testing {
namespace {

// Blobs of object 1 at tid 1, which others have, and of two objects at 2 and 3, which are undone.
class UndoneBlobsTest : public BlobFixture {
 protected:
  UndoneBlobsTest() {
    commit(Tid(1), Oid(1), "common");
    common_ = store_.last_position();
    commit(Tid(2), Oid(1), "lost");
    commit(Tid(3), Oid(2), "lost too");
  }
  [[nodiscard]] std::filesystem::path folder() const { return directory_ / "kept"; }
  [[nodiscard]] std::filesystem::path archive() const { return folder() / "tail.blobs"; }
  [[nodiscard]] UndoneBlobs keep() {
    const auto kept = keep_undone(store_, blobs(), common_, archive());
    EXPECT_TRUE(kept) << kept.error().to_string();
    return kept.value_or(UndoneBlobs{});
  }
  [[nodiscard]] std::uint64_t remove() {
    const auto removed = remove_undone(blobs(), store_, folder());
    EXPECT_TRUE(removed) << removed.error().to_string();
    return removed.value_or(0);
  }
  [[nodiscard]] std::string archived(Oid oid, Tid tid) {
    const auto directory = BlobDirectory::open({.path = archive(), .read_only = true});
    if (!directory) return directory.error().to_string();
    return read_file((*directory)->path_of(oid, tid));
  }

  Position common_;
};

TEST_F(UndoneBlobsTest, AreInTheArchiveAndNoMoreInTheStorage) {
  const UndoneBlobs kept = keep();
  EXPECT_EQ(kept.kept, 2U);
  EXPECT_EQ(kept.missing, 0U);
  EXPECT_EQ(content_of(Oid(2), Tid(3)), "lost too") << "it is not undone yet";
  ASSERT_TRUE(store_.rollback(common_));
  EXPECT_EQ(remove(), 2U);
  EXPECT_EQ(code_of(blobs().open_for_reading(Oid(1), Tid(2))), ErrorCode::not_found);
  EXPECT_EQ(code_of(blobs().open_for_reading(Oid(2), Tid(3))), ErrorCode::not_found);
  EXPECT_EQ(content_of(Oid(1), Tid(1)), "common");
  EXPECT_EQ(archived(Oid(1), Tid(2)), "lost");
  EXPECT_EQ(archived(Oid(2), Tid(3)), "lost too");
  EXPECT_EQ(blobs().unsettled(), 1U) << "what is gone waits for nothing";
}

// The process was killed after the undo.
TEST_F(UndoneBlobsTest, AreRemovedAtTheNextStart) {
  EXPECT_EQ(keep().kept, 2U);
  ASSERT_TRUE(store_.rollback(common_));
  ASSERT_TRUE(blobs().settle());
  reopen();
  EXPECT_EQ(content_of(Oid(2), Tid(3)), "lost too");
  EXPECT_EQ(remove(), 2U);
  EXPECT_EQ(code_of(blobs().open_for_reading(Oid(2), Tid(3))), ErrorCode::not_found);
}

// The transactions that came instead may have the same tids.
TEST_F(UndoneBlobsTest, AreRemovedOnceAndNotWhatIsThereSince) {
  EXPECT_EQ(keep().kept, 2U);
  ASSERT_TRUE(store_.rollback(common_));
  EXPECT_EQ(remove(), 2U);
  commit(Tid(3), Oid(2), "of the new history");
  EXPECT_EQ(remove(), 0U);
  EXPECT_EQ(content_of(Oid(2), Tid(3)), "of the new history");
  EXPECT_EQ(archived(Oid(2), Tid(3)), "lost too");
}

// The undo came to half of them, or to none; it is tried again from there.
TEST_F(UndoneBlobsTest, StayAsLongAsTheirTransactionIsInTheLog) {
  EXPECT_EQ(keep().kept, 2U);
  const auto entry = store_.log_entry(Tid(2));
  ASSERT_TRUE(entry && *entry);
  ASSERT_TRUE(store_.rollback((*entry)->position));
  EXPECT_EQ(remove(), 1U);
  EXPECT_EQ(content_of(Oid(1), Tid(2)), "lost");
  EXPECT_EQ(keep().kept, 1U) << "what was kept before is no hindrance";
  ASSERT_TRUE(store_.rollback(common_));
  EXPECT_EQ(remove(), 1U);
  EXPECT_EQ(archived(Oid(1), Tid(2)), "lost");
}

// What is gone already keeps nobody from following the others.
TEST_F(UndoneBlobsTest, ThatAreMissingAreCounted) {
  ASSERT_TRUE(blobs().remove(Oid(1), Tid(2)));
  const UndoneBlobs kept = keep();
  EXPECT_EQ(kept.kept, 1U);
  EXPECT_EQ(kept.missing, 1U);
  EXPECT_EQ(archived(Oid(2), Tid(3)), "lost too");
}

TEST_F(UndoneBlobsTest, NoArchiveIsMadeWithoutBlobs) {
  common_ = store_.last_position();
  EXPECT_EQ(keep().kept, 0U);
  EXPECT_FALSE(std::filesystem::exists(folder()));
  EXPECT_EQ(remove(), 0U);
}

TEST_F(UndoneBlobsTest, AnArchiveThatCannotBeMadeIsAnError) {
  write_file(folder(), "in the way");
  EXPECT_EQ(code_of(keep_undone(store_, blobs(), common_, archive())), ErrorCode::io_error);
}

}  // namespace
}  // namespace zeolite::blobs::testing
