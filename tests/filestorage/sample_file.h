#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "filestorage/data_fs_builder.h"
#include "filestorage/file_storage_reader.h"

namespace zeolite::filestorage {

inline constexpr Tid kT1{0x03292acfb11228b3};
inline constexpr Tid kT2{0x03292acfb5c5d63b};
inline constexpr Tid kT3{0x03292acff56f8c3b};
inline constexpr Tid kT4{0x03292ad0a1d7dbf7};
inline constexpr Oid kRoot{0};
inline constexpr Oid kA{1};
inline constexpr Oid kB{2};

// Everything that a reader says about a file.
struct Read {
  std::vector<TransactionRecord> transactions;
  std::optional<TruncatedTail> tail;
  std::optional<Error> error;
};

inline Read read(std::string_view bytes) {
  auto reader = FileStorageReader::from_source(make_memory_source(bytes)).value();
  Read result;
  while (true) {
    auto next = reader.next();
    if (!next) {
      result.error = next.error();
      break;
    }
    if (!*next) break;
    result.transactions.push_back(std::move(**next));
  }
  result.tail = reader.tail();
  return result;
}

// Three transactions with every kind of record, and where their parts are.
struct Sample {
  Sample() {
    first = file.begin(kT1, ' ', "user", "first", "ext");
    first_a = file.data(kA, "data of a");
    first_b = file.data(kB, "data of b");
    file.end();
    second = file.begin(kT2, ' ', "user", "second", "ext");
    second_a = file.data(kA, "more of a");
    second_b = file.gone(kB);
    file.end();
    third = file.begin(kT3, ' ', "user", "third", "ext");
    third_a = file.back(kA, first_a);
    third_b = file.data(kB, std::string(300, 'b'));
    file.end();
  }

  DataFsBuilder file;
  std::uint64_t first, first_a, first_b, second, second_a, second_b, third, third_a, third_b;
};

}  // namespace zeolite::filestorage
