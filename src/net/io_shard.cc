#include "net/io_shard.h"

#include <pthread.h>

#include "net/stream_connection.h"

namespace zeolite::net {

IoShard::IoShard(const std::string& name) : work_(boost::asio::make_work_guard(context_)) {
  thread_ = std::thread([this] { context_.run(); });
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
}

IoShard::~IoShard() {
  stop();
  join();
}

void IoShard::join() {
  if (thread_.joinable()) thread_.join();
}

void IoShard::stop() { context_.stop(); }

void IoShard::end_turn() {
  flushing_.swap(dirty_);
  for (const std::shared_ptr<StreamConnection>& connection : flushing_) connection->flush();
  flushing_.clear();
}

}  // namespace zeolite::net
