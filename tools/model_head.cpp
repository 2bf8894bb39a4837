#include "tools/model_head.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <system_error>

#include "gumtile/error.h"
#include "gumtile/tensor_file.h"
#include "runtime/io/fault.h"
#include "runtime/io/model_config.h"
#include "runtime/io/shards.h"
#include "support/format.h"
#include "tools/options.h"

namespace gumtile::tools {
namespace {

namespace fs = std::filesystem;

void say(const std::string& message) { warnings_to_stderr()(LogLevel::warning, message); }

/// Whether the model has weights beside its configuration.
bool has_weights(const PathAndTensor& model) {
  std::error_code ignored;
  if (model.tensor || fs::is_regular_file(model.path, ignored)) return true;
  return io::find_model_file(model.path).has_value();
}

[[noreturn]] void missing(const io::ModelConfig& config, const io::ConfigSize& size, const char* option) {
  io::bad_file(config.path, "{}; give {}", size.fault, option);
}

void take_tensor(const HeadOptions& options, ModelHead& head) {
  const LmHeadFile file = open_lm_head(options.model);
  tell_notes(file, options.vocab_size != 0);
  head.rows = file.weights.view().shape[0];
  head.vocab_size = file.vocab_size;
  head.hidden_size = file.weights.view().shape[1];
  head.dtype = file.weights.view().dtype;
  head.settings = without_addresses(file.settings);
  head.file = file.weights.path();
  head.tensor = file.weights.name();
}

/// Notes weights that are in the folder, but not where they are looked for.
void tell_of_other_weights(const std::string& folder) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".safetensors") {
      say(fmt::format(
          "{}: has {}, but neither model.safetensors nor its index; sizes and type are those of config.json "
          "(to take a file's: --model FILE)",
          in_quotes(folder), in_quotes(entry.path().filename().string())));
      return;
    }
}

void take_config(const HeadOptions& options, const io::ModelConfig& config, ModelHead& head) {
  head.file = config.path;
  if (options.dtype.empty() && !config.quantised_head.empty())
    io::bad_file(config.path, "the head is quantised ('{}'); give --dtype if the weights are {}",
                 config.quantised_head, matrix_format_names("or"));
  if (options.vocab_size == 0) {
    if (!config.vocab_size.value) missing(config, config.vocab_size, "--vocab-size");
    head.vocab_size = *config.vocab_size.value;
  }
  if (options.hidden_size == 0) {
    if (!config.hidden_size.value) missing(config, config.hidden_size, "--hidden-size");
    head.hidden_size = config.embedding_width.value_or(*config.hidden_size.value);
    if (head.hidden_size != *config.hidden_size.value)
      say(fmt::format("{}: hidden_size is {}, but word_embed_proj_dim {}, which is the head's width",
                      in_quotes(config.path), *config.hidden_size.value, head.hidden_size));
  }
  if (options.dtype.empty() && !config.dtype_text.empty() && !config.dtype)
    io::bad_file(config.path,
                 "its weights are of type {}, expected bfloat16, float16 or float32; give --dtype",
                 in_quotes(config.dtype_text));
  head.dtype = config.dtype.value_or(DType::bf16);
  head.settings = config.settings;
  for (const std::string& note : io::unapplied_notes(config)) say(note);
}

/// Options override what the files say; a note says if the tensor differs from an option.
void override_by_options(const HeadOptions& options, ModelHead& head) {
  if (options.vocab_size != 0) {
    if (head.rows != 0 && options.vocab_size > head.rows)
      say(fmt::format("--vocab-size {} is taken, although {} has {} rows", options.vocab_size, describe(head),
                      head.rows));
    head.vocab_size = options.vocab_size;
  }
  if (options.hidden_size != 0) {
    if (head.rows != 0 && options.hidden_size != head.hidden_size)
      say(fmt::format("--hidden-size {} is taken, although {} has {} columns", options.hidden_size,
                      describe(head), head.hidden_size));
    head.hidden_size = options.hidden_size;
  }
  if (!options.dtype.empty()) head.dtype = parse_matrix_dtype("--dtype", options.dtype);
  head.settings = override_settings(options.settings, ArrayValue::type, head.settings);
}

}  // namespace

std::string describe(const ModelHead& head) {
  return head.tensor.empty() ? in_quotes(head.file)
                             : fmt::format("{} (tensor {})", in_quotes(head.file), in_quotes(head.tensor));
}

Json origin_json(const ModelHead& head) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  return {{"file", or_null(head.file)}, {"tensor", or_null(head.tensor)}};
}

std::string origin_text(const ModelHead& head) {
  return head.file.empty() ? "" : fmt::format("head: {}\n", describe(head));
}

void tell_notes(const LmHeadFile& head, bool chosen) {
  for (const std::string& note : head.notes) say(note);
  const int64_t rows = head.weights.view().shape[0];
  if (!chosen && head.vocab_size < rows)
    say(fmt::format(
        "{}: vocab_size is {} in config.json, so that the last {} of the head's {} rows are padding and "
        "left out; --vocab-size {} takes them",
        in_quotes(head.weights.path()), head.vocab_size, rows - head.vocab_size, rows, rows));
}

ModelHead resolve_head(const std::string& command, const HeadOptions& options) {
  ModelHead head;
  if (!options.model.empty()) {
    const PathAndTensor model = split_path_and_tensor(options.model);
    if (has_weights(model)) {
      take_tensor(options, head);
    } else {
      const io::ModelConfig config = io::read_model_config((fs::path(model.path) / "config.json").string());
      tell_of_other_weights(model.path);
      take_config(options, config, head);
    }
  }
  override_by_options(options, head);
  if (head.vocab_size == 0 || head.hidden_size == 0)
    throw Error(
        ErrorCode::usage,
        fmt::format("{}: the head's sizes are missing; give --vocab-size and --hidden-size, or --model DIR",
                    command));
  return head;
}

}  // namespace gumtile::tools
