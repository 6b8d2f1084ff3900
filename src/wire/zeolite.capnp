# Bodies of the native protocol's messages; messages.h says what each means, docs/wire-protocol.md
# when each is sent. The frame's type tells which struct is the root. Field numbers are fixed for
# ever; a new field is appended, and its zero must mean what its absence meant.
@0xeffd32517250d874;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("zeolite::wire::schema");

# Ids of 128 bits are Data of exactly 16 bytes. Enumerations are UInt8 or UInt16 with the numbers of
# messages.h, because Cap'n Proto's own enumerations must start at 0 and have no gaps.

struct Position {
  epoch @0 :UInt64;
  tid @1 :UInt64;
  chain @2 :Data;
}

struct Hello {
  versionMin @0 :UInt32;
  versionMax @1 :UInt32;
  features @2 :UInt64;
  storage @3 :Text;
  label @4 :Text;
  session @5 :Data;
  cache @6 :Position;
  wantsInvalidations @7 :Bool;
  acceptsStandby @8 :Bool;
  maxStalenessMs @9 :UInt32;
}

struct Welcome {
  version @0 :UInt32;
  features @1 :UInt64;
  clusterId @2 :Data;
  node @3 :Text;
  role @4 :UInt8;
  epoch @5 :UInt64;
  visible @6 :Position;
  cacheValid @7 :Bool;
  bodyMax @8 :UInt32;
  transactionBytesMax @9 :UInt64;
}

struct ErrorReply {
  code @0 :UInt16;
  detail @1 :Text;
  leader @2 :Text;
}

struct Ping {
  payload @0 :Data;
}

struct Pong {
  payload @0 :Data;
  visible @1 :UInt64;
}

struct Invalidate {
  tid @0 :UInt64;
  oids @1 :List(UInt64);
  last @2 :Bool;
}

struct Load {
  oid @0 :UInt64;
  before @1 :UInt64;
}

struct LoadSerial {
  oid @0 :UInt64;
  tid @1 :UInt64;
}

struct Loaded {
  status @0 :UInt8;
  data @1 :Data;
  tid @2 :UInt64;
  end @3 :UInt64;
}

struct LoadBlob {
  oid @0 :UInt64;
  tid @1 :UInt64;
  offset @2 :UInt64;
  length @3 :UInt32;
}

struct BlobPart {
  size @0 :UInt64;
  hash @1 :Data;
  data @2 :Data;
}

struct LoadMany {
  oids @0 :List(UInt64);
  before @1 :UInt64;
}

struct LoadedMany {
  items @0 :List(Loaded);
}

struct Walk {
  from @0 :UInt64;
  count @1 :UInt32;
}

struct ObjectAt {
  oid @0 :UInt64;
  tid @1 :UInt64;
}

struct Walked {
  items @0 :List(ObjectAt);
  next @1 :UInt64;
}

struct Write {
  oid @0 :UInt64;
  base @1 :UInt64;
  kind @2 :UInt8;
  data @3 :Data;
}

struct Stage {
  number @0 :UInt64;
  writes @1 :List(Write);
  reads @2 :List(ObjectAt);
}

# Body of both vote and commit.
struct CommitBody {
  number @0 :UInt64;
  begun @1 :UInt64;
  user @2 :Data;
  description @3 :Data;
  extension @4 :Data;
  writes @5 :List(Write);
  reads @6 :List(ObjectAt);
}

# Body of finish and abort.
struct TransactionNumber {
  number @0 :UInt64;
}

# Body of voted, done, status, verify and demote.
struct Nothing {
}

struct Committed {
  tid @0 :UInt64;
  epoch @1 :UInt64;
}

struct Conflict {
  oid @0 :UInt64;
  current @1 :UInt64;
  base @2 :UInt64;
  read @3 :Bool;
}

struct Conflicted {
  conflicts @0 :List(Conflict);
}

struct OutcomeQuery {
  session @0 :Data;
  number @1 :UInt64;
  begun @2 :UInt64;
}

struct OutcomeKnown {
  committed @0 :Bool;
  tid @1 :UInt64;
}

struct NewOids {
  count @0 :UInt32;
}

struct Oids {
  first @0 :UInt64;
  count @1 :UInt32;
}

struct ReadLog {
  after @0 :UInt64;
  until @1 :UInt64;
  count @2 :UInt32;
}

struct ObjectSummary {
  oid @0 :UInt64;
  previous @1 :UInt64;
  kind @2 :UInt8;
  size @3 :UInt32;
  back @4 :UInt64;
  via @5 :UInt64;
  blobHash @6 :Data;
  blobSize @7 :UInt64;
}

struct LogItem {
  tid @0 :UInt64;
  user @1 :Data;
  description @2 :Data;
  extension @3 :Data;
  status @4 :UInt8;
  objects @5 :List(ObjectSummary);
}

struct LogReply {
  items @0 :List(LogItem);
  nextAfter @1 :UInt64;
  end @2 :Bool;
}

struct Standby {
  node @0 :Text;
  acknowledged @1 :UInt64;
  lagTransactions @2 :UInt64;
  state @3 :Text;
  inSync @4 :Bool;
  lagMs @5 :UInt64;
  address @6 :Text;
  lagBytes @7 :UInt64;
}

struct StatusReport {
  role @0 :UInt8;
  acceptsWrites @1 :Bool;
  node @2 :Text;
  storage @3 :Text;
  version @4 :Text;
  epoch @5 :UInt64;
  lastTid @6 :UInt64;
  visibleTid @7 :UInt64;
  clients @8 :UInt64;
  voted @9 :UInt64;
  waiting @10 :UInt64;
  commits @11 :UInt64;
  conflicts @12 :UInt64;
  aborts @13 :UInt64;
  loads @14 :UInt64;
  uptimeMs @15 :UInt64;
  refusesWhy @16 :Text;
  standbys @17 :List(Standby);
  leader @18 :Text;
  durability @19 :Text;
  promised @20 :UInt64;
  syncChanges @21 :UInt64;
  delayedGroups @22 :UInt64;
  longestDelayMs @23 :UInt64;
  blocked @24 :Bool;
  shownAgeMs @25 :UInt64;
}

struct Reference {
  from @0 :UInt64;
  to @1 :UInt64;
}

struct VerifyReport {
  transactions @0 :UInt64;
  revisions @1 :UInt64;
  blobs @2 :UInt64;
  digest @3 :Text;
  problems @4 :List(Text);
  danglingCount @5 :UInt64;
  dangling @6 :List(Reference);
  unscanned @7 :UInt64;
}

struct Pack {
  horizon @0 :UInt64;
  collectGarbage @1 :Bool;
  dryRun @2 :Bool;
}

struct PackReport {
  horizon @0 :UInt64;
  garbageWanted @1 :Bool;
  garbageCollected @2 :Bool;
  rootMissing @3 :Bool;
  objects @4 :UInt64;
  revisions @5 :UInt64;
  removedObjects @6 :UInt64;
  removedRevisions @7 :UInt64;
  removedBytes @8 :UInt64;
  removedBlobs @9 :UInt64;
  danglingCount @10 :UInt64;
  dangling @11 :List(UInt64);
  unreadableCount @12 :UInt64;
  unreadable @13 :List(Text);
}

# ---- between servers ----------------------------------------------------------------------------

struct ReplicaHello {
  versionMin @0 :UInt32;
  versionMax @1 :UInt32;
  clusterId @2 :Data;
  node @3 :Data;
  name @4 :Text;
  address @5 :Text;
  promised @6 :UInt64;
  position @7 :Position;
  last @8 :Position;
  storage @9 :Text;
  byCommand @10 :Bool;
}

struct ReplicaWelcome {
  version @0 :UInt32;
  decision @1 :UInt8;
  epoch @2 :UInt64;
  clusterId @3 :Data;
  node @4 :Data;
  name @5 :Text;
  position @6 :Position;
  heartbeatMs @7 :UInt32;
  reason @8 :Text;
  leader @9 :Text;
}

struct Blob {
  size @0 :UInt64;
  hash @1 :Data;
}

struct ReplicaWrite {
  oid @0 :UInt64;
  previous @1 :UInt64;
  kind @2 :UInt8;
  data @3 :Data;
  back @4 :UInt64;
  via @5 :UInt64;
  blob @6 :Blob;  # null: none
}

struct ReplicaRecord {
  kind @0 :UInt8;
  epoch @1 :UInt64;
  tid @2 :UInt64;
  session @3 :Data;
  number @4 :UInt64;
  status @5 :UInt8;
  user @6 :Data;
  description @7 :Data;
  extension @8 :Data;
  oidMark @9 :UInt64;
  packHorizon @10 :UInt64;
  collectGarbage @11 :Bool;
  writes @12 :List(ReplicaWrite);
  packRecord @13 :UInt64;
  packComplete @14 :Bool;
  removedOids @15 :List(UInt64);  # the removed revisions, in their order
  removedTids @16 :List(UInt64);
}

struct ReplicaAppend {
  epoch @0 :UInt64;
  previous @1 :Position;
  records @2 :List(ReplicaRecord);
}

struct ReplicaAck {
  epoch @0 :UInt64;
  flushed @1 :Position;
  visible @2 :UInt64;
  diskFull @3 :Bool;
  echo @4 :UInt64;
  question @5 :UInt64;
}

struct ReplicaHeartbeat {
  epoch @0 :UInt64;
  visible @1 :UInt64;
  last @2 :UInt64;
  inSync @3 :Bool;
  sequence @4 :UInt64;
  answers @5 :UInt64;
  ageMs @6 :UInt32;
}

struct ReplicaBlob {
  oid @0 :UInt64;
  tid @1 :UInt64;
  offset @2 :UInt64;
  size @3 :UInt64;
  data @4 :Data;
}

struct StaleEpoch {
  promised @0 :UInt64;
  leader @1 :Text;
}

struct Handover {
  epoch @0 :UInt64;
  last @1 :Position;
}

struct CheckpointRequest {
  id @0 :Data;
  file @1 :UInt32;
  offset @2 :UInt64;
  from @3 :Position;
}

struct CheckpointFile {
  name @0 :Text;
  size @1 :UInt64;
}

struct CheckpointBegin {
  id @0 :Data;
  clusterId @1 :Data;
  position @2 :Position;
  files @3 :List(CheckpointFile);
}

struct CheckpointChunk {
  file @0 :UInt32;
  offset @1 :UInt64;
  data @2 :Data;
  last @3 :Bool;
  hash @4 :Data;
}

struct CheckpointAck {
  file @0 :UInt32;
  offset @1 :UInt64;
  bytes @2 :UInt64;
}

# ---- roles --------------------------------------------------------------------------------------

struct Promote {
  force @0 :Bool;
}

struct Switchover {
  target @0 :Text;
  timeoutMs @1 :UInt32;
}

struct RoleChanged {
  role @0 :UInt8;
  epoch @1 :UInt64;
  primary @2 :Text;
}

struct Topology {
  epoch @0 :UInt64;
  primary @1 :Text;
  standbys @2 :List(Text);
}

struct Await {
  epoch @0 :UInt64;
  atLeast @1 :UInt64;
  timeoutMs @2 :UInt32;
}
