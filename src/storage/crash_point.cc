#include "storage/crash_point.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <string>

#include "base/check.h"

namespace zeolite::storage {

namespace {

constexpr int kExitLikeSigkill = 137;

constexpr std::array<std::string_view, 12> kNames = {
    "create.before_format",  // a new directory: all is there but the FORMAT file
    "create.after_format",   // ... and now that, too; no records yet
    "open.before_records",   // locked and checked, RocksDB not yet opened
    "open.after_records",    // RocksDB has recovered; the log is not yet checked
    "wal.before_reuse",      // a prepared file is about to become the write-ahead log
    "wal.after_reuse",       // it has its name, but the directory is not synced
    "wal.before_sync",       // the group is written, not synced
    "wal.after_sync",        // synced, RocksDB does not know yet
    "append.before_write",   // the batch is built
    "append.after_write",    // durable; the high-water mark is not moved
    "append.after_mark",     // the mark is moved; the caller is not told
    "append.before_return",  // readers see the new position; the caller is not told
};

constexpr std::array<std::string_view, 9> kBlobNames = {
    "blob.after_adopt",     // a client's file is taken over, not yet hashed
    "blob.before_seal",     // all is written, nothing synced
    "blob.after_rename",    // it has its staged name, which is not synced
    "blob.after_seal",      // durable; the vote is not answered
    "blob.before_install",  // its transaction is durable, it has no final name
    "blob.after_install",   // it has both names
    "blob.before_forget",   // and both are durable
    "blob.after_forget",    // it has its final name only
    "blob.after_remove",    // packed away; the directories are still there
};

constexpr std::array<std::string_view, 5> kPackNames = {
    "pack.after_record",     // the log says that it is to be done; nothing is marked
    "pack.after_marking",    // a batch of objects was followed; nothing is removed
    "pack.before_removal",   // some revisions are about to be removed
    "pack.after_removal",    // they are; the files of their blobs are still there
    "pack.before_complete",  // all is removed; the log does not say so
};

constexpr std::array<std::string_view, 19> kNodeNames = {
    "replace.before_rename",   // the new content is synced, under another name
    "replace.after_rename",    // it has its name, which is not synced
    "node.before_create",      // a new node: it has an id, which is not stored
    "node.before_promise",     // nothing is written
    "node.after_promise",      // durable; the caller is not told
    "rollback.before_mark",    // nothing is changed
    "rollback.after_mark",     // the high-water mark is lowered, nothing is undone
    "rollback.before_write",   // a batch of entries is about to be undone
    "rollback.after_write",    // they are gone, and older ones may follow
    "join.blobs_released",     // the directory of blobs is nobody's; the database is as it was
    "forget.records_aside",    // an empty database has lost its records, and can be opened
    "forget.format_gone",      // nothing counts as a database any more
    "forget.before_end",       // only the records are left, under another name
    "install.begun",           // where the old database goes is decided
    "install.after_blobs",     // the files of its blobs are where they belong
    "install.old_part_aside",  // a part of the old database is put aside
    "install.before_part",     // a part of the copy is about to be put in its place
    "install.before_end",      // all is in place; COMPLETE is still there
    "install.forgotten",       // COMPLETE is gone, the rest of the copy's folder is not
};

constexpr std::array<std::string_view, 4> kFailNames = {
    "wal.append",  // nothing of the group is written
    "wal.sync",    // it is written, and nobody knows whether it is on the disk
    "mark.write",  // the group is durable; the high-water mark is not moved
    "mark.sync",   // the mark is moved, and nobody knows whether that is on the disk
};

constexpr std::array<std::string_view, 2> kBlobFailNames = {
    "blob.append",  // a part of an upload is not written
    "blob.sync",    // it is written, and may not be on the disk
};

// What a variable of the environment says.
struct Armed {
  std::string name;
  std::atomic<unsigned> left = 0;

  // Whether it is this one's turn.
  bool pass(std::string_view passed) { return passed == name && left.fetch_sub(1) == 1; }
};

Armed& armed_crash() {
  static Armed instance;
  return instance;
}
Armed& armed_failure() {
  static Armed instance;
  return instance;
}

using Names = std::span<const std::string_view>;

bool read_environment(const char* variable, std::initializer_list<Names> known, Armed& armed) {
  const char* const text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return false;
  const std::string_view setting = text;
  const std::size_t colon = setting.rfind(':');
  const std::string_view name = setting.substr(0, colon);
  unsigned hits = 1;
  if (colon != std::string_view::npos) {
    const std::string_view count = setting.substr(colon + 1);
    std::from_chars(count.data(), count.data() + count.size(), hits);
  }
  CHECK(std::ranges::any_of(
            known, [name](Names names) { return std::ranges::find(names, name) != names.end(); }),
        "ZEOLITE_CRASH_POINT or ZEOLITE_FAIL_POINT names no such point");
  armed.name = name;
  armed.left = std::max(hits, 1U);
  return true;
}

}  // namespace

Names crash_point_names() { return kNames; }
Names blob_crash_point_names() { return kBlobNames; }
Names node_crash_point_names() { return kNodeNames; }
Names fail_point_names() { return kFailNames; }
Names blob_fail_point_names() { return kBlobFailNames; }

namespace detail {

const bool kCrashPointArmed = read_environment(
    "ZEOLITE_CRASH_POINT", {kNames, kBlobNames, kPackNames, kNodeNames}, armed_crash());
const bool kFailPointArmed =
    read_environment("ZEOLITE_FAIL_POINT", {kFailNames, kBlobFailNames}, armed_failure());

// Not _exit(): a sanitizer would look for leaks there, which a killed process has.
void pass_crash_point(std::string_view name) {
  if (armed_crash().pass(name)) syscall(SYS_exit_group, kExitLikeSigkill);
}

bool pass_fail_point(std::string_view name) { return armed_failure().pass(name); }

}  // namespace detail
}  // namespace zeolite::storage
