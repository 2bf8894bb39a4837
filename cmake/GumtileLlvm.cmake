# LLVM 22.1 and lld. The version is pinned, since an older LLVM may be installed as well.
find_package(LLVM 22.1 REQUIRED CONFIG HINTS /usr/lib/llvm-22)
find_package(LLD REQUIRED CONFIG HINTS ${LLVM_LIBRARY_DIR}/cmake/lld)
message(STATUS "LLVM ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}")

add_library(gumtile_llvm INTERFACE)
target_include_directories(gumtile_llvm SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS})
target_compile_definitions(gumtile_llvm INTERFACE ${LLVM_DEFINITIONS_LIST})
if(GUMTILE_STATIC_LLVM)
  llvm_map_components_to_libnames(llvm_libs core support passes nvptxcodegen nvptxinfo nvptxdesc
    x86codegen x86asmparser x86desc x86info lto dtlto option)
  # lld's LTO code refers to LLVM's libraries and to the stubs of codegen/host, so lld's archives come first.
  set(lld_libs $<TARGET_FILE:lldELF> $<TARGET_FILE:lldCommon>)
  target_link_libraries(gumtile_llvm INTERFACE ${lld_libs} ${llvm_libs})
else()
  set(lld_libs $<TARGET_FILE:lldELF> $<TARGET_FILE:lldCommon>)
  target_link_libraries(gumtile_llvm INTERFACE ${lld_libs} LLVM)
endif()
find_package(ZLIB REQUIRED)
find_library(ZSTD_LIBRARY zstd REQUIRED)
target_link_libraries(gumtile_llvm INTERFACE ZLIB::ZLIB ${ZSTD_LIBRARY} ${CMAKE_DL_LIBS})
