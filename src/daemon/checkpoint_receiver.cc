#include "daemon/checkpoint_receiver.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace zeolite::daemon {

CheckpointReceiver::CheckpointReceiver(std::filesystem::path data, net::IoShard& shard,
                                       boost::asio::thread_pool& pool, Events events)
    : shard_(shard),
      pool_(pool),
      events_(std::make_shared<Events>(std::move(events))),
      files_(std::make_shared<IncomingCopy>(std::move(data))) {}

CheckpointReceiver::~CheckpointReceiver() { *alive_ = false; }

template <typename Work, typename Done>
void CheckpointReceiver::run_on_pool(Work work, Done done) {
  boost::asio::post(pool_, [shard = &shard_, alive = alive_, files = files_, work = std::move(work),
                            done = std::move(done)]() mutable {
    auto result = work(*files);
    shard->post([alive, done = std::move(done), result = std::move(result)]() mutable {
      if (*alive) done(std::move(result));
    });
  });
}

void CheckpointReceiver::start(const replication::Follower::TakeCheckpoint& take) {
  run_on_pool([take](IncomingCopy& files) { return files.resume(take); },
              [this](Result<wire::CheckpointRequest> request) {
                if (request) {
                  events_->request(*request);
                } else {
                  finish(std::unexpected(std::move(request).error()));
                }
              });
}

void CheckpointReceiver::on_message(const wire::Message& message) {
  if (finished_) return;
  if (const auto* begin = std::get_if<wire::CheckpointBegin>(&message)) on_begin(*begin);
  if (const auto* chunk = std::get_if<wire::CheckpointChunk>(&message)) on_chunk(*chunk);
}

void CheckpointReceiver::on_begin(const wire::CheckpointBegin& begin) {
  total_ = 0;
  for (const wire::CheckpointBegin::File& file : begin.files) total_ += file.size;
  run_on_pool([begin](IncomingCopy& files) { return files.begin(begin); },
              [this](Result<IncomingCopy::Progress> progress) {
                if (finished_) return;
                if (!progress) {
                  finish(std::unexpected(std::move(progress).error()));
                  return;
                }
                received_ += progress->present;
                events_->log(LogLevel::info, "the copy has " + std::to_string(total_ >> 20U) +
                                                 " MiB, " +
                                                 std::to_string(progress->present >> 20U) +
                                                 " of them are here already");
                if (progress->whole) complete();
              });
}

void CheckpointReceiver::on_chunk(const wire::CheckpointChunk& chunk) {
  const std::uint64_t bytes = chunk.data.size();
  run_on_pool([chunk](IncomingCopy& files) { return files.write(chunk); },
              [this, bytes, file = chunk.file, end = chunk.offset + bytes](Result<bool> whole) {
                if (finished_) return;
                if (!whole) {
                  finish(std::unexpected(std::move(whole).error()));
                  return;
                }
                received_ += bytes;
                wire::CheckpointAck ack;
                ack.file = file;
                ack.offset = end;
                ack.bytes = bytes;
                events_->acknowledge(ack);
                const std::uint64_t percent = total_ == 0 ? 100 : received_ * 100 / total_;
                if (percent >= told_percent_ + 10) {
                  told_percent_ = percent;
                  events_->log(LogLevel::info,
                               "the copy of the database: " + std::to_string(percent) + " %");
                }
                if (*whole) complete();
              });
}

// The pool has nothing left to do with the files.
void CheckpointReceiver::complete() {
  finish(Complete{.cluster = files_->cluster(), .position = files_->position()});
}

void CheckpointReceiver::finish(Result<Complete> result) {
  if (std::exchange(finished_, true)) return;
  const std::shared_ptr<Events> kept = events_;  // who is told may destroy this
  kept->finished(std::move(result));
}

}  // namespace zeolite::daemon
