#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "model/ids.h"
#include "zeo/message.h"

namespace zeolite::zeo {

// The arguments of one call, taken by position and type. Errors are invalid_argument and name the
// method and the argument. Text is taken where bytes are expected, and the reverse, as Python
// programs of all ages send both.
class Arguments {
 public:
  // `call` must outlive this.
  explicit Arguments(const Call& call) : call_(call) {}

  [[nodiscard]] std::size_t size() const { return call_.arguments.size(); }
  // Null when it was not given.
  [[nodiscard]] const Value* at(std::size_t i) const;
  [[nodiscard]] bool is_none(std::size_t i) const;  // or not given

  [[nodiscard]] Result<Oid> oid(std::size_t i) const;
  [[nodiscard]] Result<Tid> tid(std::size_t i) const;
  // None, or not given: nothing.
  [[nodiscard]] Result<std::optional<Tid>> optional_tid(std::size_t i) const;
  // None is taken for zero, "no revision".
  [[nodiscard]] Result<Tid> serial(std::size_t i) const;
  [[nodiscard]] Result<Bytes> bytes(std::size_t i) const;
  [[nodiscard]] Result<std::string> text(std::size_t i) const;
  [[nodiscard]] Result<std::int64_t> integer(std::size_t i) const;
  [[nodiscard]] Result<double> number(std::size_t i) const;
  // Python's truth of the value; false when it was not given.
  [[nodiscard]] bool truth(std::size_t i) const;

 private:
  [[nodiscard]] std::unexpected<Error> wrong(std::size_t i, std::string_view expected) const;
  [[nodiscard]] Result<std::uint64_t> id(std::size_t i, std::string_view what) const;

  const Call& call_;
};

}  // namespace zeolite::zeo
