#include "pickle/writer.h"

#include <bit>
#include <cstring>
#include <limits>
#include <span>
#include <variant>

#include "base/check.h"

namespace zeolite::pickle {
namespace {

constexpr char kProtocol = 3;

void put_little(std::string& out, std::uint64_t number, std::size_t width) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  out.append(bytes, width);
}

void put_count(std::string& out, std::size_t count) {
  CHECK(count <= std::numeric_limits<std::uint32_t>::max(), "4 GiB in one string");
  put_little(out, count, 4);
}

void put_global(std::string& out, std::string_view module, std::string_view name) {
  put_op(out, Op::global);
  out.append(module);
  out.push_back('\n');
  out.append(name);
  out.push_back('\n');
}

void put_long(std::string& out, ByteView bytes) {
  if (bytes.size() <= std::numeric_limits<std::uint8_t>::max()) {
    put_op(out, Op::long1);
    out.push_back(static_cast<char>(bytes.size()));
  } else {
    put_op(out, Op::long4);
    put_count(out, bytes.size());
  }
  out.append(bytes);
}

void put_float(std::string& out, double number) {
  put_op(out, Op::binfloat);
  put_u64(out, std::bit_cast<std::uint64_t>(number));
}

void put_items(std::string& out, const std::vector<Value>& items) {
  put_list(out, items.size(), [&](std::size_t i) { put_value(out, items[i]); });
}

void put_tuple(std::string& out, const std::vector<Value>& items) {
  static constexpr Op kBySize[] = {Op::empty_tuple, Op::tuple1, Op::tuple2, Op::tuple3};
  const bool is_short = items.size() < std::size(kBySize);
  if (!is_short) put_op(out, Op::mark);
  for (const Value& item : items) put_value(out, item);
  put_op(out, is_short ? kBySize[items.size()] : Op::tuple);
}

void put_dict(std::string& out, const Dict& dict) {
  std::span items(dict.items);
  put_op(out, Op::empty_dict);
  if (items.size() == 1) {
    put_value(out, items[0].first);
    put_value(out, items[0].second);
    put_op(out, Op::setitem);
    return;
  }
  while (!items.empty()) {
    const auto batch = items.first(std::min(kBatchItems, items.size()));
    items = items.subspan(batch.size());
    put_op(out, Op::mark);
    for (const auto& [key, value] : batch) {
      put_value(out, key);
      put_value(out, value);
    }
    put_op(out, Op::setitems);
  }
}

void put_path_prefix(std::string& out, const PathPrefix& prefix) {
  put_global(out, "ZopeUndo.Prefix", "Prefix");
  put_op(out, Op::empty_tuple);
  put_op(out, Op::newobj);
  put_op(out, Op::empty_dict);
  put_op(out, Op::mark);
  put_text(out, "length");
  put_integer(out, static_cast<std::int64_t>(prefix.path.size()));
  put_text(out, "path");
  put_list(out, prefix.path.size(), [&](std::size_t i) { put_text(out, prefix.path[i]); });
  put_op(out, Op::setitems);
  put_op(out, Op::build);
}

struct ValueWriter {
  std::string& out;

  void operator()(None) const { put_op(out, Op::none); }
  void operator()(bool value) const { put_op(out, value ? Op::newtrue : Op::newfalse); }
  void operator()(std::int64_t number) const { put_integer(out, number); }
  void operator()(const BigInteger& number) const { put_long(out, number.bytes); }
  void operator()(double number) const { put_float(out, number); }
  void operator()(const Bytes& bytes) const { put_bytes(out, bytes.view()); }
  void operator()(const Text& text) const { put_text(out, text.utf8); }
  void operator()(const Tuple& tuple) const { put_tuple(out, tuple.items); }
  void operator()(const List& list) const { put_items(out, list.items); }
  void operator()(const Dict& dict) const { put_dict(out, dict); }
  void operator()(const Set& set) const {
    put_global(out, "builtins", "set");
    put_items(out, set.items);
    put_op(out, Op::tuple1);
    put_op(out, Op::reduce);
  }
  void operator()(const PathPrefix& prefix) const { put_path_prefix(out, prefix); }
};

}  // namespace

void put_op(std::string& out, Op op) { out.push_back(static_cast<char>(op)); }

void put_protocol(std::string& out) {
  put_op(out, Op::proto);
  out.push_back(kProtocol);
}

void put_integer(std::string& out, std::int64_t number) {
  const auto raw = static_cast<std::uint64_t>(number);
  if (raw <= 0xFF) {
    put_op(out, Op::binint1);
    put_little(out, raw, 1);
  } else if (raw <= 0xFFFF) {
    put_op(out, Op::binint2);
    put_little(out, raw, 2);
  } else if (number == static_cast<std::int32_t>(number)) {
    put_op(out, Op::binint);
    put_little(out, raw, 4);
  } else {
    char bytes[sizeof raw];
    std::memcpy(bytes, &raw, sizeof raw);
    const auto magnitude = static_cast<std::uint64_t>(number < 0 ? ~number : number);
    put_long(out, {bytes, static_cast<std::size_t>(std::bit_width(magnitude)) / 8 + 1});
  }
}

void put_bytes_header(std::string& out, std::size_t size) {
  if (size <= std::numeric_limits<std::uint8_t>::max()) {
    put_op(out, Op::short_binbytes);
    out.push_back(static_cast<char>(size));
  } else {
    put_op(out, Op::binbytes);
    put_count(out, size);
  }
}

void put_bytes(std::string& out, ByteView bytes) {
  put_bytes_header(out, bytes.size());
  out.append(bytes);
}

void put_text(std::string& out, std::string_view utf8) {
  put_op(out, Op::binunicode);
  put_count(out, utf8.size());
  out.append(utf8);
}

void put_value(std::string& out, const Value& value) {
  std::visit(ValueWriter{out}, value.storage());
}

}  // namespace zeolite::pickle
