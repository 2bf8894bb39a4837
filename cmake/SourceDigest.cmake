# Writes OUTPUT, a header with a digest of the sources under ROOT that determine what code is generated. Two builds of
# one version from different sources must not take each other's kernels from a cache.
file(GLOB_RECURSE files RELATIVE ${ROOT} ${ROOT}/codegen/*.cpp ${ROOT}/codegen/*.h ${ROOT}/src/*.cpp ${ROOT}/src/*.h
  ${ROOT}/include/gumtile/*.h)
list(SORT files)
set(digests "")
foreach(file IN LISTS files)
  file(SHA256 ${ROOT}/${file} digest)
  string(APPEND digests "${file} ${digest}\n")
endforeach()
string(SHA256 digest "${digests}")
string(SUBSTRING ${digest} 0 16 digest)
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define GUMTILE_SOURCE_DIGEST \"${digest}\"\n")
