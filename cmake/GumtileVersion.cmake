# The headers' version must equal the project's: programs test the former, packages and sonames use the latter.
file(READ ${PROJECT_SOURCE_DIR}/include/gumtile/version.h header)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/gumtile/version.h)
foreach(part MAJOR MINOR PATCH)
  if(NOT header MATCHES "#define GUMTILE_VERSION_${part} ${PROJECT_VERSION_${part}}\n")
    message(FATAL_ERROR "GUMTILE_VERSION_${part} in include/gumtile/version.h is not that of version "
      "${PROJECT_VERSION}, which CMakeLists.txt names; change both")
  endif()
endforeach()
if(NOT header MATCHES "#define GUMTILE_VERSION_STRING \"${PROJECT_VERSION}\"\n")
  message(FATAL_ERROR "GUMTILE_VERSION_STRING in include/gumtile/version.h is not \"${PROJECT_VERSION}\", which "
    "CMakeLists.txt names; change both")
endif()
