#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/zeo_fixture.h"

namespace zeolite::daemon {

// A ZEO client with blobs.
class ZeoBlobTest : public ZeoHubTest {
 protected:
  explicit ZeoBlobTest(blobs::BlobDirectoryOptions blobs = {}) : ZeoHubTest(0, std::move(blobs)) {}

  void upload(ZeoPeer& peer, std::uint64_t object, Tid base, std::string_view content) {
    peer.store(object, base, "blob");
    peer.one_way("storeBlobStart");
    for (std::size_t at = 0; at < content.size(); at += 59'000) {
      peer.one_way("storeBlobChunk", {zeo::bytes(content.substr(at, 59'000))});
    }
    peer.one_way("storeBlobEnd", {zeo::oid(object), zeo::value_of(base), zeo::bytes("blob"),
                                  ZeoPeer::kTransaction});
  }
  // Whether all that clients have uploaded is in files.
  bool all_written() {
    bool written = true;
    run([&] {
      for (const auto& [owner, connection] : zeo_connections_) {
        written = written && connection->uploads().is_written();
      }
    });
    return written;
  }
  // Uploads that wait in the directory.
  std::size_t staged() {
    do {
      run([] {});   // what it has dropped is given to the pool
      rest_pool();  // it may be the last that holds an upload
    } while (!all_written());
    return staged_files();
  }
  // The same, as it is now.
  std::size_t staged_files() {
    std::size_t count = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(engine_->blobs()->path() / ".zeolite")) {
      const std::string extension = entry.path().extension();
      if (extension == ".upload" || extension == ".staged") ++count;
    }
    return count;
  }
  // The blob as the server sends it, up to the answer to call 40.
  std::string download(ZeoPeer& peer, std::uint64_t object, Tid tid) {
    peer.call(40, "sendBlob", {zeo::oid(object), zeo::value_of(tid)});
    const std::vector<Value> name{zeo::oid(object), zeo::value_of(tid)};
    EXPECT_EQ(peer.told("receiveBlobStart"), name);
    std::string content;
    while (true) {
      const zeo::ServerMessage message = peer.next();
      if (message.name != "receiveBlobChunk") {
        EXPECT_EQ(message.name, "receiveBlobStop");
        break;
      }
      const auto* chunk = message.value.get<pickle::Tuple>()->items[2].get<Bytes>();
      EXPECT_LE(chunk->size(), 59'000U);
      content += chunk->view();
    }
    EXPECT_EQ(peer.result(40), zeo::none());
    return content;
  }

  ZeoPeer peer_ = connect_zeo();
};

}  // namespace zeolite::daemon
