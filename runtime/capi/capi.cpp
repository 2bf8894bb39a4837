// The C interface over Engine and LmHead: translates structs, statuses and exceptions, and does nothing else.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "gumtile/assembler.h"
#include "gumtile/error.h"
#include "gumtile/gumtile.h"
#include "gumtile/lm_head.h"
#include "gumtile/module_cache.h"
#include "gumtile/pack.h"
#include "gumtile/tuning.h"
#include "head/fields.h"
#include "head/settings.h"
#include "runtime/capi/default_source.h"
#include "runtime/capi/structs.h"
#include "support/format.h"

using gumtile::Error;
using gumtile::ErrorCode;

struct gumtile_engine {
  std::shared_ptr<gumtile::Engine> engine;
  std::string target;
};

struct gumtile_head {
  std::shared_ptr<gumtile::Engine> engine;
  gumtile::LmHead head;
  std::vector<gumtile::KernelChoice> choices;
};

namespace {

// What `gumtile_last_error` returns. A launch points it to a literal; the pointer has no destructor, so that
// even the first launch of a thread allocates nothing for it.
thread_local const char* last_error = "";
thread_local std::string last_error_text;

gumtile_status fail(gumtile_status status, std::string text) noexcept {
  last_error_text = std::move(text);
  last_error = last_error_text.c_str();
  return status;
}

/// A text for the exception in flight, and its status. Throws if there is no memory for the text.
gumtile_status fail_with_current_exception() {
  try {
    throw;
  } catch (const Error& error) {
    std::string text = error.what();
    for (const std::string& note : error.notes()) text += "\n" + note;
    return fail(static_cast<gumtile_status>(error.code()), std::move(text));
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    return fail(GUMTILE_INTERNAL, fmt::format("a fault of gumtile itself: {}", error.what()));
  } catch (...) {
    last_error = "a fault of gumtile itself";
    return GUMTILE_INTERNAL;
  }
}

/// Runs `body`, which may throw.
template <typename Body>
gumtile_status guarded(const Body& body) noexcept {
  try {
    body();
    return GUMTILE_OK;
  } catch (...) {
    try {
      return fail_with_current_exception();
    } catch (...) {
      last_error = "out of memory";
      return GUMTILE_OUT_OF_MEMORY;
    }
  }
}

template <typename Handle>
void require_handle(const Handle* handle, const char* name) {
  if (handle == nullptr) throw Error(ErrorCode::usage, fmt::format("the {} is null", name));
}

const char* meaning(gumtile::Status status) noexcept {
  switch (status) {
    case gumtile::Status::ok:
      return "";
    case gumtile::Status::not_prepared:
      return "no kernel was prepared for what this launch asks for; prepare the head for it "
             "(gumtile_head_prepare, Head.prepare)";
    case gumtile::Status::too_many_rows:
      return "the launch has more rows than the head was prepared for";
    case gumtile::Status::workspace_too_small:
      return "the workspace is smaller than gumtile_head_workspace_size says";
    case gumtile::Status::invalid_argument:
      return "a pointer is null or misaligned, or a count is wrong; gumtile_head_validate says which";
    case gumtile::Status::launch_failed:
      return "the driver refused the launch";
    case gumtile::Status::context_lost:
      return "an earlier fault on the device made its context unusable";
    case gumtile::Status::forked:
      return "the engine was opened in a parent of this process; open one here";
  }
  return "";
}

static_assert(static_cast<int>(gumtile::Status::not_prepared) == GUMTILE_NOT_PREPARED &&
              static_cast<int>(gumtile::Status::too_many_rows) == GUMTILE_TOO_MANY_ROWS &&
              static_cast<int>(gumtile::Status::workspace_too_small) == GUMTILE_WORKSPACE_TOO_SMALL &&
              static_cast<int>(gumtile::Status::invalid_argument) == GUMTILE_INVALID_ARGUMENT &&
              static_cast<int>(gumtile::Status::launch_failed) == GUMTILE_LAUNCH_FAILED &&
              static_cast<int>(gumtile::Status::context_lost) == GUMTILE_CONTEXT_LOST &&
              static_cast<int>(gumtile::Status::forked) == GUMTILE_FORKED);
static_assert(static_cast<int>(ErrorCode::context_lost) == GUMTILE_CONTEXT_LOST &&
              static_cast<int>(ErrorCode::usage) == GUMTILE_USAGE &&
              static_cast<int>(ErrorCode::bad_data) == GUMTILE_BAD_DATA &&
              static_cast<int>(ErrorCode::device_unavailable) == GUMTILE_DEVICE_UNAVAILABLE &&
              static_cast<int>(ErrorCode::internal) == GUMTILE_INTERNAL &&
              static_cast<int>(ErrorCode::cannot_create) == GUMTILE_CANNOT_CREATE &&
              static_cast<int>(ErrorCode::io) == GUMTILE_IO &&
              static_cast<int>(ErrorCode::cancelled) == GUMTILE_CANCELLED);

gumtile_status launched(gumtile::Status status) noexcept {
  if (status != gumtile::Status::ok) last_error = meaning(status);
  return static_cast<gumtile_status>(status);
}

/// The number in a field of an enum type: callers in C may put any int there, which an enum in C++ may not
/// hold.
template <typename Enum>
int number_in(const Enum& field) {
  static_assert(sizeof(Enum) == sizeof(int));
  int number = 0;
  std::memcpy(&number, &field, sizeof(number));
  return number;
}

gumtile::DType dtype_of(int dtype, gumtile_dtype absent, const char* field) {
  const int number = dtype == 0 ? absent : dtype;
  for (const gumtile::Format& format : gumtile::c_formats())
    if (format.c_number == number) return format.dtype;
  throw Error(ErrorCode::usage, fmt::format("{} is {}, which is no gumtile_dtype", field, dtype));
}

/// A dtype that matrices may have; `absent`: the default if none is given.
gumtile::DType matrix_dtype_of(int dtype, gumtile::DType absent, const char* field) {
  if (dtype == 0) return absent;
  const gumtile::DType found = dtype_of(dtype, GUMTILE_BF16, field);
  if (!gumtile::is_float(found))
    throw Error(ErrorCode::usage,
                fmt::format("{} is an integer; expected {}", field, gumtile::matrix_format_names("or")));
  return found;
}

gumtile::Log log_of(const gumtile_engine_options& options) {
  if (options.log == nullptr) return {};
  return [log = options.log, user = options.log_user](gumtile::LogLevel level, std::string_view message) {
    log(user, static_cast<int>(level), std::string(message).c_str());
  };
}

std::vector<std::shared_ptr<gumtile::Pack>> packs_of(const gumtile_engine_options& given) {
  std::vector<std::shared_ptr<gumtile::Pack>> packs;
  for (size_t i = 0; i < given.pack_count; ++i) {
    if (given.packs == nullptr || given.packs[i] == nullptr)
      throw Error(ErrorCode::usage, fmt::format("the path of pack {} is null", i));
    packs.push_back(gumtile::open_pack(given.packs[i]));
  }
  return packs;
}

/// The packs in their order, then the compiler; null if there is neither.
std::shared_ptr<gumtile::KernelSource> source_of(const gumtile_engine_options& given,
                                                 const std::vector<std::shared_ptr<gumtile::Pack>>& packs,
                                                 const gumtile::Log& log) {
  std::vector<std::shared_ptr<gumtile::KernelSource>> sources(packs.begin(), packs.end());
  if ((given.flags & GUMTILE_ENGINE_NO_JIT) == 0)
    if (auto jit = gumtile::capi::default_source(log))
      sources.push_back((given.flags & GUMTILE_ENGINE_NO_ASSEMBLER) != 0
                            ? std::move(jit)
                            : gumtile::with_assembler(std::move(jit), log));
  if (sources.size() <= 1) return sources.empty() ? nullptr : sources.front();
  return gumtile::make_chain(std::move(sources));
}

gumtile::EngineOptions engine_options(const gumtile_engine_options& given) {
  gumtile::EngineOptions options;
  options.log = gumtile::with_environment_log(log_of(given));
  const std::vector<std::shared_ptr<gumtile::Pack>> packs = packs_of(given);
  options.source = source_of(given, packs, options.log);
  if ((given.flags & GUMTILE_ENGINE_NO_CACHE) == 0) {
    gumtile::ModuleCacheOptions cache;
    if (given.cache_folder != nullptr) cache.folder = given.cache_folder;
    if (given.cache_max_bytes != 0) cache.max_bytes = given.cache_max_bytes;
    cache.log = options.log;
    options.cache = std::make_shared<gumtile::ModuleCache>(std::move(cache));
  }
  if ((given.flags & GUMTILE_ENGINE_NO_TUNING) == 0)
    options.tuning =
        gumtile::load_tuning(packs, given.tuning_folder == nullptr ? "" : given.tuning_folder, options.log);
  options.use_current_context = (given.flags & GUMTILE_ENGINE_CURRENT_CONTEXT) != 0;
  options.max_blocks = given.max_blocks;
  options.cpu_threads = given.cpu_threads;
  return options;
}

/// A member of a struct of options by its name in the table of fields.
template <typename T>
T option_named(const gumtile_head_options& given, std::string_view name) {
  const std::span<const gumtile::head::Field> options = gumtile::head::head_options();
  const std::vector<size_t> offsets = gumtile::head::member_offsets(options);
  const gumtile::head::Field* option = gumtile::head::find_head_option(name);
  if (option == nullptr) throw Error(ErrorCode::internal, fmt::format("there is no option '{}'", name));
  T value{};
  std::memcpy(&value,
              reinterpret_cast<const char*>(&given) + offsets[static_cast<size_t>(option - options.data())],
              sizeof value);
  return value;
}

gumtile::HeadSettings settings_of(const gumtile_head_options& given, gumtile::DType weights_dtype) {
  gumtile::HeadSettings settings;
  for (const gumtile::head::ScalarSetting& scalar : gumtile::head::scalar_settings())
    scalar.set(settings, option_named<float>(given, scalar.name));
  for (const gumtile::head::ArraySetting& array : gumtile::head::array_settings()) {
    const auto* data = option_named<const void*>(given, array.name);
    if (data == nullptr) continue;
    const std::string dtype = fmt::format("{}_dtype", array.name);
    array.set(settings, data, matrix_dtype_of(option_named<int>(given, dtype), weights_dtype, dtype.c_str()));
  }
  return settings;
}

}  // namespace

const char* gumtile_version(void) { return GUMTILE_VERSION_STRING; }
int gumtile_abi_version(void) { return GUMTILE_ABI_VERSION; }
int gumtile_has_jit(void) { return gumtile::capi::kHasCompiler ? 1 : 0; }

const char* gumtile_status_name(gumtile_status status) {
  switch (status) {
    case GUMTILE_USAGE:
      return "usage";
    case GUMTILE_BAD_DATA:
      return "bad_data";
    case GUMTILE_DEVICE_UNAVAILABLE:
      return "device_unavailable";
    case GUMTILE_INTERNAL:
      return "internal";
    case GUMTILE_OUT_OF_MEMORY:
      return "out_of_memory";
    case GUMTILE_CANNOT_CREATE:
      return "cannot_create";
    case GUMTILE_IO:
      return "io";
    case GUMTILE_CANCELLED:
      return "cancelled";
    default:
      return gumtile::name(static_cast<gumtile::Status>(status)).data();
  }
}

const char* gumtile_last_error(void) { return last_error; }

gumtile_status gumtile_engine_open(const gumtile_engine_options* options, gumtile_engine** engine) {
  if (engine != nullptr) *engine = nullptr;
  return guarded([&] {
    require_handle(engine, "place for the engine");
    const gumtile_engine_options defaults = GUMTILE_ENGINE_OPTIONS_INIT;
    const gumtile_engine_options given =
        gumtile::capi::checked_struct(options, defaults, "gumtile_engine_options");
    auto opened = std::make_unique<gumtile_engine>();
    opened->engine =
        gumtile::Engine::open(given.device == nullptr ? "auto" : given.device, engine_options(given));
    opened->target = opened->engine->device().target.str();
    *engine = opened.release();
  });
}

void gumtile_engine_close(gumtile_engine* engine) { delete engine; }

gumtile_status gumtile_engine_describe(const gumtile_engine* engine, gumtile_device_info* info) {
  return guarded([&] {
    require_handle(engine, "engine");
    const gumtile::DeviceDescription& device = engine->engine->device();
    gumtile_device_info values = GUMTILE_DEVICE_INFO_INIT;
    values.name = device.name.c_str();
    values.id = device.id.c_str();
    values.target = engine->target.c_str();
    values.workers = device.workers;
    values.is_gpu = device.target.is_cuda() ? 1 : 0;
    values.memory_bytes = device.memory_bytes;
    gumtile::capi::write_struct(values, info, "gumtile_device_info");
  });
}

gumtile_status gumtile_engine_get_stats(const gumtile_engine* engine, gumtile_engine_stats* stats) {
  return guarded([&] {
    require_handle(engine, "engine");
    const gumtile::EngineStats now = engine->engine->stats();
    gumtile_engine_stats values = GUMTILE_ENGINE_STATS_INIT;
    values.compiles = now.compiles;
    values.cache_hits = now.cache_hits;
    values.loads = now.loads;
    values.shared = now.shared;
    values.allocated_bytes = now.allocated_bytes;
    values.compile_ms = now.compile_ms;
    values.cache_ms = now.cache_ms;
    values.load_ms = now.load_ms;
    values.ready_made = now.ready_made;
    gumtile::capi::write_struct(values, stats, "gumtile_engine_stats");
  });
}

gumtile_status gumtile_engine_allocate(gumtile_engine* engine, size_t bytes, void** memory) {
  if (memory != nullptr) *memory = nullptr;
  return guarded([&] {
    require_handle(engine, "engine");
    require_handle(memory, "place for the address");
    *memory = engine->engine->allocate(bytes);
  });
}

gumtile_status gumtile_engine_release(gumtile_engine* engine, void* memory) {
  return guarded([&] {
    require_handle(engine, "engine");
    engine->engine->release(memory);
  });
}

gumtile_status gumtile_engine_copy_to_device(gumtile_engine* engine, void* to, const void* from,
                                             size_t bytes) {
  return guarded([&] {
    require_handle(engine, "engine");
    engine->engine->copy_to_device(to, from, bytes);
  });
}

gumtile_status gumtile_engine_copy_to_host(gumtile_engine* engine, void* to, const void* from, size_t bytes) {
  return guarded([&] {
    require_handle(engine, "engine");
    engine->engine->copy_to_host(to, from, bytes);
  });
}

gumtile_status gumtile_engine_synchronize(gumtile_engine* engine, void* stream) {
  return guarded([&] {
    require_handle(engine, "engine");
    engine->engine->synchronize(stream);
  });
}

gumtile_status gumtile_head_create(gumtile_engine* engine, const gumtile_head_options* options,
                                   gumtile_head** head) {
  if (head != nullptr) *head = nullptr;
  return guarded([&] {
    require_handle(engine, "engine");
    require_handle(options, "struct of options");
    require_handle(head, "place for the head");
    const gumtile_head_options defaults = GUMTILE_HEAD_OPTIONS_INIT;
    const gumtile_head_options given =
        gumtile::capi::checked_struct(options, defaults, "gumtile_head_options");
    gumtile::LmHeadOptions wanted;
    wanted.vocab_size = given.vocab_size;
    wanted.hidden_size = given.hidden_size;
    wanted.first_token = given.first_token;
    wanted.weights_dtype =
        matrix_dtype_of(number_in(given.weights_dtype), gumtile::DType::bf16, "weights_dtype");
    wanted.hidden_dtype =
        matrix_dtype_of(number_in(given.hidden_dtype), wanted.weights_dtype, "hidden_dtype");
    wanted.token_dtype = dtype_of(number_in(given.token_dtype), GUMTILE_I32, "token_dtype");
    if (wanted.token_dtype != gumtile::DType::i32 && wanted.token_dtype != gumtile::DType::i64)
      throw Error(ErrorCode::usage, "token_dtype is no integer; expected i32 or i64");
    const int noise = number_in(given.noise);
    if (noise != GUMTILE_NOISE_GROUPED && noise != GUMTILE_NOISE_PER_TOKEN)
      throw Error(ErrorCode::usage, fmt::format("noise is {}, which is no gumtile_noise", noise));
    wanted.noise =
        noise == GUMTILE_NOISE_GROUPED ? gumtile::NoiseScheme::grouped : gumtile::NoiseScheme::per_token;
    if (given.schedule != nullptr) wanted.schedule = gumtile::Schedule::parse(given.schedule);
    wanted.settings = settings_of(given, wanted.weights_dtype);
    *head = new gumtile_head{
        engine->engine, gumtile::LmHead(engine->engine, wanted, given.weights, given.weights_row_stride), {}};
  });
}

void gumtile_head_destroy(gumtile_head* head) { delete head; }

gumtile_status gumtile_head_prepare(gumtile_head* head, const gumtile_prepare_options* options) {
  return guarded([&] {
    require_handle(head, "head");
    const gumtile_prepare_options defaults = GUMTILE_PREPARE_OPTIONS_INIT;
    const gumtile_prepare_options given =
        gumtile::capi::checked_struct(options, defaults, "gumtile_prepare_options");
    gumtile::PrepareOptions wanted;
    wanted.max_rows = given.max_rows;
    if (given.feature_sets != nullptr && given.wide_feature_sets != nullptr)
      throw Error(ErrorCode::usage,
                  "feature_sets and wide_feature_sets are both set; one of them is expected");
    if (given.feature_sets != nullptr)
      wanted.feature_sets.assign(given.feature_sets, given.feature_sets + given.feature_set_count);
    if (given.wide_feature_sets != nullptr)
      wanted.feature_sets.assign(given.wide_feature_sets,
                                 given.wide_feature_sets + given.wide_feature_set_count);
    if (given.progress != nullptr)
      wanted.progress = [&](int done, int total) {
        return given.progress(given.progress_user, done, total) != 0;
      };
    wanted.threads = given.threads;
    head->head.prepare(wanted);
    head->choices = head->head.choices();
  });
}

gumtile_status gumtile_head_set_weights(gumtile_head* head, const void* weights, int64_t row_stride) {
  return guarded([&] {
    require_handle(head, "head");
    head->head.set_weights(weights, row_stride);
  });
}

gumtile_status gumtile_head_set_array(gumtile_head* head, const char* name, const void* data) {
  return guarded([&] {
    require_handle(head, "head");
    require_handle(name, "array's name");
    head->head.set_array(name, data);
  });
}

gumtile_status gumtile_parse_features(const char* text, uint64_t* features) {
  return guarded([&] {
    require_handle(text, "text");
    require_handle(features, "place for the features");
    const std::optional<gumtile::Features> found = gumtile::head::parse_feature_set(text);
    if (!found)
      throw Error(
          ErrorCode::usage,
          fmt::format("'{}' is not a set of features; expected \"token\", or names joined by '+' such as {}",
                      text, gumtile::head::feature_set_name(gumtile::kAllFeatures)));
    *features = *found;
  });
}

gumtile_status gumtile_head_workspace_size(const gumtile_head* head, int64_t max_rows, size_t* bytes,
                                           size_t* alignment) {
  return guarded([&] {
    require_handle(head, "head");
    require_handle(bytes, "place for the size");
    *bytes = head->head.workspace_bytes(max_rows);
    if (alignment != nullptr) *alignment = gumtile::kWorkspaceAlignment;
  });
}

gumtile_status gumtile_head_workspace_init(const gumtile_head* head, void* stream, void* workspace,
                                           size_t workspace_bytes) {
  if (head == nullptr) return launched(gumtile::Status::invalid_argument);
  return launched(head->head.workspace_init(stream, workspace, workspace_bytes));
}

gumtile_status gumtile_head_sample(const gumtile_head* head, void* stream, const gumtile_sample_args* args) {
  gumtile_sample_args given = GUMTILE_SAMPLE_ARGS_INIT;
  if (head == nullptr || args == nullptr || !gumtile::capi::read_struct(args, given))
    return launched(gumtile::Status::invalid_argument);
  return launched(head->head.sample(stream, given));
}

gumtile_status gumtile_head_validate(const gumtile_head* head, const gumtile_sample_args* args,
                                     int64_t slots) {
  std::vector<std::string> faults;
  const gumtile_status status = guarded([&] {
    require_handle(head, "head");
    require_handle(args, "struct of arguments");
    const gumtile_sample_args defaults = GUMTILE_SAMPLE_ARGS_INIT;
    std::string note;
    faults = head->head.validate(gumtile::capi::checked_struct(args, defaults, "gumtile_sample_args"), slots,
                                 &note);
    if (!note.empty()) fail(GUMTILE_OK, std::move(note));
  });
  if (status != GUMTILE_OK || faults.empty()) return status;
  return guarded([&] { fail(GUMTILE_OK, fmt::format("{}", fmt::join(faults, "\n"))); }) == GUMTILE_OK
             ? GUMTILE_INVALID_ARGUMENT
             : GUMTILE_OUT_OF_MEMORY;
}

size_t gumtile_head_choice_count(const gumtile_head* head) {
  return head == nullptr ? 0 : head->choices.size();
}

gumtile_status gumtile_head_get_choice(const gumtile_head* head, size_t index,
                                       gumtile_kernel_choice* choice) {
  return guarded([&] {
    require_handle(head, "head");
    if (index >= head->choices.size())
      throw Error(ErrorCode::usage,
                  fmt::format("there is no choice {}; there are {}", index, head->choices.size()));
    const gumtile::KernelChoice& found = head->choices[index];
    gumtile_kernel_choice values = GUMTILE_KERNEL_CHOICE_INIT;
    values.features = static_cast<uint32_t>(found.features);
    values.wide_features = found.features;
    values.max_rows = found.max_rows;
    values.schedule = found.schedule.c_str();
    values.rule = found.rule.c_str();
    values.note = found.note.c_str();
    gumtile::capi::write_struct(values, choice, "gumtile_kernel_choice");
  });
}
