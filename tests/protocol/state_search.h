#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "protocol/fingerprint_table.h"

namespace zeolite::protocol {

// What a search found.
struct SearchResult {
  enum class End : std::uint8_t {
    complete,  // every reachable state was seen and none is a violation
    violated,  // `violation`, and in `trace` the shortest way to it
    too_many,  // the limit of states was reached, and no violation by then
  } end = End::complete;
  std::size_t states = 0;
  std::size_t depth = 0;  // steps to the last state
  std::string violation;
  std::vector<std::string> trace;
};

// Visits every state that can be reached, nearest first, and stops at the first violation.
//
// Of a visited state only a fingerprint of 64 bits is kept, with its parent's: 16 bytes. Two states
// with one fingerprint would hide one of them; among ten million the odds of any such pair are
// about one in 400,000. The trace is found by walking the fingerprints back and taking the same
// way again from the start.
//
// Model has:
//   using State: trivially copyable, without padding;
//   using Step: what happened, as a value;
//   State initial() const;
//   void expand(const State&, std::vector<std::pair<State, Step>>& successors) const;
//   State representative(const State&) const: one of all states that differ by symmetry only;
//   std::optional<std::string_view> violation(const State&) const;
//   std::string text(const Step&) const.
template <typename Model>
class StateSearch {
 public:
  using State = typename Model::State;
  using Step = typename Model::Step;
  static_assert(std::is_trivially_copyable_v<State> &&
                std::has_unique_object_representations_v<State>);

  StateSearch(const Model& model, std::size_t states_max)
      : model_(model), states_max_(states_max) {}

  SearchResult run() {
    const State first = model_.representative(model_.initial());
    std::vector<State> level;
    if (visit(first, 0)) {
      level.push_back(first);
    }
    while (!level.empty() && result_.violation.empty()) {
      if (visited_.size() > states_max_) {
        result_.end = SearchResult::End::too_many;
        break;
      }
      level = next_level(level);
    }
    result_.states = visited_.size();
    return std::move(result_);
  }

 private:
  // Whether it is new.
  bool visit(const State& state, std::uint64_t parent) {
    const std::uint64_t print = fingerprint(&state, sizeof state);
    if (!visited_.insert(print, parent)) {
      return false;
    }
    if (const std::optional<std::string_view> violation = model_.violation(state)) {
      result_.end = SearchResult::End::violated;
      result_.violation = *violation;
      result_.trace = trace_to(print);
    }
    return true;
  }

  std::vector<State> next_level(const std::vector<State>& level) {
    std::vector<State> next;
    std::vector<std::pair<State, Step>> successors;
    for (const State& state : level) {
      const std::uint64_t parent = fingerprint(&state, sizeof state);
      successors.clear();
      model_.expand(state, successors);
      for (const auto& [successor, step] : successors) {
        const State representative = model_.representative(successor);
        if (!visit(representative, parent)) {
          continue;
        }
        if (!result_.violation.empty()) {
          ++result_.depth;
          return {};
        }
        next.push_back(representative);
      }
    }
    result_.depth += next.empty() ? 0U : 1U;
    return next;
  }

  std::vector<std::string> trace_to(std::uint64_t print) const {
    std::vector<std::uint64_t> way;
    for (; print != 0; print = visited_.parent_of(print)) {
      way.push_back(print);
    }
    std::ranges::reverse(way);
    // Not the representatives themselves are walked, so that nodes keep their names on the way.
    std::vector<std::string> trace;
    State state = model_.initial();
    for (std::size_t at = 1; at < way.size(); ++at) {
      std::vector<std::pair<State, Step>> successors;
      model_.expand(state, successors);
      const auto found = std::ranges::find_if(successors, [&](const auto& successor) {
        const State representative = model_.representative(successor.first);
        return fingerprint(&representative, sizeof representative) == way[at];
      });
      CHECK(found != successors.end(), "states that differ by symmetry have like successors");
      trace.push_back(model_.text(found->second));
      state = found->first;
    }
    return trace;
  }

  const Model& model_;
  const std::size_t states_max_;
  FingerprintTable visited_;
  SearchResult result_;
};

}  // namespace zeolite::protocol
