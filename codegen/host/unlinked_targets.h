#pragma once

// lld initialises every target that LLVM was built with. A static build links only this machine's target and
// NVPTX; these empty functions stand in for the others. Included once, by the file that calls lld.
#ifdef GUMTILE_STATIC_LLVM

#define UNLINKED(name)                       \
  void LLVMInitialize##name##TargetInfo() {} \
  void LLVMInitialize##name##Target() {}     \
  void LLVMInitialize##name##TargetMC() {}   \
  void LLVMInitialize##name##AsmPrinter() {} \
  void LLVMInitialize##name##AsmParser() {}

extern "C" {
#ifndef __aarch64__
UNLINKED(AArch64)
#endif
#ifndef __x86_64__
UNLINKED(X86)
#endif
UNLINKED(AMDGPU)
UNLINKED(ARM)
UNLINKED(AVR)
UNLINKED(BPF)
UNLINKED(Hexagon)
UNLINKED(Lanai)
UNLINKED(LoongArch)
UNLINKED(Mips)
UNLINKED(MSP430)
UNLINKED(PowerPC)
UNLINKED(RISCV)
UNLINKED(Sparc)
UNLINKED(SPIRV)
UNLINKED(SystemZ)
UNLINKED(VE)
UNLINKED(WebAssembly)
UNLINKED(XCore)
UNLINKED(M68k)
UNLINKED(Xtensa)
}

#endif
