#include "net/io_shard.h"

#include <pthread.h>

#include "net/stream_connection.h"

namespace zeolite::net {

namespace {

// So many handlers run before what they wrote leaves; a bound, for a busy shard always has one.
constexpr int kTurnHandlersMax = 64;

}  // namespace

IoShard::IoShard(const std::string& name) : work_(boost::asio::make_work_guard(context_)) {
  thread_ = std::thread([this] { run_turns(); });
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

void IoShard::run_turns() {
  while (context_.run_one() > 0) {
    for (int ran = 1; ran < kTurnHandlersMax && context_.poll_one() > 0; ++ran) {
    }
    end_turn();
  }
}

void IoShard::end_turn() {
  flushing_.swap(dirty_);
  for (const std::shared_ptr<StreamConnection>& connection : flushing_) connection->flush();
  flushing_.clear();
  // What was written because there was room again leaves with the next turn.
  if (!dirty_.empty()) boost::asio::post(context_, [] {});
  for (std::promise<void>* const waiter : std::exchange(turn_awaited_, {})) waiter->set_value();
}

}  // namespace zeolite::net
