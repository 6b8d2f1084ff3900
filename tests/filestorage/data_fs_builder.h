#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "filestorage/data_fs_format.h"
#include "model/ids.h"

namespace zeolite::filestorage {

// Writes FileStorage files for tests, the odd ones too: it puts down what it is told, checks
// nothing, and answers the offsets that a test needs to point at or to damage.
class DataFsBuilder {
 public:
  explicit DataFsBuilder(std::string_view magic = kMagicPython2) : bytes_(magic) {}

  // Returns the transaction's offset.
  std::uint64_t begin(Tid tid, char status = kStatusNormal, std::string_view user = "",
                      std::string_view description = "", std::string_view extension = "") {
    tid_ = tid;
    transaction_ = bytes_.size();
    put_tid(bytes_, tid);
    put_u64(bytes_, 0);
    bytes_.push_back(status);
    put_u16(bytes_, static_cast<std::uint16_t>(user.size()));
    put_u16(bytes_, static_cast<std::uint16_t>(description.size()));
    put_u16(bytes_, static_cast<std::uint16_t>(extension.size()));
    bytes_.append(user).append(description).append(extension);
    return transaction_;
  }

  // Each returns the record's offset.
  std::uint64_t data(Oid oid, std::string_view data) {
    const std::uint64_t offset = header(oid, data.size());
    bytes_.append(data);
    return offset;
  }
  std::uint64_t back(Oid oid, std::uint64_t target) {
    const std::uint64_t offset = header(oid, 0);
    put_u64(bytes_, target);
    return offset;
  }
  std::uint64_t gone(Oid oid) { return back(oid, 0); }

  void end() {
    const std::uint64_t length = bytes_.size() - transaction_;
    set_u64(transaction_ + 8, length);
    put_u64(bytes_, length);
  }

  // A whole transaction with one record; returns the record's offset.
  std::uint64_t commit(Tid tid, Oid oid, std::string_view content) {
    begin(tid);
    const std::uint64_t offset = data(oid, content);
    end();
    return offset;
  }

  void set_u64(std::uint64_t offset, std::uint64_t value) {
    std::string field;
    put_u64(field, value);
    bytes_.replace(static_cast<std::size_t>(offset), field.size(), field);
  }

  [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }
  std::string& bytes() { return bytes_; }

 private:
  std::uint64_t header(Oid oid, std::uint64_t data_bytes) {
    const std::uint64_t offset = bytes_.size();
    put_oid(bytes_, oid);
    put_tid(bytes_, tid_);
    put_u64(bytes_, std::exchange(last_[oid], offset));
    put_u64(bytes_, transaction_);
    put_u16(bytes_, 0);
    put_u64(bytes_, data_bytes);
    return offset;
  }

  std::string bytes_;
  Tid tid_;
  std::uint64_t transaction_ = 0;
  std::map<Oid, std::uint64_t> last_;
};

}  // namespace zeolite::filestorage
