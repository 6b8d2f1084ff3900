#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <set>

#include "base/error.h"
#include "daemon/server.h"
#include "daemon/storage_engine.h"
#include "maintenance/pack_report.h"
#include "model/ids.h"

namespace zeolite::daemon {

// Packs storages, one at a time, on a thread of its own, while they are served. So many may wait as
// kWaitingMax says. A pack that was interrupted by the end of the process goes on at the next
// start. Thread: any. Owner: the server; stop() before the engines go.
class PackService {
 public:
  static constexpr std::size_t kWaitingMax = 16;

  PackService(const Clock& clock, LogSink log);
  ~PackService();

  struct Request {
    Tid horizon;  // history up to here goes, but for what is needed as of it
    bool collect_garbage = true;
    bool dry_run = false;  // only report what would go
  };
  // Called on the packing thread. Errors: as maintenance::run_pack; shutting_down. Or, when too
  // many wait already, with error unavailable before pack() returns.
  using Done = std::function<void(Result<maintenance::PackReport>)>;
  void pack(StorageEngine& engine, const Request& request, Done done);

  // Goes on with what was interrupted, if anything was: for a primary, when its reign begins; asked
  // again for the same storage, it does nothing. A standby is told by the log what goes. One thread
  // at a time.
  void resume(StorageEngine& engine);

  // Ends the pack that is running; those that wait are told so. Returns when the thread is idle.
  void stop();

 private:
  Result<maintenance::PackReport> run(StorageEngine& engine, const Request& request);
  Result<maintenance::PackReport> sweep(StorageEngine& engine);

  const Clock& clock_;
  LogSink log_;
  std::atomic<bool> stopped_ = false;
  std::set<const StorageEngine*> resumed_;
  std::atomic<std::size_t> waiting_ = 0;  // with the one that is running
  boost::asio::thread_pool thread_{1};
};

}  // namespace zeolite::daemon
