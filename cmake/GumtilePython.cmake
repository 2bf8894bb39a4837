# What a wheel has besides the modules of python/gumtile: libgumtile, inside the package. `cmake --install` puts it
# there with the component `python`.
#
# The library is one file that carries LLVM and the C++ library, so that a machine needs glibc and nothing else.
set_target_properties(gumtile_shared PROPERTIES VERSION ${PROJECT_VERSION_MAJOR}) # wheels cannot hold symbolic links
target_link_options(gumtile_shared PRIVATE -static-libstdc++ -static-libgcc)
install(TARGETS gumtile_shared LIBRARY DESTINATION gumtile/lib COMPONENT python NAMELINK_SKIP)
