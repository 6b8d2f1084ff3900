#include <gtest/gtest.h>

#include <string>

#include "pickle/codec.h"
#include "zeo/session_fixture.h"

// Transactions, from tpc_begin to tpc_finish.
namespace zeolite::zeo {
namespace {

using commit::CommitEffects;
using Kind = CommitEffects::Reply::Kind;

constexpr std::string_view kTransactionError = "ZODB.POSException.StorageTransactionError";
constexpr std::string_view kConflictError = "ZODB.POSException.ConflictError";

TEST_F(SessionTransactionsTest, ACommitFromBeginToFinish) {
  const Value extension = dict({{"k", text("v")}});
  one_way("tpc_begin", {id(), bytes("user"), text("description"), extension, none(), text(" ")});
  store(1, 5, "one");
  one_way("storea", {oid(2), none(), bytes("two"), id()});  // None: it is new
  EXPECT_GE(session_.held_bytes(), 6U);
  const commit::StagedTransaction staged = submit();
  EXPECT_EQ(staged.metadata.user, "user");
  EXPECT_EQ(staged.metadata.description, "description");
  EXPECT_EQ(pickle::decode(Bytes::copy_of(staged.metadata.extension)), extension);
  EXPECT_EQ(staged.status, ' ');
  EXPECT_FALSE(staged.fixed_tid);
  ASSERT_EQ(staged.writes.size(), 2U);
  EXPECT_EQ(staged.writes[0].oid, Oid(1));
  EXPECT_EQ(staged.writes[0].base, Tid(5));
  EXPECT_EQ(staged.writes[0].data.view(), "one");
  EXPECT_EQ(staged.writes[1].base, kNoTid);
  voted();
  EXPECT_EQ(result(), list({}));  // a list: clients add to it
  EXPECT_EQ(got_[0].id, integer(20));
  call(integer(21), "tpc_finish", {id()});
  EXPECT_TRUE(silent());
  const auto finish = engine_call<commit::calls::Finish>();
  EXPECT_EQ(finish.ticket, ticket_);
  EXPECT_NE(finish.reply_to, ticket_);
  reply({.ticket = finish.reply_to, .kind = Kind::committed, .tid = Tid(99)});
  EXPECT_TRUE(silent());  // the caller sends the info and the answer
  ASSERT_TRUE(effects_.committed);
  EXPECT_EQ(effects_.committed->id, integer(21));
  EXPECT_EQ(effects_.committed->tid, Tid(99));
  EXPECT_EQ(session_.held_bytes(), 0U);
  EXPECT_TRUE(over());
}

TEST_F(SessionTransactionsTest, BeginningTwiceIsBeginningOnce) {
  begin();
  store(1, 0, "one");
  begin();
  EXPECT_EQ(submit().writes.size(), 1U);
}

TEST_F(SessionTransactionsTest, AnotherBeginEndsIt) {
  begin();
  one_way("tpc_begin", {id(2), bytes(""), bytes(""), dict({}), none(), text(" ")});
  EXPECT_TRUE(ended());
}

TEST_F(SessionTransactionsTest, AnIdIsComparedAsAWhole) {
  const Value big(pickle::BigInteger{std::string(9, '\x7f')});
  begin(big);
  store(1, 0, "one", Value(pickle::BigInteger{std::string(10, '\x7f')}));
  EXPECT_TRUE(ended());
}

TEST_F(SessionTransactionsTest, CallsOfAnotherTransactionEndIt) {
  const auto calls = std::vector<std::pair<std::string_view, std::vector<Value>>>{
      {"storea", {oid(1), tid(0), bytes("x"), id(2)}},
      {"storea", {oid(1), tid(0), bytes("x")}},
      {"restorea", {oid(1), tid(0), bytes("x"), none(), id(2)}},
      {"deleteObject", {oid(1), tid(0), id(2)}},
      {"checkCurrentSerialInTransaction", {oid(1), tid(0), id(2)}},
      {"undoa", {tid(1), id(2)}},
      {"storeBlobShared", {oid(1), tid(0), bytes("x"), text("a.tmp"), id(2)}},
  };
  for (const auto& [method, arguments] : calls) {
    SCOPED_TRACE(method);
    session_ = begun({});
    go_live();
    begin();
    one_way(method, arguments);
    EXPECT_TRUE(ended());
  }
}

TEST_F(SessionTransactionsTest, TheLastStoreOfAnObjectCounts) {
  begin();
  store(1, 5, "first");
  store(1, 5, "second");
  const commit::StagedTransaction staged = submit();
  ASSERT_EQ(staged.writes.size(), 1U);
  EXPECT_EQ(staged.writes[0].data.view(), "second");
}

TEST_F(SessionTransactionsTest, AConflictIsTheClientsToResolve) {
  begin();
  store(1, 5, "mine");
  store(2, 5, "other");
  submit();
  conflicted({{.oid = Oid(1), .current = Tid(8), .base = Tid(5)}});
  EXPECT_EQ(
      result(),
      list({dict(
          {{"oid", oid(1)}, {"serials", tuple({tid(8), tid(5)})}, {"data", bytes("mine")}})}));
  store(1, 8, "resolved");
  const commit::Ticket before = ticket_;
  const commit::StagedTransaction staged = submit();
  EXPECT_NE(ticket_, before);
  ASSERT_EQ(staged.writes.size(), 2U);
  EXPECT_EQ(staged.writes[0].data.view(), "resolved");
  EXPECT_EQ(staged.writes[0].base, Tid(8));
  EXPECT_EQ(staged.writes[1].data.view(), "other");
  voted();
  EXPECT_EQ(result(), list({}));
}

TEST_F(SessionTransactionsTest, AConflictInTheOtherEncoding) {
  session_ = begun({});
  greet(Encoding::msgpack);
  call("register", {text("1"), Value(false)});
  registered();
  begin();
  store(1, 5, "mine");
  submit();
  conflicted({{.oid = Oid(1), .current = Tid(8), .base = Tid(5)}});
  EXPECT_EQ(
      result(),
      tuple({dict(
          {{"oid", oid(1)}, {"serials", tuple({tid(8), tid(5)})}, {"data", bytes("mine")}})}));
  submit();
  failed(ErrorCode::timeout, "waited too long");
  EXPECT_EQ(*error().state.get<pickle::Dict>()->find("oid"), none());
}

TEST_F(SessionTransactionsTest, WhoLosesTheRaceTooOftenIsTold) {
  begin();
  for (std::uint64_t round = 1; round <= 8; ++round) {
    store(1, 10 * (round - 1), "mine");
    submit();
    conflicted({{.oid = Oid(1), .current = Tid(10 * round), .base = Tid(10 * (round - 1))}});
    EXPECT_TRUE(result().is<pickle::List>());
  }
  // A client does not look at the answer to a ninth vote.
  store(1, 80, "mine");
  submit();
  conflicted({{.oid = Oid(1), .current = Tid(90), .base = Tid(80)}});
  EXPECT_EQ(error(), conflict_error({"database conflict error", Oid(1), Tid(90), Tid(80)}));
  EXPECT_TRUE(over());
}

TEST_F(SessionTransactionsTest, FinishingWithoutAVoteIsAnError) {
  begin();
  store(1, 0, "x");
  call("tpc_finish", {id()});
  EXPECT_EQ(error_class(), kTransactionError);
  submit();
  call("tpc_finish", {id()});  // the vote is not answered
  EXPECT_EQ(error_class(), kTransactionError);
  conflicted({{.oid = Oid(1), .current = Tid(8), .base = Tid(5)}});
  call("tpc_finish", {id()});  // as clients do that cannot resolve
  EXPECT_EQ(error_class(), kTransactionError);
}

TEST_F(SessionTransactionsTest, FinishingAnotherIsAnError) {
  begin();
  store(1, 0, "x");
  submit();
  voted();
  call("tpc_finish", {id(2)});
  EXPECT_EQ(error_class(), kTransactionError);
  call("tpc_finish");
  EXPECT_EQ(error_class(), kTransactionError);
  call("tpc_finish", {id()});
  engine_call<commit::calls::Finish>();
  call("tpc_finish", {id()});
  EXPECT_EQ(error_class(), kTransactionError);
}

TEST_F(SessionTransactionsTest, VotingTwiceIsAnErrorAndHarmless) {
  begin();
  store(1, 0, "x");
  submit();
  vote(30);
  EXPECT_EQ(error(), transaction_error("Already voting"));
  EXPECT_EQ(got_[0].id, integer(30));
  voted();
  EXPECT_EQ(got_[0].id, integer(20));
  vote(31);
  EXPECT_EQ(error(), transaction_error("Already voting"));
  call("tpc_finish", {id()});
  engine_call<commit::calls::Finish>();
}

TEST_F(SessionTransactionsTest, VotingOnAnotherIsAnError) {
  begin();
  call("vote", {id(2)});
  EXPECT_EQ(error_class(), kTransactionError);
  call("vote");
  EXPECT_EQ(error_class(), kTransactionError);
}

TEST_F(SessionTransactionsTest, NothingIsAddedToWhatIsVoted) {
  begin();
  store(1, 0, "x");
  submit();
  store(2, 0, "y");
  EXPECT_TRUE(ended());
}

TEST_F(SessionTransactionsTest, AbortIsForAnyTransaction) {
  call("tpc_abort", {id(3)});
  EXPECT_EQ(result(), none());
  call("tpc_abort");
  EXPECT_EQ(result(), none());
  begin();
  call("tpc_abort", {id(3)});
  EXPECT_EQ(result(), none());
  store(1, 0, "still open");
  EXPECT_TRUE(silent());
  call("tpc_abort", {id()});
  EXPECT_EQ(result(), none());
  EXPECT_TRUE(effects_.engine.empty());
  EXPECT_TRUE(over());
  begin(id(4));
}

TEST_F(SessionTransactionsTest, AbortDuringAVoteAnswersBoth) {
  begin();
  store(1, 0, "x");
  submit();
  call(integer(40), "tpc_abort", {id()});
  EXPECT_EQ(engine_call<commit::calls::Abort>().ticket, ticket_);
  ASSERT_EQ(got_.size(), 2U);
  EXPECT_EQ(got_[0].id, integer(20));
  EXPECT_EQ(exception_in(got_[0]).class_name, kTransactionError);
  EXPECT_EQ(got_[1].id, integer(40));
  EXPECT_EQ(got_[1].value, none());
  voted();  // it was under way
  EXPECT_TRUE(silent());
  EXPECT_TRUE(effects_.engine.empty());
}

TEST_F(SessionTransactionsTest, AbortDuringThePreparationAnswersBoth) {
  begin();
  one_way("undoa", {bytes("AAAAAAAAAAU="), id()});
  prepare();
  call(integer(40), "tpc_abort", {id()});
  EXPECT_TRUE(effects_.engine.empty());
  EXPECT_EQ(got_.size(), 2U);
  EXPECT_FALSE(session_.is_preparing(ticket_));
  prepared(Prepared{});
  EXPECT_TRUE(silent());
  EXPECT_TRUE(effects_.engine.empty());
}

TEST_F(SessionTransactionsTest, AbortAfterTheVoteLetsGo) {
  begin();
  store(1, 0, "x");
  submit();
  voted();
  call("tpc_abort", {id()});
  EXPECT_EQ(result(), none());
  EXPECT_EQ(engine_call<commit::calls::Abort>().ticket, ticket_);
}

TEST_F(SessionTransactionsTest, AbortDoesNotStopAFinish) {
  begin();
  store(1, 0, "x");
  submit();
  voted();
  call(integer(21), "tpc_finish", {id()});
  const auto finish = engine_call<commit::calls::Finish>();
  call("tpc_abort", {id()});
  EXPECT_EQ(result(), none());
  EXPECT_TRUE(effects_.engine.empty());
  reply({.ticket = finish.reply_to, .kind = Kind::committed, .tid = Tid(99)});
  ASSERT_TRUE(effects_.committed);
  EXPECT_EQ(effects_.committed->id, integer(21));
}

TEST_F(SessionTransactionsTest, AFailedFinishIsTold) {
  begin();
  store(1, 0, "x");
  submit();
  voted();
  call(integer(21), "tpc_finish", {id()});
  const auto finish = engine_call<commit::calls::Finish>();
  reply(
      CommitEffects::Reply::failure(finish.reply_to, ErrorCode::out_of_space, "the disk is full"));
  EXPECT_EQ(error_class(), "ZODB.POSException.StorageError");
  EXPECT_EQ(got_[0].id, integer(21));
  EXPECT_TRUE(over());
}

TEST_F(SessionTransactionsTest, AFailedVoteEndsTheTransaction) {
  for (const ErrorCode code : {ErrorCode::timeout, ErrorCode::unavailable, ErrorCode::aborted}) {
    begin();
    store(1, 0, "x");
    submit();
    failed(code, "later");
    EXPECT_EQ(error_class(), kConflictError);  // the application tries again
    call("tpc_abort", {id()});
    EXPECT_EQ(result(), none());
  }
  EXPECT_TRUE(over());
}

TEST_F(SessionTransactionsTest, AnObjectThatWasDeletedConflictsForGood) {
  begin();
  store(1, 0, "x");
  store(2, 5, "y");
  const commit::StagedTransaction staged = submit();
  EXPECT_TRUE(staged.writes[0].as_file_storage);
  conflicted({{.oid = Oid(1), .current = Tid(8), .base = kNoTid, .deleted = true}});
  EXPECT_EQ(error(), conflict_error({"database conflict error", Oid(1), Tid(8), kNoTid}));
  EXPECT_TRUE(over());
}

TEST_F(SessionTransactionsTest, DeletingObjects) {
  begin();
  one_way("deleteObject", {oid(1), tid(5), id()});
  const commit::StagedTransaction staged = submit();
  EXPECT_EQ(staged.writes[0].kind, RevisionKind::deletion);
  EXPECT_EQ(staged.writes[0].base, Tid(5));
  voted();
  EXPECT_EQ(result(), list({}));
}

TEST_F(SessionTransactionsTest, DeletingWhatIsNotThereIsAKeyError) {
  begin();
  one_way("deleteObject", {oid(1), tid(5), id()});
  submit();
  conflicted({{.oid = Oid(1), .current = kNoTid, .base = Tid(5)}});
  EXPECT_EQ(error(), pos_key_error(Oid(1)));
}

TEST_F(SessionTransactionsTest, DeletingWhatHasChangedIsAConflict) {
  begin();
  one_way("deleteObject", {oid(1), tid(5), id()});
  submit();
  conflicted({{.oid = Oid(1), .current = Tid(8), .base = Tid(5)}});
  EXPECT_EQ(error(), conflict_error({"database conflict error", Oid(1), Tid(8), Tid(5)}));
}

TEST_F(SessionTransactionsTest, AReadThatIsNotTrueAnyMoreIsAReadConflict) {
  begin();
  store(1, 0, "x");
  one_way("checkCurrentSerialInTransaction", {oid(2), tid(5), id()});
  const commit::StagedTransaction staged = submit();
  ASSERT_EQ(staged.reads.size(), 1U);
  EXPECT_EQ(staged.reads[0].oid, Oid(2));
  EXPECT_EQ(staged.reads[0].tid, Tid(5));
  conflicted({{.oid = Oid(2), .current = Tid(8), .base = Tid(5), .read = true}});
  EXPECT_EQ(error(), read_conflict_error(
                         {"data read by the transaction was changed", Oid(2), Tid(8), Tid(5)}));
}

TEST_F(SessionTransactionsTest, AReadOfWhatIsNotThereIsAKeyError) {
  begin();
  one_way("checkCurrentSerialInTransaction", {oid(2), tid(5), id()});
  submit();
  conflicted({{.oid = Oid(2), .current = kNoTid, .base = Tid(5), .read = true}});
  EXPECT_EQ(error(), pos_key_error(Oid(2)));
}

// Nothing is read at it: the coordinator must not take it for "it is not there".
TEST_F(SessionTransactionsTest, AReadAtNoSerialIsNeverCurrent) {
  for (const Tid current : {kNoTid, Tid(8)}) {
    begin();
    one_way("checkCurrentSerialInTransaction", {oid(2), tid(0), id()});
    const commit::StagedTransaction staged = submit();
    ASSERT_EQ(staged.reads.size(), 1U);
    EXPECT_NE(staged.reads[0].tid, kNoTid);
    conflicted({{.oid = Oid(2), .current = current, .base = staged.reads[0].tid, .read = true}});
    EXPECT_EQ(error(), current.is_zero()
                           ? pos_key_error(Oid(2))
                           : read_conflict_error({"data read by the transaction was changed",
                                                  Oid(2), current, kNoTid}));
  }
}

TEST_F(SessionTransactionsTest, NothingToCommitIsATransaction) {
  begin();
  EXPECT_EQ(submit_nothing(), list({}));
  call(integer(21), "tpc_finish", {id()});
  const auto finish = engine_call<commit::calls::Finish>();
  reply({.ticket = finish.reply_to, .kind = Kind::committed, .tid = Tid(99)});
  ASSERT_TRUE(effects_.committed);
  EXPECT_EQ(effects_.committed->id, integer(21));
  EXPECT_EQ(effects_.committed->tid, Tid(99));
  begin(id(2));
}

// The coordinator holds its objects from the vote on.
TEST_F(SessionTransactionsTest, ATransactionOfChecksAloneIsFinished) {
  begin();
  one_way("checkCurrentSerialInTransaction", {oid(2), tid(5), id()});
  submit();
  voted();
  call(integer(21), "tpc_finish", {id()});
  EXPECT_FALSE(effects_.committed);
  const auto finish = engine_call<commit::calls::Finish>();
  EXPECT_EQ(finish.ticket, ticket_);
  reply({.ticket = finish.reply_to, .kind = Kind::committed, .tid = Tid(99)});
  ASSERT_TRUE(effects_.committed);
  EXPECT_EQ(effects_.committed->tid, Tid(99));
}

TEST_F(SessionTransactionsTest, StatusIsOneCharacterOfAscii) {
  for (const Value& status : {text(""), text("pp"), bytes("\xff"), text("\xc3\xa4"), integer(1)}) {
    session_ = begun({});
    go_live();
    one_way("tpc_begin", {id(), bytes(""), bytes(""), dict({}), none(), status});
    EXPECT_TRUE(ended());
  }
}

TEST_F(SessionTransactionsTest, BeginWithoutItsArgumentsEndsIt) {
  for (const std::vector<Value>& arguments :
       {std::vector<Value>{},
        {id()},
        {id(), none(), bytes("")},
        {id(), bytes(""), integer(1)},
        {id(), bytes(""), bytes(""), dict({}), bytes("short")}}) {
    session_ = begun({});
    go_live();
    one_way("tpc_begin", arguments);
    EXPECT_TRUE(ended());
  }
}

TEST_F(SessionTransactionsTest, MetadataHasLimitsThatTheVoteTells) {
  const std::string most(65'535, 'x');
  one_way("tpc_begin", {id(), bytes(most), bytes(most), dict({}), none(), text(" ")});
  EXPECT_EQ(submit_nothing(), list({}));
  const std::string more(65'536, 'x');
  const auto begins = std::vector<std::vector<Value>>{
      {id(), bytes(more), bytes(""), dict({})},
      {id(), bytes(""), bytes(more), dict({})},
      {id(), bytes(""), bytes(""), dict({{"k", text(more)}})},
  };
  for (const std::vector<Value>& arguments : begins) {
    call("tpc_abort", {id()});
    one_way("tpc_begin", arguments);
    EXPECT_TRUE(silent());
    vote();
    EXPECT_EQ(error_class(), "ZODB.POSException.StorageError");
  }
}

TEST_F(SessionTransactionsTest, ARecordOfNoBytesIsRefusedByTheVote) {
  begin();
  store(1, 0, "");
  EXPECT_TRUE(silent());
  vote();
  EXPECT_EQ(error_class(), "ZODB.POSException.StorageError");
  begin();
  one_way("restorea", {oid(1), tid(77), bytes(""), none(), id()});
  EXPECT_TRUE(silent());
  vote();
  EXPECT_EQ(error_class(), "ZODB.POSException.StorageError");
}

// No file can be written with it.
TEST_F(SessionTransactionsTest, AnOddStatusIsRefusedByTheVote) {
  one_way("tpc_begin", {id(), bytes(""), bytes(""), dict({}), none(), text("u")});
  EXPECT_TRUE(silent());
  store(1, 0, "one");
  vote();
  EXPECT_EQ(error_class(), "ZODB.POSException.StorageError");
}

// It came in a larger message, or beside others.
TEST_F(SessionTransactionsTest, AShortRecordDoesNotKeepWhatItCameWith) {
  begin();
  const Bytes message =
      client_message(session_.encoding(), integer(0), true, "storea",
                     {oid(1), tid(0), bytes("short"), id(), bytes(std::string(1000, 'x'))});
  receive(message);
  const commit::StagedTransaction staged = submit();
  const ByteView data = staged.writes[0].data.view();
  EXPECT_EQ(data, "short");
  EXPECT_TRUE(data.data() < message.view().data() ||
              data.data() >= message.view().data() + message.size());
}

TEST_F(SessionTransactionsTest, OidsAreAskedForByTheHundred) {
  call(integer(1), "new_oids");
  EXPECT_TRUE(silent());
  const auto first = engine_call<commit::calls::AllocateOids>();
  EXPECT_EQ(first.count, 100U);
  call(integer(2), "new_oids", {integer(2)});
  const auto second = engine_call<commit::calls::AllocateOids>();
  EXPECT_EQ(second.count, 2U);
  reply({.ticket = second.ticket, .kind = Kind::oids, .first_oid = Oid(7), .oid_count = 2});
  EXPECT_EQ(result(), list({oid(7), oid(8)}));
  EXPECT_EQ(got_[0].id, integer(2));
  reply(CommitEffects::Reply::failure(first.ticket, ErrorCode::out_of_space, "the disk is full"));
  EXPECT_EQ(error_class(), "ZODB.POSException.StorageError");
  EXPECT_EQ(got_[0].id, integer(1));
}

// Applications repeat a transaction whose connection was lost, and not one that got this answer.
TEST_F(SessionTransactionsTest, AServerThatStopsHangsUpInsteadOfRefusing) {
  call(integer(1), "new_oids");
  const auto oids = engine_call<commit::calls::AllocateOids>();
  reply(CommitEffects::Reply::failure(oids.ticket, ErrorCode::shutting_down, "the end"));
  EXPECT_TRUE(got_.empty());
  ASSERT_TRUE(effects_.close);
  EXPECT_EQ(effects_.close->code, ErrorCode::shutting_down);
}

TEST_F(SessionTransactionsTest, AVoteThatAStoppingServerRefusesEndsTheConnection) {
  begin();
  store(1, 5, "mine");
  submit();
  failed(ErrorCode::shutting_down, "the end");
  EXPECT_TRUE(got_.empty());
  ASSERT_TRUE(effects_.close);
  EXPECT_EQ(effects_.close->code, ErrorCode::shutting_down);
}

TEST_F(SessionTransactionsTest, OidsHaveALimit) {
  for (const auto& [asked, given] : {std::pair{1'000'000, 100U}, {0, 1U}, {-5, 1U}, {7, 7U}}) {
    call("new_oids", {integer(asked)});
    EXPECT_EQ(engine_call<commit::calls::AllocateOids>().count, given);
  }
  call("new_oids", {text("x")});
  EXPECT_EQ(error_class(), "builtins.TypeError");
}

TEST_F(SessionTransactionsTest, ReadersDoNotWrite) {
  session_ = begun({});
  go_live(true);
  call("new_oids");
  EXPECT_EQ(error(), read_only_error());
  call("storeBlobStart");
  EXPECT_EQ(error(), read_only_error());
  one_way("tpc_begin", {id(), bytes(""), bytes(""), dict({})});
  EXPECT_TRUE(ended());
}

}  // namespace
}  // namespace zeolite::zeo
