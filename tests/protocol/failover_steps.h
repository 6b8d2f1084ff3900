#pragma once

#include <cstddef>
#include <string_view>

#include "protocol/failover_model.h"

namespace zeolite::protocol {

// What may happen next in one state. Each function adds its steps to the successors.
class FailoverSteps {
 public:
  using State = FailoverModel::State;

  FailoverSteps(const Protocol& protocol, const State& state, FailoverModel::Successors& successors)
      : protocol_(protocol), state_(state), successors_(successors) {}

  // reign_steps.cc: of the coordination service and of whoever leads or wants to.
  void leases();
  void candidacies();
  void reigns();

  // standby_steps.cc: of the others, and crashes.
  void standbys();
  void crashes();

 private:
  [[nodiscard]] bool broken(Mutation mutation) const { return protocol_.mutation == mutation; }
  void take(const State& next, std::string_view text, std::size_t first = 0,
            std::size_t second = 0) {
    successors_.push_back({next, {.text = text, .first = first, .second = second}});
  }

  // Becoming the primary.
  [[nodiscard]] bool may_lead(std::size_t node) const;
  void acquire(std::size_t node);
  void promote_by_command(std::size_t node);
  void accept_handover(std::size_t reign);
  [[nodiscard]] std::size_t epoch_above(Index promise) const;
  [[nodiscard]] Index begin_reign(State& next, std::size_t owner, std::size_t epoch) const;
  void become_ready(std::size_t reign);
  void serve(std::size_t reign);

  // A primary at work; `reign` serves and its log is still its own.
  [[nodiscard]] bool owns_its_log(const Reign& reign) const;
  [[nodiscard]] bool holds_guard(std::size_t reign) const;
  void append(State& next, std::size_t reign, Entry entry) const;
  void commit(std::size_t reign);
  void sync(std::size_t reign);
  void acknowledge(std::size_t reign);
  void show_early(std::size_t reign);
  void change_members(std::size_t reign);
  void put_sync(State& next, std::size_t reign) const;
  void publish(std::size_t reign, std::size_t node);
  void withdraw(std::size_t reign, std::size_t node);
  void answer_outcomes(std::size_t reign);
  void put_tombstone(std::size_t reign, std::size_t request);
  void pack(std::size_t reign);
  void hand_over(std::size_t reign);
  void send_handover(std::size_t reign, std::size_t target);
  // The world learns that the entry at `place` is acknowledged.
  static void note_acknowledged(State& state, Entry entry, std::size_t place);
  static void note_outcome(State& state, std::size_t request, Answer answer);

  // A standby at work. It feeds on `reign`, unless it leads a later one itself.
  [[nodiscard]] bool leads_beyond(std::size_t node, Index epoch) const;
  [[nodiscard]] bool feeds_on(std::size_t node, std::size_t reign) const;
  void obey(std::size_t node, std::size_t reign);
  void undo(std::size_t node, std::size_t reign);
  void take_entry(std::size_t node, std::size_t reign);
  void begin_checkpoint(std::size_t node, std::size_t reign);
  void install_checkpoint(std::size_t node);
  void remove_unrecorded(std::size_t node);
  void raise_promise(Node& node, Index epoch) const;
  void crash(std::size_t node);

  const Protocol& protocol_;
  const State& state_;
  FailoverModel::Successors& successors_;
};

}  // namespace zeolite::protocol
