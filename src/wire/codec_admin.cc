// The log, and what administration asks.
#include "wire/codec_body.h"

namespace zeolite::wire {

template <>
struct Codec<ReadLog> {
  using Schema = schema::ReadLog;
  static std::size_t words(const ReadLog&) { return 0; }
  static void build(const ReadLog& m, Schema::Builder to) {
    to.setAfter(m.after.value());
    to.setUntil(m.until.value());
    to.setCount(m.count);
  }
  static ReadLog read(Schema::Reader from, BodyReader& body) {
    return {Tid(from.getAfter()), Tid(from.getUntil()), body.asked_count(from.getCount())};
  }
};
ZEOLITE_WIRE_CODEC(ReadLog);

namespace {

void build_log_item(const LogReply::Item& item, schema::LogItem::Builder to) {
  to.setTid(item.tid.value());
  build_metadata(item.metadata, to);
  to.setStatus(static_cast<std::uint8_t>(item.status));
  auto objects = to.initObjects(as_count(item.objects.size()));
  for (unsigned i = 0; i < objects.size(); ++i) {
    const ObjectSummary& summary = item.objects[i];
    auto object = objects[i];
    object.setOid(summary.oid.value());
    object.setPrevious(summary.previous.value());
    object.setKind(static_cast<std::uint8_t>(summary.kind));
    object.setBack(summary.back.value());
    object.setSize(summary.size);
    object.setVia(summary.via.value());
    if (!summary.blob) continue;
    object.setBlobHash(as_data(summary.blob->hash));
    object.setBlobSize(summary.blob->size);
  }
}

LogReply::Item read_log_item(schema::LogItem::Reader from, BodyReader& body) {
  LogReply::Item item;
  item.tid = Tid(from.getTid());
  item.metadata = body.metadata(from);
  item.status = static_cast<char>(from.getStatus());
  const auto objects = from.getObjects();
  const unsigned count = body.length<schema::ObjectSummary>(objects);
  item.objects.reserve(count);
  for (unsigned i = 0; i < count; ++i) {
    const auto object = objects[i];
    item.objects.push_back(
        {.oid = Oid(object.getOid()),
         .previous = Tid(object.getPrevious()),
         .kind = body.enumerator(object.getKind(), RevisionKind::data, RevisionKind::deletion),
         .back = Tid(object.getBack()),
         .size = object.getSize(),
         .via = Tid(object.getVia())});
    if (!object.hasBlobHash()) continue;
    item.objects.back().blob = {object.getBlobSize(), body.id(object.getBlobHash())};
  }
  return item;
}

}  // namespace

template <>
struct Codec<LogReply> {
  using Schema = schema::LogReply;
  static std::size_t words(const LogReply& m) {
    std::size_t words = words_of_list<schema::LogItem>(m.items.size());
    for (const LogReply::Item& item : m.items) {
      words += words_of(item.metadata) + words_of_list<schema::ObjectSummary>(item.objects.size());
      for (const ObjectSummary& object : item.objects) {
        if (object.blob) words += words_of_bytes(object.blob->hash.size());
      }
    }
    return words;
  }
  static void build(const LogReply& m, Schema::Builder to) {
    auto items = to.initItems(as_count(m.items.size()));
    for (unsigned i = 0; i < items.size(); ++i) build_log_item(m.items[i], items[i]);
    to.setNextAfter(m.next_after.value());
    to.setEnd(m.end);
  }
  static LogReply read(Schema::Reader from, BodyReader& body) {
    LogReply m;
    const auto items = from.getItems();
    const unsigned count = body.length<schema::LogItem>(items, kItemsMax);
    m.items.reserve(count);
    for (unsigned i = 0; i < count; ++i) m.items.push_back(read_log_item(items[i], body));
    m.next_after = Tid(from.getNextAfter());
    m.end = from.getEnd();
    return m;
  }
};
ZEOLITE_WIRE_CODEC(LogReply);

template <>
struct Codec<StatusQuery> : NothingCodec<StatusQuery> {};
ZEOLITE_WIRE_CODEC(StatusQuery);

template <>
struct Codec<StatusReport> {
  using Schema = schema::StatusReport;
  static std::size_t words(const StatusReport& m) {
    std::size_t words = words_of_text(m.node) + words_of_text(m.storage) +
                        words_of_text(m.version) + words_of_text(m.refuses_why) +
                        words_of_text(m.leader) + words_of_text(m.durability) +
                        words_of_list<schema::Standby>(m.standbys.size());
    for (const StatusReport::Standby& standby : m.standbys) {
      words += words_of_text(standby.node) + words_of_text(standby.state) +
               words_of_text(standby.address);
    }
    return words;
  }
  static void build(const StatusReport& m, Schema::Builder to);
  static StatusReport read(Schema::Reader from, BodyReader& body);
};

void Codec<StatusReport>::build(const StatusReport& m, Schema::Builder to) {
  to.setRole(static_cast<std::uint8_t>(m.role));
  to.setAcceptsWrites(m.accepts_writes);
  to.setNode(as_text(m.node));
  to.setStorage(as_text(m.storage));
  to.setVersion(as_text(m.version));
  to.setEpoch(m.epoch.value());
  to.setLastTid(m.last_tid.value());
  to.setVisibleTid(m.visible_tid.value());
  to.setClients(m.clients);
  to.setVoted(m.voted);
  to.setWaiting(m.waiting);
  to.setCommits(m.commits);
  to.setConflicts(m.conflicts);
  to.setAborts(m.aborts);
  to.setLoads(m.loads);
  to.setUptimeMs(m.uptime_ms);
  to.setRefusesWhy(as_text(m.refuses_why));
  auto standbys = to.initStandbys(as_count(m.standbys.size()));
  for (unsigned i = 0; i < standbys.size(); ++i) {
    auto standby = standbys[i];
    standby.setNode(as_text(m.standbys[i].node));
    standby.setAcknowledged(m.standbys[i].acknowledged.value());
    standby.setLagTransactions(m.standbys[i].lag_transactions);
    standby.setState(as_text(m.standbys[i].state));
    standby.setInSync(m.standbys[i].in_sync);
    standby.setLagMs(m.standbys[i].lag_ms);
    standby.setAddress(as_text(m.standbys[i].address));
    standby.setLagBytes(m.standbys[i].lag_bytes);
  }
  to.setLeader(as_text(m.leader));
  to.setDurability(as_text(m.durability));
  to.setPromised(m.promised.value());
  to.setSyncChanges(m.sync_changes);
  to.setDelayedGroups(m.delayed_groups);
  to.setLongestDelayMs(m.longest_delay_ms);
  to.setBlocked(m.blocked);
  to.setShownAgeMs(m.shown_age_ms);
}

StatusReport Codec<StatusReport>::read(Schema::Reader from, BodyReader& body) {
  StatusReport m;
  m.role = body.enumerator(from.getRole(), NodeRole::starting, NodeRole::standby);
  m.accepts_writes = from.getAcceptsWrites();
  m.node = BodyReader::text(from.getNode());
  m.storage = BodyReader::text(from.getStorage());
  m.version = BodyReader::text(from.getVersion());
  m.epoch = Epoch(from.getEpoch());
  m.last_tid = Tid(from.getLastTid());
  m.visible_tid = Tid(from.getVisibleTid());
  m.clients = from.getClients();
  m.voted = from.getVoted();
  m.waiting = from.getWaiting();
  m.commits = from.getCommits();
  m.conflicts = from.getConflicts();
  m.aborts = from.getAborts();
  m.loads = from.getLoads();
  m.uptime_ms = from.getUptimeMs();
  m.refuses_why = BodyReader::text(from.getRefusesWhy());
  const auto standbys = from.getStandbys();
  const unsigned count = body.length<schema::Standby>(standbys, kItemsMax);
  m.standbys.reserve(count);
  for (unsigned i = 0; i < count; ++i) {
    const auto standby = standbys[i];
    m.standbys.push_back({BodyReader::text(standby.getNode()), Tid(standby.getAcknowledged()),
                          standby.getLagTransactions(), BodyReader::text(standby.getState()),
                          standby.getInSync(), standby.getLagMs(),
                          BodyReader::text(standby.getAddress()), standby.getLagBytes()});
  }
  m.leader = BodyReader::text(from.getLeader());
  m.durability = BodyReader::text(from.getDurability());
  m.promised = Epoch(from.getPromised());
  m.sync_changes = from.getSyncChanges();
  m.delayed_groups = from.getDelayedGroups();
  m.longest_delay_ms = from.getLongestDelayMs();
  m.blocked = from.getBlocked();
  m.shown_age_ms = from.getShownAgeMs();
  return m;
}
ZEOLITE_WIRE_CODEC(StatusReport);

template <>
struct Codec<Verify> : NothingCodec<Verify> {};
ZEOLITE_WIRE_CODEC(Verify);

template <>
struct Codec<VerifyReport> {
  using Schema = schema::VerifyReport;
  static std::size_t words(const VerifyReport& m) {
    std::size_t words = words_of_text(m.digest) + m.problems.size() +
                        words_of_list<schema::Reference>(m.dangling.size());
    for (const std::string& problem : m.problems) words += words_of_text(problem);
    return words;
  }
  static void build(const VerifyReport& m, Schema::Builder to) {
    to.setTransactions(m.transactions);
    to.setRevisions(m.revisions);
    to.setBlobs(m.blobs);
    to.setDigest(as_text(m.digest));
    auto problems = to.initProblems(as_count(m.problems.size()));
    for (unsigned i = 0; i < problems.size(); ++i) problems.set(i, as_text(m.problems[i]));
    to.setDanglingCount(m.dangling_count);
    auto dangling = to.initDangling(as_count(m.dangling.size()));
    for (unsigned i = 0; i < dangling.size(); ++i) {
      auto reference = dangling[i];
      reference.setFrom(m.dangling[i].from.value());
      reference.setTo(m.dangling[i].to.value());
    }
    to.setUnscanned(m.unscanned);
  }
  static VerifyReport read(Schema::Reader from, BodyReader& body) {
    VerifyReport m;
    m.transactions = from.getTransactions();
    m.revisions = from.getRevisions();
    m.blobs = from.getBlobs();
    m.digest = BodyReader::text(from.getDigest());
    const auto problems = from.getProblems();
    m.problems.reserve(problems.size());
    for (const auto problem : problems) m.problems.push_back(BodyReader::text(problem));
    m.dangling_count = from.getDanglingCount();
    const auto dangling = from.getDangling();
    const unsigned count = body.length<schema::Reference>(dangling);
    m.dangling.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
      const auto reference = dangling[i];
      m.dangling.push_back({Oid(reference.getFrom()), Oid(reference.getTo())});
    }
    m.unscanned = from.getUnscanned();
    return m;
  }
};
ZEOLITE_WIRE_CODEC(VerifyReport);

}  // namespace zeolite::wire
