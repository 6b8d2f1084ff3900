# Third-party libraries, all from Debian 12 packages (tools/packages.txt), as SYSTEM includes.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED)
if(ZEOLITE_SERVER)
  find_package(Boost 1.81 REQUIRED COMPONENTS json)
  find_package(RocksDB 7.8 REQUIRED)
  find_package(OpenSSL 3 REQUIRED)
  find_package(ZLIB REQUIRED)
  pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
  pkg_check_modules(mpack REQUIRED IMPORTED_TARGET mpack)
  find_package(CLI11 REQUIRED)
  find_package(tomlplusplus REQUIRED)
  find_package(spdlog REQUIRED)
  find_package(roaring REQUIRED)
  pkg_check_modules(jemalloc IMPORTED_TARGET jemalloc)  # may be missing
endif()
# Not CapnProtoConfig.cmake: it wants libatomic where CMake does not look for it, for an RPC library
# that we do not use.
pkg_check_modules(capnp REQUIRED IMPORTED_TARGET capnp>=0.9)
find_program(CAPNP_COMPILER capnp REQUIRED)
# Not under the name lz4: RocksDB's own search for it would stumble over our variables.
pkg_check_modules(zeolite_lz4 REQUIRED IMPORTED_TARGET liblz4)
add_library(PkgConfig::lz4 ALIAS PkgConfig::zeolite_lz4)
if(ZEOLITE_TESTS)
  find_package(GTest REQUIRED)
endif()
if(ZEOLITE_BENCH)
  find_package(benchmark REQUIRED)
endif()

# Debian's RocksDB is shared; Boost.Asio and Beast are header only.
add_library(zeolite_asio INTERFACE)
target_link_libraries(zeolite_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(zeolite_asio INTERFACE BOOST_ASIO_NO_DEPRECATED)
if(ZEOLITE_SANITIZE MATCHES "thread")
  # The thread sanitizer does not know fences; what they order here is ordered by mutexes as well.
  target_compile_definitions(zeolite_asio INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()
