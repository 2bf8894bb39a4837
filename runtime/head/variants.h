#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gumtile/lm_head.h"
#include "gumtile/plan.h"
#include "runtime/head/bindings.h"

namespace gumtile::head {

/// The kernels of a head for one set of features: one per batch bucket.
struct Variant {
  Features features;
  Program program;
  CallBindings bindings;
  std::vector<const Kernel*> kernel_of_bucket;
  std::vector<KernelChoice> choices;  ///< by bucket
};

/// All kernels of a head. Kernels are only added: a captured graph may refer to any of them.
class Variants {
 public:
  Variants(std::shared_ptr<Engine> engine, const LmHeadOptions& options)
      : engine_(std::move(engine)), options_(options) {}

  /// See LmHead::prepare. `weights_alignment`: bytes that divide the address and row stride of the weights.
  void prepare(const PrepareOptions& options, int weights_alignment, const void* weights,
               int64_t weights_row_stride);

  /// See LmHead::set_weights.
  void bind_weights(const void* weights, int64_t weights_row_stride);

  /// The variant that serves launches which request `features`; null if none is prepared.
  const Variant* serving(Features features) const noexcept {
    for (const Variant* variant : by_size_)
      if ((variant->features & features) == features) return variant;
    return nullptr;
  }
  int64_t prepared_rows() const noexcept { return prepared_rows_; }
  /// Whether there are kernels, including those of a call that then failed: they rely on the weights'
  /// alignment at that time.
  bool has_kernels() const noexcept { return !kernels_.empty(); }
  const std::vector<std::unique_ptr<Variant>>& all() const { return variants_; }

 private:
  struct LoadedSchedule {
    Features features;
    Schedule schedule;
    Kernel kernel;
  };
  struct Wanted;

  void prepare_all(const PrepareOptions& options, Problem problem, const void* weights,
                   int64_t weights_row_stride);
  Variant& variant(Features features);
  KernelChoice choose(const Variant& variant, const Problem& problem, Schedule& schedule) const;
  const Kernel* find(Features features, const Schedule& schedule) const;
  void load_missing(const std::vector<Wanted>& wanted, const PrepareOptions& options, const void* weights,
                    int64_t weights_row_stride);

  std::shared_ptr<Engine> engine_;
  LmHeadOptions options_;
  std::vector<std::unique_ptr<Variant>> variants_;
  std::vector<std::unique_ptr<LoadedSchedule>> kernels_;
  std::vector<const Variant*> by_size_;  ///< those with fewest features first
  int64_t prepared_rows_ = 0;
};

}  // namespace gumtile::head
