#include "client/cache_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace zeolite::client_core {
namespace {

class CacheFileTest : public ::testing::Test {
 protected:
  CacheFileTest() {
    std::string pattern = ::testing::TempDir() + "cache_file_XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    path_ = directory_ + "/cache";
  }
  ~CacheFileTest() override { std::filesystem::remove_all(directory_); }

  void fill(ObjectCache& cache, ConnectionView& view) {
    view.begin_history();
    Position position{Epoch(3), Tid(100), {}};
    position.chain[5] = 42;
    view.set_connected(position, Id128{9});
    for (std::uint64_t oid = 1; oid <= 6; ++oid) {
      cache.insert(
          Oid(oid),
          {Tid(oid), kNoTid, std::make_shared<const std::string>("record " + std::to_string(oid))});
    }
    cache.invalidate(Oid(3), Tid(50));
  }
  void save() {
    ObjectCache cache(1 << 20);
    ConnectionView view;
    fill(cache, view);
    ASSERT_TRUE(CacheFile::open(path_, "main")->save(cache, view));
  }
  [[nodiscard]] std::string content() const {
    std::ifstream in(path_, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  void set_content(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << bytes;
  }
  // Loads the file into a cache that must be empty if that fails.
  [[nodiscard]] Result<std::optional<ConnectionView::Place>> load() {
    loaded_.clear();
    auto place = CacheFile::open(path_, "main")->load(loaded_);
    if (!place) {
      EXPECT_EQ(loaded_.counters().revisions, 0U);
    }
    return place;
  }

  std::string directory_;
  std::string path_;
  ObjectCache loaded_{1 << 20};
};

TEST_F(CacheFileTest, ReadsBackWhatWasSaved) {
  save();
  const auto place = load();
  ASSERT_TRUE(place);
  ASSERT_TRUE(*place);
  EXPECT_EQ((*place)->position.epoch, Epoch(3));
  EXPECT_EQ((*place)->position.tid, Tid(100));
  EXPECT_EQ((*place)->position.chain[5], 42);
  EXPECT_EQ((*place)->cluster_id, Id128{9});
  EXPECT_EQ(loaded_.counters().revisions, 6U);
  EXPECT_EQ(*loaded_.find(Oid(5), Tid(100))->data, "record 5");
  EXPECT_TRUE(loaded_.find(Oid(3), Tid(49)));
  EXPECT_FALSE(loaded_.find(Oid(3), Tid(50)));
}

TEST_F(CacheFileTest, NoFileIsAColdStart) {
  const auto place = load();
  ASSERT_TRUE(place);
  EXPECT_FALSE(*place);
}

TEST_F(CacheFileTest, AnyFlippedByteIsFound) {
  save();
  const std::string whole = content();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    set_content(damaged);
    ASSERT_FALSE(load()) << "byte " << i;
  }
}

TEST_F(CacheFileTest, AnyCutIsFound) {
  save();
  const std::string whole = content();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    set_content(whole.substr(0, size));
    ASSERT_FALSE(load()) << "size " << size;
  }
  set_content(whole + "x");
  EXPECT_FALSE(load());
}

TEST_F(CacheFileTest, AForeignFileIsRefused) {
  set_content(std::string(100'000, 'x'));
  const auto place = load();
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().code, ErrorCode::corruption);
}

TEST_F(CacheFileTest, AnotherStoragesFileIsRefused) {
  save();
  ObjectCache cache(1 << 20);
  const auto place = CacheFile::open(path_, "other")->load(cache);
  ASSERT_FALSE(place);
  EXPECT_EQ(place.error().code, ErrorCode::invalid_argument);
}

TEST_F(CacheFileTest, ASecondUserOfTheFileIsTurnedAway) {
  const auto first = CacheFile::open(path_, "main");
  const auto second = CacheFile::open(path_, "main");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::busy);
}

TEST_F(CacheFileTest, AFailedSaveLeavesTheOldFile) {
  save();
  const std::string before = content();
  std::filesystem::create_directory(path_ + ".new");  // cannot be written as a file
  ObjectCache cache(1 << 20);
  ConnectionView view;
  fill(cache, view);
  EXPECT_FALSE(CacheFile::open(path_, "main")->save(cache, view));
  EXPECT_EQ(content(), before);
}

TEST_F(CacheFileTest, NothingIsSavedBeforeTheFirstConnection) {
  ObjectCache cache(1 << 20);
  ConnectionView view;
  view.set_initial({Epoch(1), Tid(5), {}}, Id128{1});
  EXPECT_TRUE(CacheFile::open(path_, "main")->save(cache, view));
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(CacheFileTest, ManyBlocksReadBack) {
  ObjectCache cache(64 << 20);
  ConnectionView view;
  view.begin_history();
  view.set_connected({Epoch(1), Tid(100), {}}, Id128{1});
  for (std::uint64_t oid = 0; oid < 5000; ++oid) {
    cache.insert(Oid(oid), {Tid(1), kNoTid, std::make_shared<const std::string>(1000, 'a')});
  }
  ASSERT_TRUE(CacheFile::open(path_, "main")->save(cache, view));
  ObjectCache again(64 << 20);
  ASSERT_TRUE(CacheFile::open(path_, "main")->load(again));
  EXPECT_EQ(again.counters().revisions, 5000U);
}

}  // namespace
}  // namespace zeolite::client_core
