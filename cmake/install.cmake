# Installs the server (component server) and the client library as package `zeolite` (component
# client): find_package(zeolite) or pkg-config zeolite, then zeolite::client.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

if(TARGET zeolite)
  install(TARGETS zeolite RUNTIME COMPONENT server)
endif()

# The modules beneath the client are ours alone: they are installed as one archive, whose users see
# no target, header or option of them. Boost is header only there and leaves no trace.
add_library(zeolite_client_archive STATIC
  $<TARGET_OBJECTS:zeolite_client> $<TARGET_OBJECTS:zeolite_net> $<TARGET_OBJECTS:zeolite_wire>
  $<TARGET_OBJECTS:zeolite_model> $<TARGET_OBJECTS:zeolite_base>)
set_target_properties(zeolite_client_archive PROPERTIES
  OUTPUT_NAME zeolite EXPORT_NAME client LINKER_LANGUAGE CXX
  ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/package)
target_compile_features(zeolite_client_archive INTERFACE cxx_std_20)
target_include_directories(zeolite_client_archive INTERFACE
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(zeolite_client_archive INTERFACE capnp kj lz4 Threads::Threads)

set(zeolite_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/zeolite)
install(TARGETS zeolite_client_archive EXPORT zeolite-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT client)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/zeolite
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT client FILES_MATCHING PATTERN "*.h")
install(EXPORT zeolite-targets NAMESPACE zeolite::
  DESTINATION ${zeolite_package_dir} COMPONENT client)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/zeolite-config.cmake.in
  ${PROJECT_BINARY_DIR}/package/zeolite-config.cmake INSTALL_DESTINATION ${zeolite_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/zeolite-config-version.cmake
  COMPATIBILITY SameMinorVersion)
# The prefix is found from the file's own place, so that the installation can be moved.
file(RELATIVE_PATH zeolite_up_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/zeolite.pc.in ${PROJECT_BINARY_DIR}/package/zeolite.pc
  @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/zeolite-config.cmake
              ${PROJECT_BINARY_DIR}/package/zeolite-config-version.cmake
  DESTINATION ${zeolite_package_dir} COMPONENT client)
install(FILES ${PROJECT_BINARY_DIR}/package/zeolite.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT client)

# A program outside the project that uses the package; see tests/package.
if(ZEOLITE_TESTS AND NOT ZEOLITE_SANITIZE)
  add_test(NAME integration.package
    COMMAND ${CMAKE_COMMAND} -D BUILD_DIR=${PROJECT_BINARY_DIR} -D SOURCE_DIR=${PROJECT_SOURCE_DIR}
            -D COMPILER=${CMAKE_CXX_COMPILER} -P ${PROJECT_SOURCE_DIR}/tests/package/package_test.cmake)
  set_tests_properties(integration.package PROPERTIES LABELS integration TIMEOUT 300)
endif()
