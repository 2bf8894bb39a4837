// LLVM's archives need arc4random for the names of temporary files. glibc has it from 2.36 on. With this
// definition, which is not visible outside of the library, the wheel needs only 2.34.
#include <sys/random.h>

#include <cerrno>
#include <cstdint>

extern "C" uint32_t arc4random() {
  uint32_t word = 0;
  while (getrandom(&word, sizeof word, 0) < 0 && errno == EINTR) {
  }
  return word;
}
