// Commits, their outcomes, and fresh oids.
#include "wire/codec_body.h"

namespace zeolite::wire {

namespace {

// Writes and reads, which stage, vote and commit have in common.
template <typename M>
std::size_t words_of_objects(const M& m) {
  std::size_t words = words_of_list<schema::Write>(m.writes.size()) +
                      words_of_list<schema::ObjectAt>(m.reads.size());
  for (const WireWrite& write : m.writes) words += words_of_data(write.data.view());
  return words;
}

template <typename M, typename Builder>
void build_objects(const M& m, Builder& to) {
  auto writes = to.initWrites(as_count(m.writes.size()));
  for (unsigned i = 0; i < writes.size(); ++i) {
    const WireWrite& write = m.writes[i];
    auto built = writes[i];
    built.setOid(write.oid.value());
    built.setBase(write.base.value());
    built.setKind(static_cast<std::uint8_t>(write.kind));
    built.setData(as_data(write.data.view()));
  }
  auto reads = to.initReads(as_count(m.reads.size()));
  for (unsigned i = 0; i < reads.size(); ++i) {
    auto built = reads[i];
    built.setOid(m.reads[i].oid.value());
    built.setTid(m.reads[i].tid.value());
  }
}

WireWrite read_write(schema::Write::Reader from, BodyReader& body) {
  const auto kind = body.enumerator(from.getKind(), RevisionKind::data, RevisionKind::deletion);
  body.require(kind != RevisionKind::back_pointer, "a write that is neither data nor deletion");
  WireWrite write{Oid(from.getOid()), Tid(from.getBase()), kind, body.bytes(from.getData())};
  body.require(kind == RevisionKind::data || write.data.empty(), "a deletion with data");
  return write;
}

template <typename M, typename Reader>
void read_objects(const Reader& from, BodyReader& body, M& m) {
  const auto writes = from.getWrites();
  const unsigned write_count = body.template length<schema::Write>(writes);
  m.writes.reserve(write_count);
  for (unsigned i = 0; i < write_count; ++i) m.writes.push_back(read_write(writes[i], body));
  const auto reads = from.getReads();
  const unsigned read_count = body.template length<schema::ObjectAt>(reads);
  m.reads.reserve(read_count);
  for (unsigned i = 0; i < read_count; ++i) {
    m.reads.push_back({Oid(reads[i].getOid()), Tid(reads[i].getTid())});
  }
}

template <typename M>
struct CommitBodyCodec {
  using Schema = schema::CommitBody;
  static std::size_t words(const M& m) { return words_of(m.metadata) + words_of_objects(m); }
  static void build(const M& m, Schema::Builder to) {
    to.setNumber(m.number);
    to.setBegun(m.begun.value());
    build_metadata(m.metadata, to);
    build_objects(m, to);
  }
  static M read(Schema::Reader from, BodyReader& body) {
    M m;
    m.number = from.getNumber();
    m.begun = Tid(from.getBegun());
    m.metadata = body.metadata(from);
    read_objects(from, body, m);
    return m;
  }
};

template <typename M>
struct NumberCodec {
  using Schema = schema::TransactionNumber;
  static std::size_t words(const M&) { return 0; }
  static void build(const M& m, Schema::Builder to) { to.setNumber(m.number); }
  static M read(Schema::Reader from, BodyReader&) { return {from.getNumber()}; }
};

}  // namespace

template <>
struct Codec<Stage> {
  using Schema = schema::Stage;
  static std::size_t words(const Stage& m) { return words_of_objects(m); }
  static void build(const Stage& m, Schema::Builder to) {
    to.setNumber(m.number);
    build_objects(m, to);
  }
  static Stage read(Schema::Reader from, BodyReader& body) {
    Stage m;
    m.number = from.getNumber();
    read_objects(from, body, m);
    return m;
  }
};
ZEOLITE_WIRE_CODEC(Stage);

template <>
struct Codec<Vote> : CommitBodyCodec<Vote> {};
ZEOLITE_WIRE_CODEC(Vote);

template <>
struct Codec<Commit> : CommitBodyCodec<Commit> {};
ZEOLITE_WIRE_CODEC(Commit);

template <>
struct Codec<Finish> : NumberCodec<Finish> {};
ZEOLITE_WIRE_CODEC(Finish);

template <>
struct Codec<Abort> : NumberCodec<Abort> {};
ZEOLITE_WIRE_CODEC(Abort);

template <>
struct Codec<Voted> : NothingCodec<Voted> {};
ZEOLITE_WIRE_CODEC(Voted);

template <>
struct Codec<Done> : NothingCodec<Done> {};
ZEOLITE_WIRE_CODEC(Done);

template <>
struct Codec<Committed> {
  using Schema = schema::Committed;
  static std::size_t words(const Committed&) { return 0; }
  static void build(const Committed& m, Schema::Builder to) {
    to.setTid(m.tid.value());
    to.setEpoch(m.epoch.value());
  }
  static Committed read(Schema::Reader from, BodyReader&) {
    return {Tid(from.getTid()), Epoch(from.getEpoch())};
  }
};
ZEOLITE_WIRE_CODEC(Committed);

template <>
struct Codec<Conflicted> {
  using Schema = schema::Conflicted;
  static std::size_t words(const Conflicted& m) {
    return words_of_list<schema::Conflict>(m.conflicts.size());
  }
  static void build(const Conflicted& m, Schema::Builder to) {
    auto conflicts = to.initConflicts(as_count(m.conflicts.size()));
    for (unsigned i = 0; i < conflicts.size(); ++i) {
      auto conflict = conflicts[i];
      conflict.setOid(m.conflicts[i].oid.value());
      conflict.setCurrent(m.conflicts[i].current.value());
      conflict.setBase(m.conflicts[i].base.value());
      conflict.setRead(m.conflicts[i].read);
    }
  }
  static Conflicted read(Schema::Reader from, BodyReader& body) {
    Conflicted m;
    const auto conflicts = from.getConflicts();
    const unsigned count = body.length<schema::Conflict>(conflicts);
    m.conflicts.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
      const auto conflict = conflicts[i];
      m.conflicts.push_back({Oid(conflict.getOid()), Tid(conflict.getCurrent()),
                             Tid(conflict.getBase()), conflict.getRead()});
    }
    return m;
  }
};
ZEOLITE_WIRE_CODEC(Conflicted);

template <>
struct Codec<OutcomeQuery> {
  using Schema = schema::OutcomeQuery;
  static std::size_t words(const OutcomeQuery& m) {
    return words_of_data(view_of(m.commit_id.session));
  }
  static void build(const OutcomeQuery& m, Schema::Builder to) {
    to.setSession(as_data(m.commit_id.session));
    to.setNumber(m.commit_id.number);
    to.setBegun(m.begun.value());
  }
  static OutcomeQuery read(Schema::Reader from, BodyReader& body) {
    return {{body.id(from.getSession()), from.getNumber()}, Tid(from.getBegun())};
  }
};
ZEOLITE_WIRE_CODEC(OutcomeQuery);

template <>
struct Codec<OutcomeKnown> {
  using Schema = schema::OutcomeKnown;
  static std::size_t words(const OutcomeKnown&) { return 0; }
  static void build(const OutcomeKnown& m, Schema::Builder to) {
    to.setCommitted(m.committed);
    to.setTid(m.tid.value());
  }
  static OutcomeKnown read(Schema::Reader from, BodyReader&) {
    return {from.getCommitted(), Tid(from.getTid())};
  }
};
ZEOLITE_WIRE_CODEC(OutcomeKnown);

template <>
struct Codec<NewOids> {
  using Schema = schema::NewOids;
  static std::size_t words(const NewOids&) { return 0; }
  static void build(const NewOids& m, Schema::Builder to) { to.setCount(m.count); }
  static NewOids read(Schema::Reader from, BodyReader& body) {
    return {body.asked_count(from.getCount())};
  }
};
ZEOLITE_WIRE_CODEC(NewOids);

template <>
struct Codec<Oids> {
  using Schema = schema::Oids;
  static std::size_t words(const Oids&) { return 0; }
  static void build(const Oids& m, Schema::Builder to) {
    to.setFirst(m.first.value());
    to.setCount(m.count);
  }
  static Oids read(Schema::Reader from, BodyReader& body) {
    return {Oid(from.getFirst()), body.asked_count(from.getCount())};
  }
};
ZEOLITE_WIRE_CODEC(Oids);

}  // namespace zeolite::wire
