// Between servers: the copy of a database.
#include "wire/codec_body.h"

namespace zeolite::wire {

namespace {

// Whether `name` leads to a file inside the directory it is relative to: components between single
// slashes, none of them "." or "..".
bool is_relative_path(std::string_view name) {
  if (name.find('\0') != std::string_view::npos) return false;
  while (true) {
    const std::size_t slash = name.find('/');
    const std::string_view part = name.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

}  // namespace

template <>
struct Codec<CheckpointRequest> {
  using Schema = schema::CheckpointRequest;
  static std::size_t words(const CheckpointRequest& m) {
    return words_of_data(view_of(m.id)) + words_of(m.from);
  }
  static void build(const CheckpointRequest& m, Schema::Builder to) {
    to.setId(as_data(m.id));
    to.setFile(m.file);
    to.setOffset(m.offset);
    wire::build(m.from, to.initFrom());
  }
  static CheckpointRequest read(Schema::Reader from, BodyReader& body) {
    return {body.id(from.getId()), from.getFile(), from.getOffset(), body.position(from.getFrom())};
  }
};
ZEOLITE_WIRE_CODEC(CheckpointRequest);

template <>
struct Codec<CheckpointBegin> {
  using Schema = schema::CheckpointBegin;
  static std::size_t words(const CheckpointBegin& m) {
    std::size_t words = words_of_data(view_of(m.id)) + words_of_data(view_of(m.cluster_id)) +
                        words_of(m.position) +
                        words_of_list<schema::CheckpointFile>(m.files.size());
    for (const CheckpointBegin::File& file : m.files) words += words_of_text(file.name);
    return words;
  }
  static void build(const CheckpointBegin& m, Schema::Builder to) {
    to.setId(as_data(m.id));
    to.setClusterId(as_data(m.cluster_id));
    wire::build(m.position, to.initPosition());
    auto files = to.initFiles(as_count(m.files.size()));
    for (unsigned i = 0; i < files.size(); ++i) {
      auto file = files[i];
      file.setName(as_text(m.files[i].name));
      file.setSize(m.files[i].size);
    }
  }
  static CheckpointBegin read(Schema::Reader from, BodyReader& body) {
    CheckpointBegin m;
    m.id = body.id(from.getId());
    m.cluster_id = body.id(from.getClusterId());
    m.position = body.position(from.getPosition());
    const auto files = from.getFiles();
    const unsigned count = body.length<schema::CheckpointFile>(files);
    m.files.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
      m.files.push_back({BodyReader::text(files[i].getName()), files[i].getSize()});
      body.require(is_relative_path(m.files.back().name), "a file outside its directory");
    }
    return m;
  }
};
ZEOLITE_WIRE_CODEC(CheckpointBegin);

template <>
struct Codec<CheckpointChunk> {
  using Schema = schema::CheckpointChunk;
  static std::size_t words(const CheckpointChunk& m) {
    return words_of_data(m.data.view()) + words_of_data(view_of(m.hash));
  }
  static void build(const CheckpointChunk& m, Schema::Builder to) {
    to.setFile(m.file);
    to.setOffset(m.offset);
    to.setData(as_data(m.data.view()));
    to.setLast(m.last);
    to.setHash(as_data(m.hash));
  }
  static CheckpointChunk read(Schema::Reader from, BodyReader& body) {
    return {from.getFile(), from.getOffset(), body.bytes(from.getData()), from.getLast(),
            body.id(from.getHash())};
  }
};
ZEOLITE_WIRE_CODEC(CheckpointChunk);

template <>
struct Codec<CheckpointAck> {
  using Schema = schema::CheckpointAck;
  static std::size_t words(const CheckpointAck&) { return 0; }
  static void build(const CheckpointAck& m, Schema::Builder to) {
    to.setFile(m.file);
    to.setOffset(m.offset);
    to.setBytes(m.bytes);
  }
  static CheckpointAck read(Schema::Reader from, BodyReader&) {
    return {from.getFile(), from.getOffset(), from.getBytes()};
  }
};
ZEOLITE_WIRE_CODEC(CheckpointAck);

}  // namespace zeolite::wire
