// malloc of the whole process, forwarded to glibc's; and system calls through PR_SET_SYSCALL_USER_DISPATCH
// (Linux 5.11, Documentation/admin-guide/syscall-user-dispatch.rst), by which the kernel turns them into
// SIGSYS.
#include "tests/capi/counters.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstddef>

namespace {

std::atomic<std::uint64_t> allocation_count{0};

constexpr int kSetSyscallUserDispatch = 59;  // PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON and _OFF
constexpr unsigned long kDispatchOff = 0;
constexpr unsigned long kDispatchOn = 1;
constexpr char kAllow = 0;  // SYSCALL_DISPATCH_FILTER_ALLOW and _BLOCK
constexpr char kBlock = 1;

volatile char selector = kAllow;
std::uint64_t syscall_count = 0;
long first_syscall = -1;

extern "C" long gumtile_test_raw_syscall(long number, long a, long b, long c, long d, long e, long f);

/// Makes the call that was caught. The return from a signal is a system call, too: it is made with dispatch
/// allowed, by an instruction that the kernel is told to ignore.
void on_syscall(int /*signal*/, siginfo_t* /*info*/, void* context) {
  selector = kAllow;
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const long number = registers[REG_RAX];
  if (syscall_count++ == 0) first_syscall = number;
  registers[REG_RAX] =
      gumtile_test_raw_syscall(number, registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                               registers[REG_R10], registers[REG_R8], registers[REG_R9]);
  selector = kBlock;
}

// The calls that the kernel ignores return to between the two labels: the handler's own, and its return.
asm(R"(
  .text
  .globl gumtile_test_dispatch_begin
gumtile_test_dispatch_begin:
  .globl gumtile_test_raw_syscall
gumtile_test_raw_syscall:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %r10
  mov %r9, %r8
  mov 8(%rsp), %r9
  syscall
  ret
  .globl gumtile_test_restorer
gumtile_test_restorer:
  mov $15, %rax
  syscall
  nop
  .globl gumtile_test_dispatch_end
gumtile_test_dispatch_end:
)");

}  // namespace

extern "C" {
extern char gumtile_test_dispatch_begin[];
extern char gumtile_test_dispatch_end[];
void gumtile_test_restorer();

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t bytes) {
  allocation_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  allocation_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, size_t bytes) {
  allocation_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(memory, bytes);
}
void* memalign(size_t alignment, size_t bytes) {
  allocation_count.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) { return memalign(alignment, bytes); }
int posix_memalign(void** memory, size_t alignment, size_t bytes) {
  *memory = memalign(alignment, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
void free(void* memory) { __libc_free(memory); }
}

namespace gumtile::test {

std::uint64_t allocations() { return allocation_count.load(std::memory_order_relaxed); }

SyscallCounter::SyscallCounter() {
  // rt_sigaction by hand: glibc would put its own restorer, which the kernel would catch.
  struct {
    void (*handler)(int, siginfo_t*, void*);
    unsigned long flags;
    void (*restorer)();
    unsigned long mask;
  } action = {on_syscall, 0x04000000UL | SA_SIGINFO, gumtile_test_restorer, 0};
  if (syscall(SYS_rt_sigaction, SIGSYS, &action, nullptr, sizeof(action.mask)) != 0) return;
  syscall_count = 0;
  first_syscall = -1;
  selector = kAllow;
  works_ = prctl(kSetSyscallUserDispatch, kDispatchOn, gumtile_test_dispatch_begin,
                 gumtile_test_dispatch_end - gumtile_test_dispatch_begin, &selector) == 0;
  if (works_) selector = kBlock;
}

SyscallCounter::~SyscallCounter() {
  selector = kAllow;
  if (works_) prctl(kSetSyscallUserDispatch, kDispatchOff, 0, 0, 0);
}

std::uint64_t SyscallCounter::count() const { return syscall_count; }
long SyscallCounter::first() const { return first_syscall; }

}  // namespace gumtile::test
