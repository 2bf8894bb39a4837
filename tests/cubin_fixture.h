#pragma once

#include <elf.h>

#include <cstring>
#include <string>
#include <vector>

namespace gumtile::test {

/// The header fields of a cubin that holds only the name of a kernel.
struct CubinSpec {
  std::string kernel = "k";
  unsigned char elf_class = ELFCLASS64;
  unsigned char byte_order = ELFDATA2LSB;
  unsigned char abi_version = 8;
  Elf64_Half machine = 190;
  Elf64_Word flags = 0x06005a04;  ///< sm_90, as CUDA 13 writes it
};

template <typename T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

/// An ELF file with a section of code, a table of symbols and one of names.
inline std::string some_cubin(const CubinSpec& spec = {}) {
  const std::string code(16, '\0');
  const std::string names = std::string(1, '\0') + spec.kernel + std::string(1, '\0');
  Elf64_Sym none{};
  Elf64_Sym kernel{};
  kernel.st_name = 1;
  kernel.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
  kernel.st_shndx = 1;
  kernel.st_size = code.size();
  const std::string symbols = bytes_of(none) + bytes_of(kernel);

  Elf64_Ehdr header{};
  std::string contents;
  std::vector<Elf64_Shdr> sections(1);
  const auto add = [&](Elf64_Word type, Elf64_Xword flags, Elf64_Word link, const std::string& bytes) {
    Elf64_Shdr section{};
    section.sh_type = type;
    section.sh_flags = flags;
    section.sh_link = link;
    section.sh_offset = sizeof(header) + contents.size();
    section.sh_size = bytes.size();
    contents += bytes;
    sections.push_back(section);
  };
  add(SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 0, code);
  add(SHT_SYMTAB, 0, 3, symbols);
  add(SHT_STRTAB, 0, 0, names);

  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = spec.elf_class;
  header.e_ident[EI_DATA] = spec.byte_order;
  header.e_ident[EI_ABIVERSION] = spec.abi_version;
  header.e_machine = spec.machine;
  header.e_flags = spec.flags;
  header.e_shoff = sizeof(header) + contents.size();
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = static_cast<Elf64_Half>(sections.size());
  std::string file = bytes_of(header) + contents;
  for (const Elf64_Shdr& section : sections) file += bytes_of(section);
  return file;
}

}  // namespace gumtile::test
