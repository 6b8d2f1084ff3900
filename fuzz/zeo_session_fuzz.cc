// Any bytes as what a ZEO client does after its greeting: the first byte chooses the encoding, and
// then come messages, each with its length in two bytes. A small stand-in carries out what the
// session asks for, with answers that the length's high bits choose. Whatever comes, each answer
// goes to a call that waits for one, and a transaction is submitted, finished and aborted in order.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "zeo/session.h"

namespace {

using namespace zeolite;
using commit::CommitEffects;
using Kind = CommitEffects::Reply::Kind;

class Server {
 public:
  explicit Server(zeo::Encoding encoding) {
    zeo::SessionEffects effects;
    session_.start(effects);
    session_.on_message(Bytes(encoding == zeo::Encoding::pickle ? "Z5" : "M5"), effects);
    carry_out(effects);
  }

  // `choice`: how what it asks for is answered.
  bool receive(const Bytes& message, unsigned choice) {
    choice_ = choice;
    zeo::SessionEffects effects;
    session_.on_message(message, effects);
    carry_out(effects);
    return !closed_;
  }

 private:
  void carry_out(zeo::SessionEffects& effects) {
    check_output(effects.output);
    CHECK(effects.reads.empty() || session_.live(), "nothing is read before register");
    if (effects.close) closed_ = true;
    if (effects.committed) CHECK(!session_.held_bytes(), "what is committed is over");
    if (effects.attach) step([&](auto& next) { attach(next); });
    for (const auto& blob : effects.blobs) follow(blob);
    if (effects.drop_blobs) uploading_ = false;
    if (effects.prepare) {
      const zeo::Preparation wanted = *effects.prepare;
      step([&](auto& next) { session_.prepared(wanted.ticket, prepare(wanted), next); });
    }
    for (commit::calls::Call& call : effects.engine) {
      std::visit([this](auto& what) { run(what); }, call);
    }
  }
  template <typename What>
  void step(What what) {
    zeo::SessionEffects effects;
    what(effects);
    carry_out(effects);
  }

  static void check_output(ByteView output) {
    while (!output.empty()) {
      CHECK(output.size() >= 4 && output.size() - 4 >= get_u32(output.data()), "whole messages");
      output.remove_prefix(4 + get_u32(output.data()));
    }
  }
  void attach(zeo::SessionEffects& effects) {
    if (choice_ == 3) {
      session_.refused(zeo::value_error("unknown storage"), effects);
    } else {
      session_.registered(Tid(9), effects);
    }
  }
  void follow(const zeo::SessionEffects::BlobStep& step) {
    if (std::holds_alternative<zeo::SessionEffects::BlobBegin>(step)) {
      CHECK(!uploading_, "one upload at a time");
      uploading_ = true;
    } else if (std::holds_alternative<zeo::SessionEffects::BlobChunk>(step)) {
      CHECK(uploading_, "a piece belongs to an upload");
    } else if (std::holds_alternative<zeo::SessionEffects::BlobEnd>(step)) {
      CHECK(std::exchange(uploading_, false), "an upload ends that has begun");
    }
  }
  Result<zeo::Prepared> prepare(const zeo::Preparation& wanted) const {
    if (choice_ == 3) return make_error(ErrorCode::io_error, "the disk");
    zeo::Prepared prepared;
    for (const Tid tid : wanted.undos) {
      if (choice_ == 2) prepared.undo_failures.emplace_back(Oid(tid.value()), "no");
      if (choice_ == 1) prepared.undone.push_back({.oid = Oid(1), .base = tid});
    }
    for (const auto& restored : wanted.restored) {
      const bool there = restored.data.has_value();
      prepared.repeated.emplace_back(restored.oid, there ? restored.source : kNoTid,
                                     there ? kNoTid : restored.source);
    }
    for (const Oid oid : wanted.blobs) prepared.blobs.push_back({oid, BlobInfo{}, "staged"});
    return prepared;
  }

  void run(commit::calls::Submit& submit) {
    CHECK(!voted_.contains(submit.ticket), "a ticket names one transaction");
    for (const commit::StagedWrite& write : submit.transaction.writes) {
      CHECK(write.kind == RevisionKind::data || write.data.empty(), "only kind data has data");
      CHECK(write.kind == RevisionKind::data || !write.blob, "a blob belongs to data");
    }
    CommitEffects::Reply reply;
    reply.ticket = submit.ticket;
    reply.kind = choice_ == 3 ? Kind::failed : Kind::voted;
    if ((choice_ == 1 || choice_ == 2) && !submit.transaction.writes.empty()) {
      const commit::StagedWrite& write = submit.transaction.writes.front();
      reply.kind = Kind::conflicted;
      reply.conflicts.push_back(
          {.oid = write.oid, .current = Tid(choice_ == 1 ? 0 : 8), .base = write.base});
    }
    if (++submitted_ % 16 == 0) reply.kind = Kind::failed;
    if (reply.kind == Kind::voted) voted_.insert(submit.ticket);
    step([&](auto& next) { session_.on_reply(std::move(reply), next); });
  }
  void run(commit::calls::Finish& finish) {
    CHECK(voted_.erase(finish.ticket) == 1, "what is finished was voted");
    CommitEffects::Reply reply;
    reply.ticket = finish.reply_to;
    reply.kind = choice_ == 3 ? Kind::failed : Kind::committed;
    reply.tid = Tid(10);
    step([&](auto& next) { session_.on_reply(std::move(reply), next); });
  }
  void run(const commit::calls::Abort& abort) {
    CHECK(voted_.erase(abort.ticket) == 1, "what is aborted was voted");
  }
  void run(const commit::calls::AllocateOids& allocate) {
    CHECK(allocate.count >= 1 && allocate.count <= 100, "at most a hundred");
    CommitEffects::Reply reply;
    reply.ticket = allocate.ticket;
    reply.kind = choice_ == 3 ? Kind::failed : Kind::oids;
    reply.first_oid = Oid(1);
    reply.oid_count = allocate.count;
    step([&](auto& next) { session_.on_reply(std::move(reply), next); });
  }
  void run(const commit::calls::QueryOutcome&) { CHECK(false, "ZEO has no such question"); }

  zeo::Session session_{1, {.transaction_bytes_max = 4096}};
  unsigned choice_ = 0;
  unsigned submitted_ = 0;
  bool closed_ = false;
  bool uploading_ = false;
  std::set<commit::Ticket> voted_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  Server server(data[0] == 'M' ? zeo::Encoding::msgpack : zeo::Encoding::pickle);
  ByteView rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  while (rest.size() >= 2) {
    const auto high = static_cast<unsigned char>(rest[0]);
    const auto low = static_cast<unsigned char>(rest[1]);
    rest.remove_prefix(2);
    const std::size_t length = std::min<std::size_t>(rest.size(), (high & 63U) * 256U + low);
    if (!server.receive(Bytes::copy_of(rest.substr(0, length)), high >> 6)) return 0;
    rest.remove_prefix(length);
  }
  return 0;
}
