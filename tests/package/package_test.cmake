# Installs the client from BUILD_DIR and uses it from outside: by find_package, by pkg-config and, as
# far as configuring, by add_subdirectory. Run with cmake -P; see cmake/install.cmake.

set(work ${BUILD_DIR}/package_test)
file(REMOVE_RECURSE ${work})
set(consumer ${SOURCE_DIR}/tests/package/consumer)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output
                  ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${status}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(configure_and_run name)
  run(${CMAKE_COMMAND} -S ${consumer} -B ${work}/${name} -G Ninja
      -D CMAKE_CXX_COMPILER=${COMPILER} ${ARGN})
  run(${CMAKE_COMMAND} --build ${work}/${name})
  run(${work}/${name}/consumer)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD_DIR} --component client --prefix ${work}/installed)
# It must not lean on where it was installed first.
file(RENAME ${work}/installed ${work}/prefix)
configure_and_run(by_find_package -D CMAKE_PREFIX_PATH=${work}/prefix)

file(GLOB_RECURSE pc_file ${work}/prefix/zeolite.pc)
get_filename_component(pc_dir ${pc_file} DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${pc_dir})
run(pkg-config --cflags --libs zeolite)
separate_arguments(flags UNIX_COMMAND "${output}")
run(${COMPILER} -std=c++20 -Wall -Wextra -Werror ${consumer}/main.cc ${flags}
    -o ${work}/by_pkg_config)
run(${work}/by_pkg_config)

run(${CMAKE_COMMAND} -S ${consumer} -B ${work}/by_add_subdirectory -G Ninja
    -D CMAKE_CXX_COMPILER=${COMPILER} -D ZEOLITE_SOURCE_DIR=${SOURCE_DIR})
