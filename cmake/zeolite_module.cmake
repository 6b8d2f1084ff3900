# zeolite_module(NAME SOURCES ... HEADERS ... [DEPS module...] [LINK target...]
#                [LINK_PRIVATE target...])
# One folder of src/ as one static library zeolite_NAME (alias zeolite::NAME).
# DEPS are modules, LINK and LINK_PRIVATE other targets.
function(zeolite_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;DEPS;LINK;LINK_PRIVATE" ${ARGN})
  set(target zeolite_${name})
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES} ${arg_HEADERS})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:zeolite_options> ${arg_LINK_PRIVATE})
    if(ZEOLITE_SANITIZE MATCHES address)  # that preset does not optimise
      # What the tests spend their time in; themselves they compile faster without.
      target_compile_options(${target} PRIVATE -O1)
    endif()
  else()
    add_library(${target} INTERFACE ${arg_HEADERS})
    set(scope INTERFACE)
  endif()
  add_library(zeolite::${name} ALIAS ${target})
  target_include_directories(${target} ${scope} $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  foreach(dep IN LISTS arg_DEPS)
    target_link_libraries(${target} ${scope} zeolite_${dep})
  endforeach()
  target_link_libraries(${target} ${scope} ${arg_LINK})
  if(ZEOLITE_TESTS AND EXISTS ${PROJECT_SOURCE_DIR}/tests/${name}/CMakeLists.txt)
    add_subdirectory(${PROJECT_SOURCE_DIR}/tests/${name} ${PROJECT_BINARY_DIR}/tests/${name})
  endif()
endfunction()

# zeolite_tests(NAME SOURCES ... [LINK target...] [LABEL unit|sim|integration|soak]
#               [TIMEOUT seconds])
# One GoogleTest executable NAME_tests, which is one ctest. All of a label are the target LABEL_tests.
function(zeolite_tests name)
  cmake_parse_arguments(arg "" "LABEL;TIMEOUT" "SOURCES;LINK" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  add_executable(${name}_tests ${arg_SOURCES})
  target_include_directories(${name}_tests PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name}_tests PRIVATE zeolite_options ${arg_LINK} GTest::gmock
                                              GTest::gtest_main)
  if(NOT TARGET ${arg_LABEL}_tests)
    add_custom_target(${arg_LABEL}_tests)
  endif()
  add_dependencies(${arg_LABEL}_tests ${name}_tests)
  if(ZEOLITE_SANITIZE)
    math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 4")  # all goes on as it does otherwise, but slower
  endif()
  # One ctest per executable: starting a process per test costs more than the tests do.
  add_test(NAME ${arg_LABEL}.${name} COMMAND ${name}_tests --gtest_brief=1)
  set_tests_properties(${arg_LABEL}.${name} PROPERTIES LABELS ${arg_LABEL} TIMEOUT ${arg_TIMEOUT})
endfunction()
