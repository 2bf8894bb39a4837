/* The version of these headers, for C and C++. gumtile_version() (gumtile.h) is the library's. */
#ifndef GUMTILE_VERSION_H
#define GUMTILE_VERSION_H

/* Semantic versioning. While the major version is 0, a minor release may change the interface. The project's
 * CMakeLists.txt has the same numbers; configuring compares them. */
#define GUMTILE_VERSION_MAJOR 0
#define GUMTILE_VERSION_MINOR 1
#define GUMTILE_VERSION_PATCH 0

/* One number for a version, for the preprocessor:
 *     #if GUMTILE_VERSION >= GUMTILE_MAKE_VERSION(0, 2, 0) */
#define GUMTILE_MAKE_VERSION(major, minor, patch) ((major)*10000 + (minor)*100 + (patch))
#define GUMTILE_VERSION \
  GUMTILE_MAKE_VERSION(GUMTILE_VERSION_MAJOR, GUMTILE_VERSION_MINOR, GUMTILE_VERSION_PATCH)

#define GUMTILE_VERSION_STRING "0.1.0"

#endif
