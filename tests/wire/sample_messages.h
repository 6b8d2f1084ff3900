#pragma once

#include <string>
#include <utility>
#include <vector>

#include "wire/messages.h"

namespace zeolite::wire {

inline Id128 sample_id(std::uint8_t first) {
  Id128 id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::uint8_t>(first + i);
  return id;
}

inline Position sample_position() { return {Epoch(7), Tid(0x0123456789ABCDEF), sample_id(0xA0)}; }

inline TransactionMetadata sample_metadata() {
  return {.user = "anna", .description = std::string("a\0b", 3), .extension = "\x80\x05}."};
}

inline std::vector<WireWrite> sample_writes() {
  return {{Oid(1), Tid(2), RevisionKind::data, Bytes::copy_of("first record")},
          {Oid(0xFFFFFFFFFFFFFFFF), kNoTid, RevisionKind::data, Bytes::copy_of("x")},
          {Oid(4), Tid(5), RevisionKind::deletion, {}}};
}

template <typename M>
M sample_commit_body() {
  M m;
  m.number = 77;
  m.begun = Tid(78);
  m.metadata = sample_metadata();
  m.writes = sample_writes();
  m.reads = {{Oid(8), Tid(9)}, {Oid(10), Tid(11)}};
  return m;
}

inline LogReply sample_log_reply() {
  return {
      .items = {{.tid = Tid(100),
                 .metadata = sample_metadata(),
                 .status = 'p',
                 .objects = {{Oid(1), Tid(2), RevisionKind::data, kNoTid, 300,
                              BlobInfo{7, sample_id(8)}},
                             {Oid(3), Tid(4), RevisionKind::back_pointer, Tid(1), 0, {}, Tid(2)},
                             {Oid(5), Tid(6), RevisionKind::deletion, kNoTid, 0}}},
                {.tid = Tid(101), .metadata = {}, .status = ' ', .objects = {}}},
      .next_after = Tid(101),
      .end = true};
}

inline StatusReport sample_status_report() {
  return {.role = NodeRole::standby,
          .node = "node-b",
          .storage = "main",
          .version = "0.1.0",
          .epoch = Epoch(3),
          .last_tid = Tid(11),
          .visible_tid = Tid(10),
          .clients = 12,
          .voted = 13,
          .waiting = 14,
          .commits = 15,
          .conflicts = 16,
          .aborts = 17,
          .loads = 18,
          .uptime_ms = 19,
          .accepts_writes = false,
          .refuses_why = "the disk is full",
          .standbys = {{"node-c", Tid(9), 2, "streaming", true, 20, "10.0.0.3:8090", 21},
                       {"", Tid(8), 3, "catching up", false, 4, "", 0}},
          .leader = "10.0.0.1:8090",
          .durability = "standby",
          .promised = Epoch(4),
          .sync_changes = 22,
          .delayed_groups = 23,
          .longest_delay_ms = 24,
          .blocked = true,
          .shown_age_ms = 25};
}

// Every kind of record and of write, in the order of a log after sample_position().
inline std::vector<TransactionRecord> sample_records() {
  const Tid first(sample_position().tid.value() + 1);
  std::vector<TransactionRecord> records(6);
  for (std::size_t i = 0; i < records.size(); ++i) {
    records[i].epoch = Epoch(i < 2 ? 7 : 8);
    records[i].tid = Tid(first.value() + i);
  }
  records[0].commit_id = {sample_id(0x10), 5};
  records[0].status = 'p';
  records[0].metadata = sample_metadata();
  records[0].writes = {
      {Oid(9), kNoTid, RevisionKind::data, Bytes::copy_of("a record"), kNoTid,
       BlobInfo{1ULL << 40, sample_id(0x20)}},
      {Oid(3), Tid(4), RevisionKind::back_pointer, {}, Tid(2), BlobInfo{0, {}}, {}, Tid(3)},
      {Oid(4), Tid(5), RevisionKind::deletion, {}, kNoTid, {}, {}, Tid(3)},
      {Oid(0xFFFFFFFFFFFFFFFF), Tid(6), RevisionKind::data, {}, kNoTid}};
  records[1].kind = RecordKind::tombstone;
  records[1].commit_id = {sample_id(0x30), 6};
  records[2].kind = RecordKind::epoch;
  records[3].kind = RecordKind::oids;
  records[3].oid_mark = Oid(5000);
  records[4].kind = RecordKind::pack;
  records[4].pack_horizon = first;
  records[4].collect_garbage = true;
  records[5].kind = RecordKind::removal;
  records[5].pack_record = records[4].tid;
  records[5].pack_complete = true;
  records[5].removed = {{Oid(3), Tid(4)}, {Oid(3), Tid(2)}, {Oid(9), Tid(7)}};
  return records;
}

inline std::vector<Message> sample_replication_messages() {
  using Decision = ReplicaWelcome::Decision;
  return {
      ReplicaHello{.version_min = 2,
                   .version_max = 3,
                   .cluster_id = sample_id(1),
                   .node = sample_id(2),
                   .name = "node-b",
                   .address = "10.0.0.2:8090",
                   .promised = Epoch(4),
                   .position = {Epoch(5), Tid(6), sample_id(7)},
                   .last = sample_position(),
                   .storage = "main",
                   .by_command = true},
      ReplicaWelcome{.version = 2,
                     .decision = Decision::probe,
                     .epoch = Epoch(3),
                     .cluster_id = sample_id(4),
                     .node = sample_id(5),
                     .name = "node-a",
                     .position = sample_position(),
                     .heartbeat_ms = 500,
                     .reason = "another cluster",
                     .leader = "10.0.0.1:8090"},
      ReplicaAppend{Epoch(8), sample_position(), sample_records()},
      ReplicaAppend{Epoch(9), {}, {}},
      ReplicaAck{Epoch(1), sample_position(), Tid(2), true, 7, 8},
      ReplicaHeartbeat{Epoch(1), Tid(2), Tid(3), true, 8, 9, 10},
      ReplicaBlob{Oid(1), Tid(2), 3, 10, Bytes::copy_of("a piece")},
      StaleEpoch{Epoch(9), "10.0.0.1:8090"},
      Handover{Epoch(9), sample_position()},
      CheckpointRequest{sample_id(1), 2, 3, sample_position()},
      CheckpointBegin{sample_id(1),
                      sample_id(2),
                      sample_position(),
                      {{"MANIFEST", 100}, {"blobs/0x00/0x01.blob", 1ULL << 40}}},
      CheckpointChunk{1, 1ULL << 33, Bytes::copy_of("a piece"), true, sample_id(3)},
      CheckpointAck{1, 1ULL << 34, 1 << 20},
      Promote{true},
      Switchover{"node-b", 5000},
      Demote{},
      RoleChanged{NodeRole::primary, Epoch(3), "10.0.0.1:8090"},
      Topology{Epoch(3), "10.0.0.1:8090", {"10.0.0.2:8090", "10.0.0.3:8090"}},
      Await{Epoch(3), Tid(4), 5},
  };
}

// Every type at least once, no field at its default where another value is allowed.
inline std::vector<Message> sample_messages() {
  std::vector<Message> messages = {
      Hello{.version_min = 2,
            .version_max = 3,
            .features = 0xF00000000000000F,
            .storage = "other",
            .label = "worker 1",
            .session = sample_id(1),
            .cache = sample_position(),
            .wants_invalidations = false,
            .accepts_standby = true,
            .max_staleness_ms = 5000},
      Welcome{.version = 2,
              .features = 5,
              .cluster_id = sample_id(0x40),
              .node = "node-a",
              .role = NodeRole::primary,
              .epoch = Epoch(6),
              .visible = sample_position(),
              .cache_valid = true,
              .body_max = 1000,
              .transaction_bytes_max = 1ULL << 40},
      ErrorReply{Error{ErrorCode::out_of_space, "the disk is full; make room"}},
      ErrorReply{Error{ErrorCode::not_primary, "this is a standby"}, "10.0.0.1:8090"},
      Ping{Bytes::copy_of("payload")},
      Pong{Bytes::copy_of("payload"), Tid(5)},
      Invalidate{Tid(6), {Oid(1), Oid(3), Oid(2)}, false},
      Invalidate{Tid(7), {}, true},
      Load{Oid(9), Tid(10)},
      LoadSerial{Oid(9), Tid(10)},
      Loaded{LoadedStatus::found, Bytes::copy_of("a record"), Tid(3), Tid(4)},
      Loaded{LoadedStatus::deleted, {}, Tid(3), Tid(4)},
      LoadMany{{Oid(1), Oid(2)}, Tid(3)},
      LoadedMany{{{LoadedStatus::found, Bytes::copy_of("a record"), Tid(3), Tid(4)},
                  {LoadedStatus::not_yet, {}, {}, {}}}},
      Walk{Oid(5), 10'000},
      Walked{{{Oid(1), Tid(2)}, {Oid(3), Tid(4)}}, Oid(5)},
      Stage{3, sample_writes(), {{Oid(1), Tid(2)}}},
      sample_commit_body<Vote>(),
      Voted{},
      Finish{4},
      Abort{5},
      sample_commit_body<Commit>(),
      Committed{Tid(6), Epoch(7)},
      Conflicted{{{Oid(1), Tid(2), Tid(3), true}, {Oid(4), Tid(5), Tid(6), false}}},
      Done{},
      OutcomeQuery{{sample_id(9), 44}, Tid(45)},
      OutcomeKnown{true, Tid(46)},
      NewOids{1},
      Oids{Oid(1000), 10'000},
      ReadLog{Tid(1), Tid(2), 3},
      sample_log_reply(),
      StatusQuery{},
      sample_status_report(),
      Verify{},
      VerifyReport{
          1, 2, 3, "00ff", {"one", "", "three"}, 5, {{Oid(1), Oid(2)}, {Oid(3), Oid(4)}}, 6},
      Pack{Tid(7), false, true},
      LoadBlob{Oid(1), Tid(2), 3, 4},
      BlobPart{{5, sample_id(6)}, Bytes::copy_of("a part")},
      PackReport{Tid(7), true, true, false, 1, 2, 3, 4, 5, 6, 2, {Oid(8), Oid(9)}, 1, {"a record"}},
  };
  for (Message& message : sample_replication_messages()) messages.push_back(std::move(message));
  return messages;
}

}  // namespace zeolite::wire
