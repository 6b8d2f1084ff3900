#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace zeolite::net {

class StreamConnection;

// One io_context and the one thread that runs it. Whatever lives on a shard (connections, their
// sessions) is only touched by that thread, so it needs no lock.
//
// A turn is all that is ready to run when the thread looks: the requests of every connection that
// has some, and what was posted. Output is gathered: connections that were written to are flushed
// at the end of the turn, so that replies and invalidations made together leave in one system call,
// and a peer with many connections is not woken for each of them.
//
// Thread: post, run and stop from any; all else on the shard's own.
class IoShard {
 public:
  // `name` is given to the thread (at most 15 bytes are shown by the system).
  explicit IoShard(const std::string& name);
  // Stops and joins. Handlers that did not run are destroyed unrun.
  ~IoShard();
  IoShard(const IoShard&) = delete;
  IoShard& operator=(const IoShard&) = delete;

  [[nodiscard]] boost::asio::io_context& context() { return context_; }
  [[nodiscard]] bool on_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

  // Runs `function` on the shard's thread. After stop() it may never run.
  template <typename F>
  void post(F function) {
    boost::asio::post(context_, std::move(function));
  }
  // The same, and waits until the turn that ran it has ended: what it wrote has left, as far as the
  // system took it. From other threads only, and not after stop().
  template <typename F>
  void run(F&& function) {
    std::promise<void> ended;
    post([this, &function, &ended] {
      function();
      turn_awaited_.push_back(&ended);
    });
    ended.get_future().wait();
  }

  // Ends the thread after the handler it is in. Idempotent; does not wait.
  void stop();
  // Waits for the thread to end. Idempotent; not from the shard's own thread.
  void join();

  // A buffer for one read, reused by all connections of the shard within one handler.
  static constexpr std::size_t kScratchSize = 256 * 1024;
  [[nodiscard]] char* scratch() { return scratch_.get(); }

  // Remembers to flush the connection when the turn ends.
  void flush_at_end_of_turn(std::shared_ptr<StreamConnection> connection) {
    dirty_.push_back(std::move(connection));
  }

 private:
  void run_turns();
  void end_turn();

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::unique_ptr<char[]> scratch_ = std::make_unique<char[]>(kScratchSize);
  std::vector<std::shared_ptr<StreamConnection>> dirty_;
  std::vector<std::shared_ptr<StreamConnection>> flushing_;  // end_turn's, kept for its capacity
  std::vector<std::promise<void>*> turn_awaited_;            // by run()
  std::thread thread_;
};

}  // namespace zeolite::net
