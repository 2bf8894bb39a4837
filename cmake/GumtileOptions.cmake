option(GUMTILE_JIT "Build the compiler; without it neither LLVM nor lld is needed, and kernels come from packs" ON)
option(GUMTILE_STATIC_LLVM "Link LLVM statically (for programs that travel to machines without LLVM)" OFF)
option(GUMTILE_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(GUMTILE_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(GUMTILE_INSTALL "Add what cmake --install installs" ${PROJECT_IS_TOP_LEVEL})
option(GUMTILE_PYTHON "Build libgumtile as Python wheels carry it (set by pip install)" OFF)
option(GUMTILE_WARNINGS_AS_ERRORS "Treat compiler warnings as errors" ${PROJECT_IS_TOP_LEVEL})
set(GUMTILE_SANITIZE "" CACHE STRING "Sanitizers to build with, e.g. address,undefined or thread")

if(GUMTILE_PYTHON)
  list(PREPEND CMAKE_FIND_LIBRARY_SUFFIXES .a) # zlib and zstd travel inside
endif()
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# Flags of our own code; third-party headers are included as system headers.
add_library(gumtile_flags INTERFACE)
target_compile_options(gumtile_flags INTERFACE -Wall -Wextra -Wshadow -Wswitch -Wnon-virtual-dtor)
if(GUMTILE_WARNINGS_AS_ERRORS)
  target_compile_options(gumtile_flags INTERFACE -Werror)
endif()
if(GUMTILE_SANITIZE)
  target_compile_options(gumtile_flags INTERFACE -fsanitize=${GUMTILE_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(gumtile_flags INTERFACE -fsanitize=${GUMTILE_SANITIZE})
endif()

# For programs that link our shared libraries but not our flags: a sanitizer's runtime has to come first.
function(gumtile_link_sanitizer NAME)
  if(GUMTILE_SANITIZE)
    target_link_options(${NAME} PRIVATE -fsanitize=${GUMTILE_SANITIZE})
  endif()
endfunction()

# A layer: every .cpp of DIR in a static library NAME that may see only the layers in DEPS.
function(gumtile_layer NAME DIR)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${DIR}/*.cpp)
  add_library(${NAME} STATIC ${sources})
  target_include_directories(${NAME} PUBLIC ${PROJECT_SOURCE_DIR}/include)
  target_compile_features(${NAME} PUBLIC cxx_std_20)
  # Without this GCC puts a copy of number formatting (11 KB) into each file that formats text: 50 of them in the runtime.
  # The compiler's layers are not in the runtime.
  if(NOT CMAKE_CURRENT_SOURCE_DIR STREQUAL "${PROJECT_SOURCE_DIR}/codegen")
    target_compile_options(${NAME} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fno-ipa-sra>)
  endif()
  target_link_libraries(${NAME} PUBLIC ${ARG_DEPS} PRIVATE $<BUILD_INTERFACE:gumtile_flags>)
endfunction()
