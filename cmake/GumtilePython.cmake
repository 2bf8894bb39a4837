# What a wheel has besides the modules of python/gumtile: libgumtile, inside the package. `cmake --install` puts it
# there with the component `python`.
#
# The library is one file that carries LLVM, the C++ library, zlib and zstd, so that a machine needs glibc 2.34 and the
# libgcc_s that comes with it. `python/tests/test_wheel.py` checks both.
set_target_properties(gumtile_shared PROPERTIES VERSION ${PROJECT_VERSION_MAJOR}) # wheels cannot hold symbolic links
if(NOT TARGET zstd::libzstd_shared) # the name that LLVM's archives want zstd by
  add_library(zstd::libzstd_shared INTERFACE IMPORTED)
  target_link_libraries(zstd::libzstd_shared INTERFACE zstd::libzstd_static)
endif()
target_sources(gumtile_shared PRIVATE ${PROJECT_SOURCE_DIR}/python/arc4random.cpp)
target_link_options(gumtile_shared PRIVATE -static-libstdc++ -Wl,--as-needed)
install(TARGETS gumtile_shared LIBRARY DESTINATION gumtile/lib COMPONENT python NAMELINK_SKIP)
