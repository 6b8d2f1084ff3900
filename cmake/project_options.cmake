# Compiler settings of the project's own targets. Consumers of the installed package inherit none.

if(PROJECT_IS_TOP_LEVEL)
  find_program(CCACHE ccache)
  if(CCACHE)
    # With paths relative to the tree, what one checkout compiled serves another.
    set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
        "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${CCACHE}")
  endif()
  if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo)
  endif()
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(zeolite_options INTERFACE)
target_compile_options(zeolite_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2 -Wcast-qual -Wmissing-declarations
  -Wimplicit-fallthrough -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 takes the unions within std::expected and std::variant, once inlined, for uninitialised.
  target_compile_options(zeolite_options INTERFACE -Wno-maybe-uninitialized)
endif()
if(ZEOLITE_WERROR)
  target_compile_options(zeolite_options INTERFACE -Werror)
endif()
if(ZEOLITE_SANITIZE)
  target_compile_options(zeolite_options INTERFACE
    -fsanitize=${ZEOLITE_SANITIZE} -fno-sanitize-recover=all)
  if(ZEOLITE_SANITIZE MATCHES undefined)
    # A check at each use of a pointer doubles the time to compile, and the address sanitizer finds
    # the same at run time.
    target_compile_options(zeolite_options INTERFACE
      -fno-sanitize=null,alignment,object-size,vptr)
  endif()
  target_link_options(zeolite_options INTERFACE -fsanitize=${ZEOLITE_SANITIZE})
endif()
