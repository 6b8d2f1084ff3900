#include "wire/codec_body.h"

namespace zeolite::wire {

void build(const Position& from, schema::Position::Builder to) {
  to.setEpoch(from.epoch.value());
  to.setTid(from.tid.value());
  to.setChain(as_data(from.chain));
}

void build_oids(const std::vector<Oid>& from, capnp::List<std::uint64_t>::Builder to) {
  for (unsigned i = 0; i < to.size(); ++i) to.set(i, from[i].value());
}

Id128 BodyReader::id(capnp::Data::Reader data) {
  require(data.size() == Id128{}.size(), "an id that is not 16 bytes");
  return error_ ? Id128{} : id128_from({reinterpret_cast<const char*>(data.begin()), data.size()});
}

Position BodyReader::position(schema::Position::Reader position) {
  return {epoch(position.getEpoch()), Tid(position.getTid()), id(position.getChain())};
}

std::string BodyReader::metadata_part(capnp::Data::Reader data) {
  require(data.size() <= kMetadataMax, "user, description or extension over 65,535 bytes");
  return error_ ? std::string()
                : std::string(reinterpret_cast<const char*>(data.begin()), data.size());
}

std::vector<Oid> BodyReader::oids(const capnp::List<std::uint64_t>::Reader& list, std::size_t max) {
  require(list.size() <= max, "a list longer than it may have");
  std::vector<Oid> oids;
  if (error_) return oids;
  oids.reserve(list.size());
  for (const std::uint64_t oid : list) oids.emplace_back(oid);
  return oids;
}

}  // namespace zeolite::wire
