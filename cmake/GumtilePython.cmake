# The parts of a wheel besides the modules of python/gumtile: libgumtile and the command, inside the package. They are
# installed there by `cmake --install` as component `python`.
#
# The library is one file that contains LLVM, the C++ library, zlib and zstd, so that a machine needs only glibc 2.34
# and the libgcc_s that comes with it. `python/tests/test_wheel.py` checks both.
set_target_properties(gumtile_shared PROPERTIES VERSION ${PROJECT_VERSION_MAJOR}) # wheels cannot hold symbolic links
if(NOT TARGET zstd::libzstd_shared) # the name by which LLVM's archives refer to zstd
  add_library(zstd::libzstd_shared INTERFACE IMPORTED)
  target_link_libraries(zstd::libzstd_shared INTERFACE zstd::libzstd_static)
endif()
target_sources(gumtile_shared PRIVATE ${PROJECT_SOURCE_DIR}/python/arc4random.cpp)
target_link_options(gumtile_shared PRIVATE -static-libstdc++ -Wl,--as-needed)
install(TARGETS gumtile_shared LIBRARY DESTINATION gumtile/lib COMPONENT python NAMELINK_SKIP)

# The command is in the library, too: a separate executable would contain a second LLVM. The installed program only
# calls it.
find_package(CLI11 REQUIRED)
get_target_property(command_sources gumtile_command SOURCES)
get_target_property(command_definitions gumtile_command COMPILE_DEFINITIONS)
target_sources(gumtile_shared PRIVATE ${command_sources} ${PROJECT_SOURCE_DIR}/python/command.cpp)
target_include_directories(gumtile_shared PRIVATE ${PROJECT_SOURCE_DIR})
if(command_definitions)
  target_compile_definitions(gumtile_shared PRIVATE ${command_definitions})
endif()
target_link_libraries(gumtile_shared PRIVATE $<BUILD_INTERFACE:gumtile_cpp> nlohmann_json::nlohmann_json CLI11::CLI11
  fmt::fmt-header-only Threads::Threads)
set_property(SOURCE ${PROJECT_SOURCE_DIR}/tools/main.cpp TARGET_DIRECTORY gumtile_shared
  APPEND PROPERTY COMPILE_DEFINITIONS main=gumtile_command_main)

add_executable(gumtile_python_command ${PROJECT_SOURCE_DIR}/python/command_main.cpp)
target_include_directories(gumtile_python_command PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(gumtile_python_command PRIVATE gumtile_shared)
target_link_options(gumtile_python_command PRIVATE -Wl,--as-needed)
set_target_properties(gumtile_python_command PROPERTIES OUTPUT_NAME gumtile
  RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/python/bin INSTALL_RPATH "$ORIGIN/../lib")
install(TARGETS gumtile_python_command RUNTIME DESTINATION gumtile/bin COMPONENT python)
