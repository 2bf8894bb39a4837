#include "runtime/assembler/cubin.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

namespace gumtile::assembler {
namespace {

// ELF of NVIDIA GPUs, as LLVM's BinaryFormat/ELF.h has it. Up to CUDA 12 with architectures before sm_100 the
// architecture is in the lowest byte of the flags, later in the next one.
constexpr Elf64_Half kMachineCuda = 190;
constexpr unsigned char kFirstAbi = 7;

bool lies_within(uint64_t offset, uint64_t bytes, uint64_t total) {
  return offset <= total && bytes <= total - offset;
}

/// A structure of the file, at any alignment.
template <typename T>
std::optional<T> read_at(std::string_view bytes, uint64_t offset) {
  if (!lies_within(offset, sizeof(T), bytes.size())) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// An ELF image: its sections, and the kernels that they define.
class Image {
 public:
  /// `why_not()` says whether it is valid.
  explicit Image(std::string_view bytes) : bytes_(bytes) { why_not_ = read(); }

  const std::string& why_not() const { return why_not_; }
  const Elf64_Ehdr& header() const { return header_; }

  /// Whether there is a global function of this name with its code in a section of this file.
  bool defines(std::string_view name) const {
    return std::ranges::any_of(sections_, [&](const Elf64_Shdr& s) {
      return s.sh_type == SHT_SYMTAB && s.sh_link < sections_.size() && defines_in(s, name);
    });
  }

 private:
  std::string read() {
    if (!bytes_.starts_with(ELFMAG)) return "it is not an ELF file";
    const std::optional<Elf64_Ehdr> header = read_at<Elf64_Ehdr>(bytes_, 0);
    if (!header) return "it is truncated";
    header_ = *header;
    if (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != ELFDATA2LSB ||
        header_.e_machine != kMachineCuda)
      return fmt::format("it is not for an NVIDIA GPU (ELF machine {}, expected {})", header_.e_machine,
                         kMachineCuda);
    if (header_.e_shnum == 0 || header_.e_shentsize != sizeof(Elf64_Shdr)) return "it has no sections";
    for (uint64_t i = 0; i < header_.e_shnum; ++i) {
      const auto section = read_at<Elf64_Shdr>(bytes_, header_.e_shoff + i * sizeof(Elf64_Shdr));
      if (!section) return "it is truncated";
      const bool has_bytes = section->sh_type != SHT_NOBITS && section->sh_type != SHT_NULL;
      if (has_bytes && !lies_within(section->sh_offset, section->sh_size, bytes_.size()))
        return "it is truncated";
      sections_.push_back(*section);
    }
    return {};
  }

  bool defines_in(const Elf64_Shdr& symbols, std::string_view name) const {
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= symbols.sh_size; at += sizeof(Elf64_Sym)) {
      const auto symbol = read_at<Elf64_Sym>(bytes_, symbols.sh_offset + at);
      if (!symbol || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
          ELF64_ST_BIND(symbol->st_info) != STB_GLOBAL)
        continue;
      if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= sections_.size()) continue;
      const Elf64_Shdr& code = sections_[symbol->st_shndx];
      if ((code.sh_flags & SHF_EXECINSTR) != 0 && symbol->st_size != 0 &&
          name_at(sections_[symbols.sh_link], symbol->st_name) == name)
        return true;
    }
    return false;
  }

  std::string_view name_at(const Elf64_Shdr& names, uint64_t offset) const {
    if (names.sh_type != SHT_STRTAB || offset >= names.sh_size) return {};
    const std::string_view rest = bytes_.substr(names.sh_offset + offset, names.sh_size - offset);
    return rest.substr(0, rest.find('\0'));
  }

  std::string_view bytes_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Shdr> sections_;
  std::string why_not_;
};

int architecture(const Elf64_Ehdr& header) {
  const unsigned shift = header.e_ident[EI_ABIVERSION] <= kFirstAbi ? 0 : 8;
  return static_cast<int>((header.e_flags >> shift) & 0xff);
}

}  // namespace

std::vector<std::string> entries_of(std::string_view ptx) {
  constexpr std::string_view kEntry = ".entry";
  constexpr std::string_view kBlank = " \t\r\n";
  std::vector<std::string> names;
  for (size_t at = ptx.find(kEntry); at != std::string_view::npos; at = ptx.find(kEntry, at)) {
    at = ptx.find_first_not_of(kBlank, at + kEntry.size());
    if (at == std::string_view::npos) break;
    const size_t end = std::min(ptx.find_first_of(" \t\r\n({;", at), ptx.size());
    names.emplace_back(ptx.substr(at, end - at));
    at = end;
  }
  return names;
}

std::string why_not_cubin(std::string_view bytes, const Target& target,
                          std::span<const std::string> entries) {
  const Image image(bytes);
  if (!image.why_not().empty()) return image.why_not();
  if (const int found = architecture(image.header()); found != target.sm)
    return fmt::format("it is for sm_{}, expected {}", found, target.str());
  for (const std::string& entry : entries)
    if (!image.defines(entry)) return fmt::format("it has no kernel '{}'", entry);
  return {};
}

}  // namespace gumtile::assembler
