# The shared libraries behind gumtile/gumtile.h: gumtile::runtime without a compiler, gumtile::jit with one. They export
# only the C interface; the symbols of what they link stay private.
add_library(gumtile_capi_objects OBJECT ${PROJECT_SOURCE_DIR}/runtime/capi/capi.cpp)
target_link_libraries(gumtile_capi_objects PRIVATE gumtile_pack $<BUILD_INTERFACE:gumtile_flags>)
target_compile_definitions(gumtile_capi_objects PRIVATE GUMTILE_BUILDING_LIBRARY)

# Each soname carries the major version of the interface, which is that of the project.
function(gumtile_shared_library NAME OUTPUT SOURCE)
  add_library(${NAME} SHARED $<TARGET_OBJECTS:gumtile_capi_objects> ${PROJECT_SOURCE_DIR}/runtime/capi/${SOURCE})
  set_target_properties(${NAME} PROPERTIES OUTPUT_NAME ${OUTPUT} VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR} LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
    LINK_DEPENDS ${PROJECT_SOURCE_DIR}/runtime/capi/exports.map)
  target_include_directories(${NAME} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${NAME} INTERFACE cxx_std_17)
  target_link_libraries(${NAME} PRIVATE ${ARGN} $<BUILD_INTERFACE:gumtile_flags>)
  # Unused parts of a library are dropped, and no other library in the process can replace its symbols.
  target_link_options(${NAME} PRIVATE -Wl,--exclude-libs,ALL -Wl,--gc-sections -Wl,-Bsymbolic
    -Wl,--version-script=${PROJECT_SOURCE_DIR}/runtime/capi/exports.map)
endfunction()

include(GNUInstallDirs)
gumtile_shared_library(gumtile_runtime_shared gumtile_runtime no_jit.cpp gumtile_pack)
set_target_properties(gumtile_runtime_shared PROPERTIES EXPORT_NAME runtime)
add_library(gumtile::runtime ALIAS gumtile_runtime_shared)
if(GUMTILE_JIT)
  gumtile_shared_library(gumtile_shared gumtile with_jit.cpp gumtile_pack gumtile_compiler)
  set_target_properties(gumtile_shared PROPERTIES EXPORT_NAME jit)
  add_library(gumtile::jit ALIAS gumtile_shared)
endif()
