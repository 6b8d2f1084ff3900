#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <vector>

#include "base/time.h"
#include "blobs/blob_directory.h"
#include "daemon/server.h"

namespace zeolite::daemon {

// Tidies up behind blobs that were committed, now and then: BlobDirectory::settle.
// Thread: one. Owner: the server; the pool ends before this and the directories do.
class BlobSettler {
 public:
  // `pool`: for what is done to files of blobs.
  BlobSettler(boost::asio::thread_pool& pool, LogSink log) : pool_(pool), log_(std::move(log)) {}

  void add(blobs::BlobDirectory& directory) { directories_.push_back(&directory); }
  // Every second or so. Begins when ten seconds have passed, if there is something, unless the last
  // time is not done.
  void look(Instant now);

 private:
  boost::asio::thread_pool& pool_;
  LogSink log_;
  std::vector<blobs::BlobDirectory*> directories_;
  Instant looked_{};
  std::atomic<bool> under_way_ = false;
};

}  // namespace zeolite::daemon
