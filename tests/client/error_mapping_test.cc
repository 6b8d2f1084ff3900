#include "client/error_mapping.h"

#include <gtest/gtest.h>

namespace zeolite::client_core {
namespace {

Answer failed(ErrorCode code, bool answered = true) {
  Answer answer;
  answer.error = Error{code, "why"};
  answer.answered = answered;
  answer.commit_id.number = 5;
  answer.begun = Tid(7);
  return answer;
}

TEST(ErrorMapping, GivesEachFailureItsType) {
  EXPECT_THROW(throw_error(failed(ErrorCode::read_only)), client::ReadOnlyError);
  EXPECT_THROW(throw_error(failed(ErrorCode::timeout)), client::TimeoutError);
  EXPECT_THROW(throw_error(failed(ErrorCode::unavailable)), client::DisconnectedError);
  EXPECT_THROW(throw_error(failed(ErrorCode::aborted)), client::DisconnectedError);
  EXPECT_THROW(throw_error(failed(ErrorCode::out_of_space)), client::OutOfSpaceError);
  EXPECT_THROW(throw_error(failed(ErrorCode::invalid_argument)), client::InvalidArgumentError);
  EXPECT_THROW(throw_error(failed(ErrorCode::corruption)), client::ServerError);
  EXPECT_THROW(throw_error(failed(ErrorCode::shutting_down)), client::DisconnectedError);
  EXPECT_THROW(throw_error(failed(ErrorCode::shutting_down, false)), client::UsageError);
}

TEST(ErrorMapping, AnUnknownOutcomeCarriesItsCommitAndIsNotRetryable) {
  try {
    throw_error(failed(ErrorCode::outcome_unknown));
  } catch (const client::OutcomeUnknownError& error) {
    EXPECT_EQ(error.commit_id().number, 5U);
    EXPECT_EQ(error.commit_id().begun, client::Tid{7});
    EXPECT_FALSE(error.retryable());
  }
}

TEST(ErrorMapping, AConflictListsItsObjectsAndIsRetryable) {
  wire::Conflicted conflicted;
  conflicted.conflicts = {{Oid(1), Tid(20), Tid(10), false}, {Oid(2), Tid(30), Tid(10), true}};
  try {
    std::rethrow_exception(to_exception(conflicted));
  } catch (const client::ConflictError& error) {
    EXPECT_TRUE(error.retryable());
    ASSERT_EQ(error.conflicts().size(), 2U);
    EXPECT_EQ(error.conflicts()[1].current, client::Tid{30});
    EXPECT_TRUE(error.conflicts()[1].read);
  }
}

}  // namespace
}  // namespace zeolite::client_core
