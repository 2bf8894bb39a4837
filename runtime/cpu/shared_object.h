#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace gumtile::cpu {

/// A shared object loaded from its bytes (the ELF image of a .so in memory), unloaded by the destructor.
/// Nothing stays behind in the file system and no file descriptor is kept. Movable. The bytes are code that
/// will run in this process: load only trusted bytes.
class SharedObject {
 public:
  /// Loads a copy of `image`; `name` appears in error messages and, if the system allows, in /proc/self/maps.
  /// The same bytes may be loaded several times, each with its own data. Throws `Error`: `bad_data` if the
  /// bytes are not a complete shared object for this machine, `internal` if it needs symbols that the process
  /// lacks, `cannot_create` if the system offers no place to load code from. Thread safe.
  SharedObject(std::span<const std::byte> image, const std::string& name);
  ~SharedObject();
  SharedObject(SharedObject&& other) noexcept;
  SharedObject& operator=(SharedObject&& other) noexcept;

  /// The address of an exported function or variable. Throws `Error` (internal) if there is none. Thread
  /// safe.
  void* symbol(const std::string& symbol_name) const;

  /// As `symbol`, as a pointer to a function: `object.function<int(int)>("f")`.
  template <typename Signature>
  Signature* function(const std::string& symbol_name) const {
    return reinterpret_cast<Signature*>(symbol(symbol_name));
  }

 private:
  void* handle_ = nullptr;  ///< of dlopen; null once moved from
  std::string name_;
};

}  // namespace gumtile::cpu
