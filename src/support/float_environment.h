#pragma once

#include <cstdint>

namespace gumtile {

/// Sets IEEE 754's default arithmetic until the end of the scope: rounding to nearest, subnormal numbers
/// kept, exceptions masked. A caller may have set other modes for its thread (torch.set_flush_denormal,
/// -ffast-math in a library that it loads); they are restored. Threads inherit the modes of the thread that
/// starts them. Takes a few nanoseconds.
class DefaultFloatEnvironment {
 public:
  DefaultFloatEnvironment() noexcept : before_(control()) { set_control(kDefault); }
  ~DefaultFloatEnvironment() { set_control(before_); }
  DefaultFloatEnvironment(const DefaultFloatEnvironment&) = delete;
  DefaultFloatEnvironment& operator=(const DefaultFloatEnvironment&) = delete;

 private:
#if defined(__x86_64__)
  static constexpr uint64_t kDefault = 0x1f80;  // MXCSR: all exceptions masked (Intel SDM, volume 1, 10.2.3)
  static uint64_t control() noexcept { return __builtin_ia32_stmxcsr(); }
  static void set_control(uint64_t value) noexcept { __builtin_ia32_ldmxcsr(static_cast<uint32_t>(value)); }
#elif defined(__aarch64__)
  static constexpr uint64_t kDefault = 0;  // FPCR
  static uint64_t control() noexcept {
    uint64_t value = 0;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void set_control(uint64_t value) noexcept { asm volatile("msr fpcr, %0" : : "r"(value) : "memory"); }
#else
  static constexpr uint64_t kDefault = 0;
  static uint64_t control() noexcept { return 0; }
  static void set_control(uint64_t) noexcept {}
#endif

  uint64_t before_;
};

}  // namespace gumtile
