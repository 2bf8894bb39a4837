#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gumtile/artifact.h"
#include "gumtile/kernel_source.h"
#include "gumtile/lm_head.h"
#include "gumtile/log.h"
#include "gumtile/plan.h"

namespace gumtile {

class TuningRecords;

/// What a pack was made for.
struct PackDescription {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t first_token = 0;
  DType hidden_dtype = DType::bf16;
  DType weights_dtype = DType::bf16;
  std::vector<DType> token_dtypes;
  NoiseScheme noise = NoiseScheme::grouped;
  std::string settings;  ///< of the head, as text: "softcap=30,bias=bf16"; empty: none
  std::vector<Features> feature_sets;
  int64_t max_rows = 0;  ///< the largest batch whose bucket has schedules of its own
  std::string gumtile_version;
  std::string compiler;  ///< "LLVM 22.1.x"; with the assembler's version if there are cubins
};

/// A kernel in a pack. A kernel that exists as PTX and as a cubin is two entries.
struct PackEntry {
  std::string target;   ///< Target::str()
  std::string program;  ///< digest(Program)
  Features features = 0;
  DType token_dtype = DType::i32;
  std::string schedule;  ///< Schedule::str()
  int weights_alignment = 1;
  KernelArtifact::Format format = KernelArtifact::Format::ptx;
  /// The batch buckets that it serves, and its place among the schedules that are good for each (0: the
  /// best).
  struct Bucket {
    int64_t max_rows = 0;
    int place = 0;
  };
  std::vector<Bucket> buckets;
  uint64_t bytes = 0;  ///< in the file
};

/// A file of compiled kernels, for applications without a compiler. A pack is trusted: its hashes detect
/// damage, not malice, and its kernels are code that runs in the process. Thread safe. The file is mapped:
/// replace it by renaming another one over it, never change it in place.
///
/// - GPU: a kernel for exactly `plan.target`; its cubin if there is one, with the PTX as fallback
///   (`find_ptx`).
/// - host: the best variant for this processor (`x86-64-v2` to `x86-64-v4+avx512bf16`), or the one that
///   `plan.target` names.
///
/// A kernel for weights of a smaller alignment serves weights of a larger one.
class Pack : public KernelSource {
 public:
  virtual const PackDescription& description() const = 0;
  virtual const std::vector<PackEntry>& entries() const = 0;
  /// The JSON texts of the tuning records in the pack.
  virtual const std::vector<std::string>& tuning_records() const = 0;
  /// 32 hex digits: equal for equal contents.
  virtual const std::string& hash() const = 0;
};

/// Maps a pack and verifies its index; kernels are verified when they are used. Throws Error(io) if the file
/// cannot be read, and Error(bad_data), naming it and what was found, if it is damaged, truncated, not a
/// pack, or of another format version.
std::shared_ptr<Pack> open_pack(const std::filesystem::path& path);

/// The same for a pack's bytes in memory; `name` stands for its path in messages.
std::shared_ptr<Pack> read_pack(std::string bytes, const std::string& name);

/// User records from `folder` (see `TuningRecords::load`), then those of the packs, then shipped ones.
std::shared_ptr<const TuningRecords> load_tuning(const std::vector<std::shared_ptr<Pack>>& packs,
                                                 const std::filesystem::path& folder = {},
                                                 const Log& log = {});

/// A source that asks each of `sources` in turn; the first one that has a kernel gives it. Null pointers are
/// ignored. If none has it, the last one's error is thrown, with those of the others as notes. A source that
/// has a kernel and cannot give it, e.g. from a damaged file, is passed over; if no other source has it, its
/// error is thrown. If a device refuses a cubin and no source has its PTX, a source that compiles PTX is
/// asked.
std::shared_ptr<KernelSource> make_chain(std::vector<std::shared_ptr<KernelSource>> sources);

/// What to put into a pack.
struct PackRequest {
  LmHeadOptions head;  ///< `schedule`: this one only, for every bucket
  std::vector<Features> feature_sets = {kNoFeatures, feature_logprob};
  std::vector<DType> token_dtypes;  ///< heads for each of them; empty: for head.token_dtype
  int64_t max_rows = 64;
  /// GPUs in the form that devices use (sm_90a, not sm_90). "host" stands for all variants of it.
  std::vector<Target> targets;
  std::shared_ptr<const TuningRecords> tuning;  ///< null: none
};

/// A kernel to compile for a pack.
struct PackPlan {
  KernelPlan plan;
  Features features = 0;
  DType token_dtype = DType::i32;
  std::vector<PackEntry::Bucket> buckets;
};

/// The kernels that a pack needs: for every target, feature set, type of tokens and bucket the schedules that
/// were tuned for each known card of the target's architecture, and those that the built-in heuristic chooses
/// on it. Each schedule is listed once. Throws Error(usage) for an impossible request.
std::vector<PackPlan> plan_pack(const PackRequest& request);

/// The JSON texts of the tuning records that belong to a pack: those for its Programs, problems and targets,
/// of all cards.
std::vector<std::string> pack_tuning_records(const PackRequest& request);

/// The host targets that packs hold, the best last, and those of them that this process can run, the best
/// first. Both are empty on machines other than x86-64.
std::vector<Target> host_pack_targets();
std::vector<Target> runnable_host_targets();

/// Builds a pack. Not thread safe.
class PackWriter {
 public:
  explicit PackWriter(const PackRequest& request, std::string compiler);
  ~PackWriter();

  /// Adds an artifact of a plan; a plan may have PTX and a cubin.
  void add(const PackPlan& plan, const KernelArtifact& artifact);
  /// Adds the JSON text of a tuning record.
  void add_tuning_record(std::string text);

  /// The pack's bytes. They do not depend on the order of additions.
  std::string bytes() const;
  /// Writes the pack; a reader of `path` sees the old file or all of the new one. A device or a pipe is
  /// written to, and the target of a symbolic link is replaced. Returns the pack's size. Throws
  /// Error(cannot_create).
  uint64_t write(const std::filesystem::path& path) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gumtile
