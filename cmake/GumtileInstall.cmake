# What `cmake --install` installs, and where. Components: runtime and jit (the shared libraries), command, devel
# (headers, the CMake package, pkg-config, docs). No installed file contains an absolute path, so that the tree may be
# moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)

# One export set per library, so that a package without the compiler is complete on its own.
foreach(component runtime jit)
  set(target gumtile_shared)
  if(component STREQUAL "runtime")
    set(target gumtile_runtime_shared)
  endif()
  if(NOT TARGET ${target})
    continue()
  endif()
  install(TARGETS ${target} EXPORT gumtile-${component}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${component} NAMELINK_COMPONENT devel)
  install(EXPORT gumtile-${component} NAMESPACE gumtile:: FILE gumtile-${component}-targets.cmake
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gumtile COMPONENT devel)
endforeach()

install(FILES include/gumtile/gumtile.h include/gumtile/gumtile.hpp include/gumtile/version.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gumtile COMPONENT devel)

configure_package_config_file(cmake/gumtileConfig.cmake.in ${PROJECT_BINARY_DIR}/gumtileConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gumtile PATH_VARS CMAKE_INSTALL_LIBDIR)
# While the version is 0.x, a minor release may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gumtileConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/gumtileConfig.cmake ${PROJECT_BINARY_DIR}/gumtileConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/gumtile COMPONENT devel)

# pkg-config's files find the prefix relative to their own location.
string(REGEX REPLACE "[^/]+" ".." GUMTILE_PREFIX_FROM_PC "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
foreach(name gumtile gumtile-runtime)
  if(name STREQUAL "gumtile" AND NOT TARGET gumtile_shared)
    continue()
  endif()
  configure_file(cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT devel)
endforeach()

# Laid out as in the source tree, so that links between the files stay valid.
install(FILES README.md CHANGELOG.md CONTRIBUTING.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT devel)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT devel)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT devel USE_SOURCE_PERMISSIONS)
install(DIRECTORY bench/results DESTINATION ${CMAKE_INSTALL_DOCDIR}/bench COMPONENT devel)

if(TARGET gumtile_command)
  set_target_properties(gumtile_command PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS gumtile_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT command)
  # The command writes its own completion, so that it always knows all options.
  set(completions)
  foreach(shell bash zsh fish)
    set(file ${PROJECT_BINARY_DIR}/completions/gumtile.${shell})
    add_custom_command(OUTPUT ${file}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/completions
      COMMAND gumtile_command completion ${shell} > ${file}
      DEPENDS gumtile_command VERBATIM)
    list(APPEND completions ${file})
  endforeach()
  add_custom_target(gumtile_completions ALL DEPENDS ${completions})
  install(FILES ${PROJECT_BINARY_DIR}/completions/gumtile.bash RENAME gumtile
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT command)
  install(FILES ${PROJECT_BINARY_DIR}/completions/gumtile.zsh RENAME _gumtile
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT command)
  install(FILES ${PROJECT_BINARY_DIR}/completions/gumtile.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT command)
endif()

# Everything that is installed, but no tests or examples: less to build before `cmake --install`.
add_custom_target(gumtile_installable)
foreach(target gumtile_shared gumtile_runtime_shared gumtile_completions)
  if(TARGET ${target})
    add_dependencies(gumtile_installable ${target})
  endif()
endforeach()
