#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "gumtile/lm_head.h"
#include "head/fields.h"
#include "tools/device_array.h"
#include "tools/options.h"

namespace gumtile::tools {

/// What the rows of a call request, on the command line: one option per input of the table
/// (src/head/fields.cpp) that is per row or per slot, e.g. `--temperature T,...`.
class Requests {
 public:
  /// Adds the options to `app`, which writes to this object.
  void add_options(CLI::App& app);

  /// Reads the options' texts. Throws Error(usage) naming the option.
  void parse();
  /// Gives every row and slot its values; draws seeds that were not given. Throws likewise.
  void spread_over(size_t rows);
  /// Copies the values for the device and sets the members of `args`; the copies are valid as long as this
  /// object.
  void bind(const std::shared_ptr<Engine>& engine, SampleArgs& args);

  /// The features that the given inputs need.
  Features features() const;

  /// Rows of no slot are not sampled.
  bool is_active(size_t row) const;
  const std::vector<uint64_t>& seeds() const;  ///< by slot
  uint64_t seed_of(size_t row) const;
  bool has_drawn_seeds() const { return has_drawn_seeds_; }
  /// Whether any row draws: not all are greedy.
  bool is_random() const;

 private:
  using Values = std::variant<std::vector<float>, std::vector<uint64_t>, std::vector<int32_t>>;
  struct Input {
    const head::Field* field;
    std::string text;  ///< the default if the option is not given; empty: there is none
    CLI::Option* option;
    Values values;
  };
  const Input& input(std::string_view name) const;
  template <typename T>
  const std::vector<T>& values(std::string_view name) const {
    return std::get<std::vector<T>>(input(name).values);
  }

  std::deque<Input> inputs_;  ///< at addresses that do not change
  std::vector<DeviceArray> copies_;
  bool has_drawn_seeds_ = false;
};

}  // namespace gumtile::tools
