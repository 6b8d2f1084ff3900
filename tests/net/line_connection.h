#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "net/stream_connection.h"

namespace zeolite::net {

// The plainest of protocols: a message is a line.
class LineConnection final : public StreamConnection {
 public:
  class Handler : public StreamConnection::Handler {
   public:
    // Without the line feed. May send, close, or pause.
    virtual void on_line(std::string line) = 0;
  };

  LineConnection(IoShard& shard, Socket socket, Handler& handler, const Limits& limits)
      : StreamConnection(shard, std::move(socket), handler, limits), lines_(handler) {}

 private:
  void feed(Bytes input) override { input_ += input.view(); }
  [[nodiscard]] Result<bool> deliver_one() override {
    const std::size_t end = input_.find('\n', searched_);
    if (end == std::string::npos) {
      searched_ = input_.size();
      return false;
    }
    std::string line = input_.substr(0, end);
    input_.erase(0, end + 1);
    searched_ = 0;
    lines_.on_line(std::move(line));
    return true;
  }
  [[nodiscard]] std::size_t buffered() const override { return input_.size(); }

  Handler& lines_;  // not called after the connection is closed or detached
  std::string input_;
  std::size_t searched_ = 0;
};

// Keeps what the connection reports; the test's thread waits for it.
class LineRecorder final : public LineConnection::Handler {
 public:
  void on_line(std::string line) override {
    if (react) react(line);
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  void on_drained() override {
    const std::lock_guard lock(mutex_);
    ++drained_;
  }
  void on_closed(const Error& why) override {
    const std::lock_guard lock(mutex_);
    ++closings_;
    why_ = why;
    changed_.notify_all();
  }

  std::string wait_for_line(std::size_t index) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return lines_.size() > index || closings_ > 0; });
    return lines_.size() > index ? lines_[index] : "closed: " + why_.detail;
  }
  Error wait_for_close() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closings_ > 0; });
    return why_;
  }
  std::size_t lines() {
    const std::lock_guard lock(mutex_);
    return lines_.size();
  }
  int closings() {
    const std::lock_guard lock(mutex_);
    return closings_;
  }
  int drained() {
    const std::lock_guard lock(mutex_);
    return drained_;
  }

  std::function<void(const std::string&)> react;  // set before start()

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
  int drained_ = 0;
  int closings_ = 0;
  Error why_{ErrorCode::unavailable, {}};
};

}  // namespace zeolite::net
