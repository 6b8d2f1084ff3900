#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "model/ids.h"
#include "zeo/message.h"

// Messages as stock clients and servers write them (zodbpickle 4.5 with protocol 3 and `fast`;
// msgpack 1.2), in hexadecimal, without their length.
namespace zeolite::zeo {

inline constexpr Oid kOid{1};
inline constexpr Oid kOtherOid{2};
inline constexpr Tid kTid{0x03aabbccddeeff01};

struct SampleMessage {
  std::string_view pickle;
  std::string_view msgpack;

  [[nodiscard]] std::string_view hex(Encoding encoding) const {
    return encoding == Encoding::pickle ? pickle : msgpack;
  }
  [[nodiscard]] Bytes bytes(Encoding encoding) const {
    return Bytes(from_hex(hex(encoding)).value());
  }
};

// (-1, 0, ".reply", None)
inline constexpr SampleMessage kHeartbeat = {"8003284affffffff4b0058060000002e7265706c794e742e",
                                             "94ff00a62e7265706c79c0"};
// (1, False, "register", ("1", False))
inline constexpr SampleMessage kRegister = {
    "8003284b0189580800000072656769737465725801000000318986742e",
    "9401c2a8726567697374657292a131c2"};
// ((kOid, kTid), False, "loadBefore", (kOid, kTid))
inline constexpr SampleMessage kLoadBefore = {
    "80032843080000000000000001430803aabbccddeeff018689580a0000006c6f61644265666f7265430800000000"
    "00000001430803aabbccddeeff0186742e",
    "9492c4080000000000000001c40803aabbccddeeff01c2aa6c6f61644265666f726592c4080000000000000001c4"
    "0803aabbccddeeff01"};
// (0, True, "storea", (kOid, kTid, b"record", 140213372036854))
inline constexpr SampleMessage kStore = {
    "8003284b0088580600000073746f7265612843080000000000000001430803aabbccddeeff0143067265636f7264"
    "8a06f6a63bf8857f74742e",
    "9400c3a673746f72656194c4080000000000000001c40803aabbccddeeff01c4067265636f7264cf00007f85f83b"
    "a6f6"};
// (0, True, "tpc_begin", (7, b"user", b"description", {"k": "v"}, None, " "))
inline constexpr SampleMessage kBegin = {
    "8003284b008858090000007470635f626567696e284b07430475736572430b6465736372697074696f6e7d580100"
    "00006b580100000076734e58010000002074742e",
    "9400c3a97470635f626567696e9607c40475736572c40b6465736372697074696f6e81a16ba176c0a120"};
// (2, False, "ping", ())
inline constexpr SampleMessage kPing = {"8003284b0289580400000070696e6729742e",
                                        "9402c2a470696e6790"};
// (1, 0, ".reply", kTid)
inline constexpr SampleMessage kResult = {
    "8003284b014b0058060000002e7265706c79430803aabbccddeeff01742e",
    "940100a62e7265706c79c40803aabbccddeeff01"};
// ((kOid, kTid), 0, ".reply", (b"data", kTid, None))
inline constexpr SampleMessage kLoaded = {
    "80032843080000000000000001430803aabbccddeeff01864b0058060000002e7265706c79430464617461430803"
    "aabbccddeeff014e87742e",
    "9492c4080000000000000001c40803aabbccddeeff0100a62e7265706c7993c40464617461c40803aabbccddeeff"
    "01c0"};
// (7, 2, ".reply", ("ZODB.POSException.POSKeyError", (kOid,)))
inline constexpr SampleMessage kError = {
    "8003284b074b0258060000002e7265706c79581d0000005a4f44422e504f53457863657074696f6e2e504f534b65"
    "794572726f72430800000000000000018586742e",
    "940702a62e7265706c7992bd5a4f44422e504f53457863657074696f6e2e504f534b65794572726f7291c4080000"
    "000000000001"};
// (0, True, "invalidateTransaction", (kTid, [kOid]))
inline constexpr SampleMessage kInvalidateOne = {
    "8003284b00885815000000696e76616c69646174655472616e73616374696f6e430803aabbccddeeff015d430800"
    "000000000000016186742e",
    "9400c3b5696e76616c69646174655472616e73616374696f6e92c40803aabbccddeeff0191c40800000000000000"
    "01"};
// (0, True, "invalidateTransaction", (kTid, [kOid, kOtherOid]))
inline constexpr SampleMessage kInvalidateTwo = {
    "8003284b00885815000000696e76616c69646174655472616e73616374696f6e430803aabbccddeeff015d284308"
    "0000000000000001430800000000000000026586742e",
    "9400c3b5696e76616c69646174655472616e73616374696f6e92c40803aabbccddeeff0192c40800000000000000"
    "01c4080000000000000002"};
// (0, True, "info", ({"length": 3, "size": 70000},))
inline constexpr SampleMessage kInfo = {
    "8003284b00885804000000696e666f7d2858060000006c656e6774684b03580400000073697a654a701101007585"
    "742e",
    "9400c3a4696e666f9182a66c656e67746803a473697a65ce00011170"};

inline Value id_value(std::uint64_t id) {
  std::string bytes;
  put_u64(bytes, id);
  return Value(Bytes(std::move(bytes)));
}
inline Value load_id() { return Value::tuple(id_value(kOid.value()), id_value(kTid.value())); }
inline Value number(std::int64_t n) { return Value(n); }

}  // namespace zeolite::zeo
