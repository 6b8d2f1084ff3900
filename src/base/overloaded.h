#pragma once

namespace zeolite {

// Functions, one for each alternative of a variant, as the one function that std::visit takes.
template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};

}  // namespace zeolite
