#include "gumtile/pack.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "gumtile/error.h"
#include "gumtile/tuning.h"
#include "head/fields.h"
#include "head/settings.h"
#include "runtime/cache/entry.h"
#include "runtime/cpu/cpu_info.h"
#include "runtime/io/fault.h"
#include "runtime/io/mapped_file.h"
#include "runtime/pack/format.h"
#include "runtime/pack/host_variants.h"
#include "support/hash.h"

namespace gumtile {
namespace {

using Format = KernelArtifact::Format;

class FilePack : public Pack {
 public:
  /// `text` is the whole file, and `storage` keeps it alive.
  FilePack(std::shared_ptr<const void> storage, std::string_view text, std::string path)
      : storage_(std::move(storage)), path_(std::move(path)), opened_(pack::read_file(text, path_)) {
    for (size_t i = 0; i < opened_.index.entries.size(); ++i) {
      const pack::IndexEntry& e = opened_.index.entries[i];
      entries_.push_back(e.entry);
      by_key_[e.key][static_cast<size_t>(e.entry.format)] = i;
    }
  }

  const PackDescription& description() const override { return opened_.index.description; }
  const std::vector<PackEntry>& entries() const override { return entries_; }
  const std::vector<std::string>& tuning_records() const override { return opened_.index.tuning_records; }
  const std::string& hash() const override { return opened_.hash; }
  std::string identity(const Target& /*target*/) const override { return "pack " + opened_.hash; }

  KernelArtifact get(const KernelPlan& plan) override {
    if (std::optional<KernelArtifact> artifact = find(plan)) return std::move(*artifact);
    throw why_not(plan);
  }

  std::optional<KernelArtifact> find(const KernelPlan& plan) override {
    const std::optional<Found> found = look_up(plan);
    if (!found) return std::nullopt;
    for (Format format : {Format::cubin, Format::ptx, Format::shared_object})
      if (const auto entry = (*found->formats)[static_cast<size_t>(format)])
        return take(*entry, found->key_text);
    return std::nullopt;
  }

  std::optional<KernelArtifact> find_ptx(const KernelPlan& plan) override {
    const std::optional<Found> found = look_up(plan);
    if (!found) return std::nullopt;
    const auto entry = (*found->formats)[static_cast<size_t>(Format::ptx)];
    if (!entry) return std::nullopt;
    return take(*entry, found->key_text);
  }

  std::optional<std::vector<Schedule>> schedules(const Program& program, const Problem& problem,
                                                 const Target& target) const override {
    std::vector<Schedule> offered;
    const PackDescription& d = description();
    if (problem.columns != d.vocab_size || problem.contracted != d.hidden_size ||
        problem.first_column != d.first_token)
      return offered;
    const std::string digest_text = digest(program);
    for (const Target& candidate : candidates(target)) {
      const std::string target_text = candidate.str();
      std::vector<const PackEntry*> usable;
      for (const PackEntry& e : entries_)
        if (e.target == target_text && e.program == digest_text &&
            problem.weights_alignment % e.weights_alignment == 0)
          usable.push_back(&e);
      if (usable.empty()) continue;
      const int64_t bucket = nearest_bucket(usable, problem.max_rows);
      std::vector<std::pair<int, const PackEntry*>> ranked;
      for (const PackEntry* e : usable)
        for (const PackEntry::Bucket& b : e->buckets)
          if (b.max_rows == bucket) ranked.emplace_back(b.place, e);
      std::stable_sort(ranked.begin(), ranked.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
      for (const auto& [place, e] : ranked) {
        const Schedule schedule = parse(*e);
        if (std::find(offered.begin(), offered.end(), schedule) == offered.end()) offered.push_back(schedule);
      }
      return offered;
    }
    return offered;
  }

 private:
  using Formats = std::array<std::optional<size_t>, 3>;  ///< entries by format
  struct Found {
    const Formats* formats;
    std::string key_text;
  };

  /// The targets whose kernels serve `target`, the best first.
  static std::vector<Target> candidates(const Target& target) {
    if (target.is_cuda()) return {target};
    std::vector<Target> runnable = runnable_host_targets();
    if (target.cpu.empty()) return runnable;
    std::erase_if(runnable, [&](const Target& t) { return t != target; });
    return runnable;
  }

  /// The bucket of `max_rows`, else the last one below, else the first one. Kernels take any number of rows:
  /// a bucket only says which kernels are fast.
  static int64_t nearest_bucket(const std::vector<const PackEntry*>& usable, int64_t max_rows) {
    std::set<int64_t> buckets;
    for (const PackEntry* e : usable)
      for (const PackEntry::Bucket& b : e->buckets) buckets.insert(b.max_rows);
    if (buckets.empty()) return 0;
    const auto above = buckets.upper_bound(max_rows);
    return above == buckets.begin() ? *above : *std::prev(above);
  }

  std::optional<Found> look_up(const KernelPlan& plan) const {
    KernelPlan asked = plan;
    for (const Target& target : candidates(plan.target)) {
      asked.target = target;
      for (int alignment = plan.problem.weights_alignment; alignment >= 1; alignment /= 2) {
        asked.problem.weights_alignment = alignment;
        std::string text = key_text(asked);
        const auto found = by_key_.find(hash_hex(text));
        if (found != by_key_.end()) return Found{&found->second, std::move(text)};
      }
    }
    return std::nullopt;
  }

  KernelArtifact take(size_t index, const std::string& key_text) const {
    const pack::IndexEntry& e = opened_.index.entries[index];
    const std::string_view bytes = opened_.entries.substr(e.offset, e.entry.bytes);
    std::optional<cache::Entry> entry;
    if (hash_hex(bytes) == e.hash) entry = cache::decode_entry(bytes);
    if (!entry || entry->key_text != key_text || entry->artifact.format != e.entry.format)
      io::bad_file(
          path_,
          "its kernel for {} with schedule {} is damaged or of another gumtile; copy the pack again, "
          "or make it anew",
          in_quotes(e.entry.target), in_quotes(e.entry.schedule));
    entry->artifact.ready_made = true;
    return std::move(entry->artifact);
  }

  Schedule parse(const PackEntry& e) const {
    try {
      return Schedule::parse(e.schedule);
    } catch (const Error& error) {
      io::bad_file(path_, "its index has a schedule that this gumtile does not know: {}", error.what());
    }
  }

  /// What the pack has, one note per category.
  std::vector<std::string> contents() const {
    const PackDescription& d = description();
    std::set<std::string> targets;
    for (const PackEntry& e : entries_) targets.insert(e.target);
    std::vector<std::string> features;
    for (Features set : d.feature_sets) features.push_back(head::feature_set_name(set));
    std::vector<std::string_view> token_dtypes;
    for (DType dtype : d.token_dtypes) token_dtypes.push_back(name(dtype));
    return {fmt::format(
        "the pack has targets {}; {} x {} from token {}; weights {}, hidden states {}; tokens {}; "
        "noise {}{}; features {}; batches up to {}",
        fmt::join(targets, ", "), d.vocab_size, d.hidden_size, d.first_token, name(d.weights_dtype),
        name(d.hidden_dtype), fmt::join(token_dtypes, ", "), name(d.noise), with_settings(d.settings),
        fmt::join(features, ", "), d.max_rows)};
  }

  Error why_not(const KernelPlan& plan) const {
    const PackDescription& d = description();
    const Problem& p = plan.problem;
    const auto error = [&](ErrorCode code, const std::string& what) {
      return Error(
          code,
          fmt::format("{}: {}; make a pack with it, or give the engine a compiler", in_quotes(path_), what),
          contents());
    };
    const std::vector<Target> usable = candidates(plan.target);
    const bool has_target = std::any_of(entries_.begin(), entries_.end(), [&](const PackEntry& e) {
      return std::any_of(usable.begin(), usable.end(),
                         [&](const Target& target) { return target.str() == e.target; });
    });
    if (!has_target) {
      std::vector<std::string> names;
      for (const Target& target : usable) names.push_back(target.str());
      return error(ErrorCode::device_unavailable,
                   plan.target.is_cuda() || !plan.target.cpu.empty()
                       ? fmt::format("the pack has no kernels for '{}'{}", plan.target.str(),
                                     names.empty() ? ", which this machine cannot run" : "")
                       : fmt::format("the pack has no kernels that this machine can run; it runs {}",
                                     names.empty() ? "none of the host variants"
                                                   : fmt::format("{}", fmt::join(names, ", "))));
    }
    if (p.columns != d.vocab_size || p.contracted != d.hidden_size || p.first_column != d.first_token)
      return error(
          ErrorCode::usage,
          fmt::format("the pack is for {} x {} from token {}; asked for was {} x {} from token {}",
                      d.vocab_size, d.hidden_size, d.first_token, p.columns, p.contracted, p.first_column));
    const std::string program = digest(plan.program);
    std::set<std::string> schedules;
    int least_alignment = 1 << 20;
    for (const PackEntry& e : entries_)
      if (e.program == program) {
        schedules.insert(e.schedule);
        least_alignment = std::min(least_alignment, e.weights_alignment);
      }
    if (schedules.empty())
      return error(ErrorCode::usage, fmt::format("asked for was {}", asked(plan.program)));
    if (least_alignment > p.weights_alignment)
      return error(
          ErrorCode::usage,
          fmt::format("the pack is for weights whose address and row stride are multiples of {} bytes; "
                      "these are of {}",
                      least_alignment, p.weights_alignment));
    return error(ErrorCode::usage,
                 fmt::format("the pack does not have schedule '{}'; its schedules for this Program are {}",
                             plan.schedule.str(), fmt::join(schedules, ", ")));
  }

  /// Describes the variant of the head that a Program is, by the options that make it.
  std::string asked(const Program& program) const {
    LmHeadOptions head;
    Features features = kNoFeatures;
    for (const InputInfo& input : program.inputs) {
      if (input.name == "weights") head.weights_dtype = input.dtype;
      if (input.name == "hidden_states") head.hidden_dtype = input.dtype;
      features |= feature_of(input.name);
    }
    for (const OutputInfo& output : program.outputs) {
      if (output.name == "token") head.token_dtype = output.dtype;
      features |= feature_of(output.name);
    }
    // A Program does not name its noise and settings: they are found by trying.
    for (const std::string& settings : {std::string(), description().settings})
      for (const NoiseScheme noise : {NoiseScheme::grouped, NoiseScheme::per_token}) {
        head.noise = noise;
        head.settings = head::parse_settings(settings).value_or(HeadSettings());
        if (digest(lm_head_program(head, features)) == digest(program))
          return fmt::format(
              "weights {}, hidden states {}, tokens {}, noise {}{}, features {}, which the pack does not "
              "have",
              name(head.weights_dtype), name(head.hidden_dtype), name(head.token_dtype), name(noise),
              with_settings(settings), head::feature_set_name(features));
      }
    return fmt::format("the Program '{}' with other settings than the pack's, or fragments of the user's own",
                       program.name);
  }

  /// Says "without settings" only if the pack has some.
  std::string with_settings(const std::string& settings) const {
    if (!settings.empty()) return " with " + settings;
    return description().settings.empty() ? "" : " without settings";
  }

  static Features feature_of(const std::string& tensor) {
    const head::Field* field = head::find_field(tensor);
    const head::FeatureBit* feature = field == nullptr ? nullptr : head::find_feature(field->feature);
    return feature == nullptr ? kNoFeatures : feature->bit;
  }

  std::shared_ptr<const void> storage_;
  std::string path_;
  pack::OpenedFile opened_;
  std::vector<PackEntry> entries_;
  std::map<std::string, Formats> by_key_;
};

}  // namespace

std::shared_ptr<Pack> open_pack(const std::filesystem::path& path) {
  const std::shared_ptr<const io::MappedFile> file = io::MappedFile::open(path.string());
  return std::make_shared<FilePack>(file, file->text(), path.string());
}

std::shared_ptr<Pack> read_pack(std::string bytes, const std::string& name) {
  const auto text = std::make_shared<const std::string>(std::move(bytes));
  return std::make_shared<FilePack>(text, *text, name);
}

std::shared_ptr<const TuningRecords> load_tuning(const std::vector<std::shared_ptr<Pack>>& packs,
                                                 const std::filesystem::path& folder, const Log& log) {
  std::vector<TuningRecordText> texts;
  for (const std::shared_ptr<Pack>& pack : packs)
    for (const std::string& text : pack->tuning_records()) texts.push_back({pack->hash(), text});
  return TuningRecords::load(folder, log, texts);
}

}  // namespace gumtile
