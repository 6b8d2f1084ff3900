#pragma once

#include <string_view>

namespace zeolite::cli {

// What `zeolite COMMAND --help` says besides the options: one paragraph and examples.
struct CommandHelp {
  std::string_view summary;    // in the list of commands
  std::string_view paragraph;  // above the command's own options
  std::string_view examples;   // below them
};

inline constexpr std::string_view kMainHelp =
    "Zeolite: an object database server. It keeps the transactions of C++ applications and\n"
    "of imported ZODB databases, and tells the clients' caches what changed.";

inline constexpr std::string_view kMainFooter =
    R"(Start here:
  zeolite serve --data var/main            a server on 127.0.0.1:8090
  zeolite status                           what it is doing
  zeolite log --follow                     transactions as they are committed
Each command explains itself: zeolite COMMAND --help

Exit codes: 0 done, 1 failed, 2 usage, 3 unreachable, 4 refused for safety, 5 damage found,
6 timed out.)";

inline constexpr CommandHelp kServeHelp{
    "serve the data in a directory",
    R"(Serve the data in a directory until SIGTERM or SIGINT. The server is ready when a line
beginning "ready" with its address appears on standard error; the log goes there, too. The first
signal answers what is under way and stops, a second one stops at once; neither loses an
acknowledged commit. Without any port named here or in the file it listens on 127.0.0.1: 8090 for
the native protocol, 8100 for ZEO clients, 8101 for those that only read.)",
    R"(Examples:
  zeolite serve --data var/main
  zeolite serve --data var/main --native 0.0.0.0:8090 --name db1
  zeolite serve --data var/main --zeo :8100 --zeo-tls-certificate db1.pem --zeo-tls-key db1.key
  zeolite serve --data var/copy --native 127.0.0.1:8190 --standby-of 127.0.0.1:8090
  zeolite serve --data var/main --etcd http://e1:2379,http://e2:2379,http://e3:2379
  zeolite serve --config /etc/zeolite.toml --log-level warning)"};

inline constexpr CommandHelp kPromoteHelp{
    "make a standby the primary",
    R"(Make the standby at --at the primary. For when its primary is gone and no election decides;
see to it that the old primary is dead, or it may go on serving whoever still reaches it. Refused
while the primary is alive (use switchover), or when the standby was not in sync, unless --force.)",
    R"(Examples:
  zeolite promote --at db2:8090)"};

inline constexpr CommandHelp kSwitchoverHelp{
    "let a standby take over from the primary",
    R"(Let a standby take over from the primary, in order: commits are held back for a moment, the
standby gets everything, takes over, and the old primary follows it. When that is not done in time,
the primary goes on.)",
    R"(Examples:
  zeolite switchover --at db1:8090,db2:8090
  zeolite switchover --at db1:8090 --to db2)"};

inline constexpr CommandHelp kDemoteHelp{
    "make the primary step down",
    R"(Make the primary step down, without naming who takes over: with an election another may, else
nobody leads until a standby is promoted.)",
    R"(Examples:
  zeolite demote --at db1:8090)"};

inline constexpr CommandHelp kDivergenceHelp{
    "show or replay what a takeover left out",
    R"(A primary that comes back after a takeover undoes the transactions that the new one never
got, and keeps them in a file in its data directory, in `divergence`. Show prints what is in such a
file; replay commits its transactions again, as new ones, in their order. One that is in conflict
with what happened since is left out and named, and so is what was built upon it; replaying a file
again does not commit anything twice.)",
    R"(Examples:
  zeolite divergence show var/main/divergence
  zeolite divergence replay var/main/divergence/FILE.zdiv --at db2:8090 --dry-run
  zeolite divergence replay var/main/divergence/FILE.zdiv --at db2:8090)"};

inline constexpr CommandHelp kStatusHelp{
    "what a server is and does",
    R"(Print what a server is and does: its role, epoch, the last transaction in its log and the
newest that clients may see, how many clients are connected, and its standbys with their lag.
Answers from a standby as well when no primary is among the addresses.)",
    R"(Examples:
  zeolite status
  zeolite status --at db1:8090,db2:8090 --json)"};

inline constexpr CommandHelp kLoadHelp{
    "write an object's record to standard output",
    R"(Write the bytes of an object's record to standard output, exactly as the application stored
them: the current ones, or those it had before a transaction. An object that does not exist, or
was deleted, is exit code 1 and a sentence on standard error.)",
    R"(Examples:
  zeolite load 0 > root.pickle
  zeolite load --at db1:8090 000000000000002a --before 0352f5a1c3d4e5f6
  zeolite load 2a --json)"};

inline constexpr CommandHelp kLogHelp{
    "print transactions",
    R"(Print the transactions, oldest first, one line each, with tabs between: tid, time (UTC),
user, description, and the oids written, with commas. Control characters in texts are printed as
escapes. With --follow the command waits for new transactions until it is stopped.)",
    R"(Examples:
  zeolite log | tail
  zeolite log --since 0352f5a1c3d4e5f6 --json
  zeolite log --follow)"};

inline constexpr CommandHelp kImportHelp{
    "copy a Data.fs file into a data directory",
    R"(Copy a FileStorage file (Data.fs) into a data directory: every transaction with its tid,
user, description and extension, every record byte for byte. The server must not be running on that
directory. The copy may be stopped at any time (Ctrl-C) and leaves whole transactions;
--incremental goes on from there, or brings over what was appended to the file since.)",
    R"(Examples:
  zeolite import filestorage:Data.fs --blobs blobstorage --data var/main
  zeolite import filestorage:Data.fs --dry-run
  zeolite import filestorage:Data.fs --data var/main
  zeolite import filestorage:Data.fs --data var/main --incremental)"};

inline constexpr CommandHelp kExportHelp{
    "write all transactions into a Data.fs file",
    R"(Write all transactions into a FileStorage file (Data.fs) that ZODB opens: each with its tid,
user, description and extension, every record byte for byte, undo as back-pointers. From a running
server it takes what was committed when it began. The file appears under its name when it is whole;
one that is there is only replaced with --force.)",
    R"(Examples:
  zeolite export filestorage:Data.fs --data var/main
  zeolite export filestorage:/backup/Data.fs --at db1:8090
  zeolite export filestorage:Data.fs --at db1:8090,db2:8090 --force --json)"};

inline constexpr CommandHelp kVerifyHelp{
    "check that the data is whole; print its digest",
    R"(Read everything and check that it holds together: the chain over the log, the hash of every
transaction's records, and that each record is where the log says. Prints how many transactions,
revisions and blobs there are and a digest of their content: equal content has an equal digest on
every node. Exit code 5 means damage, which is described line by line.)",
    R"(Examples:
  zeolite verify --data var/main
  zeolite verify --at db1:8090 --json)"};

inline constexpr CommandHelp kPackHelp{
    "remove old history and unused objects",
    R"(Remove what is not needed as of a time: older revisions of objects, and objects that cannot
be reached from the root any more. Everything later stays. Commits and loads go on meanwhile. A pack
that is cut off, by Ctrl-C here or by the end of the server, goes on by itself. Times are UTC.)",
    R"(Examples:
  zeolite pack --days 7 --dry-run
  zeolite pack --days 7
  zeolite pack --before 2026-01-01T00:00:00Z --no-gc --at db1:8090)"};

inline constexpr CommandHelp kBenchHelp{
    "measure a server",
    R"(Measure a server with connections that each have one request under way. It writes objects of
its own into the storage: use one made for the purpose.
  commit      one object a transaction, no conflicts; goes on through a restart or a takeover
  load        loads of random objects, nothing cached on the client
  mixed       4 loads to 1 read-modify-write of random shared objects
  invalidate  one writer; the time from its answer until the last client was told
  ping        the round trip alone)",
    R"(Examples:
  zeolite bench commit --at 127.0.0.1:8090 --clients 64 --seconds 10
  zeolite bench load --clients 16 --seconds 5 --size 300 --objects 100000 --json
  zeolite bench invalidate --clients 200 --seconds 10)"};

inline constexpr CommandHelp kVersionHelp{"print the version of this program",
                                          R"(Print the version of this program.)",
                                          R"(Examples:
  zeolite version
  zeolite version --json)"};

}  // namespace zeolite::cli
