#include "runtime/cpu/elf_image.h"

#include <elf.h>
#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace gumtile::cpu {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#elif defined(__riscv)
constexpr Elf64_Half kMachine = EM_RISCV;
#else
constexpr Elf64_Half kMachine = EM_NONE;  // not checked
#endif

constexpr unsigned char kByteOrder = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;

bool fits(size_t offset, size_t bytes, size_t total) { return offset <= total && bytes <= total - offset; }

}  // namespace

std::string why_not_loadable(std::span<const std::byte> image) {
  Elf64_Ehdr header;
  if (image.size() < SELFMAG || std::memcmp(image.data(), ELFMAG, SELFMAG) != 0)
    return "it is not an ELF file";
  if (image.size() < sizeof(header)) return "it is truncated";
  std::memcpy(&header, image.data(), sizeof(header));
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != kByteOrder ||
      (kMachine != EM_NONE && header.e_machine != kMachine)) {
    return fmt::format("it is for another kind of processor (ELF machine {}, here {})", header.e_machine,
                       kMachine);
  }
  if (header.e_type != ET_DYN) return "it is an ELF file but no shared object";
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0) return "it has no program headers";
  if (!fits(header.e_phoff, size_t{header.e_phnum} * sizeof(Elf64_Phdr), image.size()))
    return "it is truncated";
  for (size_t index = 0; index < header.e_phnum; ++index) {
    Elf64_Phdr segment;
    std::memcpy(&segment, image.data() + header.e_phoff + index * sizeof(segment), sizeof(segment));
    if (!fits(segment.p_offset, segment.p_filesz, image.size())) return "it is truncated";
  }
  return {};
}

}  // namespace gumtile::cpu
