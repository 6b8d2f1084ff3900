#include "zeo/exceptions.h"

#include <gtest/gtest.h>

#include <vector>

#include "zeo/client_messages.h"

namespace zeolite::zeo {
namespace {

TEST(Exceptions, IdsAreEightBytes) {
  EXPECT_EQ(value_of(Oid(0x0102030405060708)), bytes("\1\2\3\4\5\6\7\10"));
  EXPECT_EQ(value_or_none(Tid(1)), tid(1));
  EXPECT_EQ(value_or_none(kNoTid), none());
}

TEST(Exceptions, PosKeyErrorTellsTheOidAsItWasSent) {
  EXPECT_EQ(pos_key_error(Oid(1)), (Exception{"ZODB.POSException.POSKeyError", tuple({oid(1)})}));
  EXPECT_EQ(pos_key_error("ab"),
            (Exception{"ZODB.POSException.POSKeyError", tuple({bytes("ab")})}));
}

TEST(Exceptions, ConflictsAreDictsOfTheirAttributes) {
  const Exception known = conflict_error({"text", Oid(1), Tid(3), Tid(2)});
  EXPECT_EQ(known.class_name, "ZODB.POSException.ConflictError");
  EXPECT_EQ(known.state, dict({{"message", text("text")},
                               {"oid", oid(1)},
                               {"class_name", none()},
                               {"serials", tuple({tid(3), tid(2)})}}));
  const Exception unknown = read_conflict_error({"text", Oid(1)});
  EXPECT_EQ(unknown.class_name, "ZODB.POSException.ReadConflictError");
  EXPECT_EQ(*unknown.state.get<pickle::Dict>()->find("serials"), none());
}

TEST(Exceptions, OthersHaveArguments) {
  EXPECT_EQ(read_only_error(), (Exception{"ZODB.POSException.ReadOnlyError", tuple({})}));
  EXPECT_EQ(transaction_error("a"),
            (Exception{"ZODB.POSException.StorageTransactionError", tuple({text("a")})}));
  EXPECT_EQ(storage_error("a"), (Exception{"ZODB.POSException.StorageError", tuple({text("a")})}));
  EXPECT_EQ(value_error("a"), (Exception{"builtins.ValueError", tuple({text("a")})}));
  EXPECT_EQ(type_error("a"), (Exception{"builtins.TypeError", tuple({text("a")})}));
  EXPECT_EQ(key_error(integer(4)), (Exception{"builtins.KeyError", tuple({integer(4)})}));
}

TEST(Exceptions, WhatIsNoUtf8IsShownByItsBytes) {
  const auto shown = tuple({text("unknown storage \\xff\\xc3a")});
  EXPECT_EQ(value_error("unknown storage \xff\xc3"
                        "a")
                .state,
            shown);
  EXPECT_EQ(value_error("n\xc3\xa4me").state, tuple({text("n\xc3\xa4me")}));
  const Exception conflict = conflict_error({.message = "a file \x80"});
  EXPECT_EQ(*conflict.state.get<pickle::Dict>()->find("message"), text("a file \\x80"));
}

TEST(Exceptions, UndoFailuresAreAListOfPairs) {
  const std::vector<std::pair<Oid, std::string>> failures = {{Oid(1), "a"}, {Oid(2), "b"}};
  EXPECT_EQ(
      multiple_undo_errors(failures),
      (Exception{
          "ZODB.POSException.MultipleUndoErrors",
          dict({{"_errs", list({tuple({oid(1), text("a")}), tuple({oid(2), text("b")})})}})}));
}

TEST(Exceptions, WhatMaySucceedAgainIsAConflict) {
  for (const ErrorCode code :
       {ErrorCode::conflict, ErrorCode::timeout, ErrorCode::unavailable, ErrorCode::aborted}) {
    const Exception raised = exception_of({code, "text"});
    EXPECT_EQ(raised.class_name, "ZODB.POSException.ConflictError");
    EXPECT_EQ(*raised.state.get<pickle::Dict>()->find("message"), text("text"));
    EXPECT_EQ(*raised.state.get<pickle::Dict>()->find("oid"), none());  // not the root's
  }
}

TEST(Exceptions, AllElseIsAFailure) {
  EXPECT_EQ(exception_of({ErrorCode::read_only, "x"}), read_only_error());
  EXPECT_EQ(exception_of({ErrorCode::not_primary, "x"}), read_only_error());
  EXPECT_EQ(exception_of({ErrorCode::invalid_argument, "x"}), value_error("x"));
  EXPECT_EQ(exception_of({ErrorCode::io_error, "x"}).class_name, "ZODB.POSException.StorageError");
  EXPECT_EQ(exception_of({ErrorCode::out_of_space, "x"}).class_name,
            "ZODB.POSException.StorageError");
}

TEST(Exceptions, TheLogTellsTheClassAndTheText) {
  EXPECT_EQ(describe(value_error("text")), "builtins.ValueError: text");
  EXPECT_EQ(describe(read_only_error()), "ZODB.POSException.ReadOnlyError");
  EXPECT_EQ(describe(conflict_error({"text", Oid(1)})), "ZODB.POSException.ConflictError");
}

}  // namespace
}  // namespace zeolite::zeo
