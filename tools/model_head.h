#pragma once

#include <cstdint>
#include <string>

#include "gumtile/dtype.h"
#include "gumtile/tensor_file.h"
#include "tools/head_settings.h"
#include "tools/output.h"

namespace gumtile::tools {

/// The options that describe a head; 0 and empty if they were left out.
struct HeadOptions {
  std::string model;  ///< PATH[:TENSOR] of a model's folder or file
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  std::string dtype;
  SettingOptions settings;
};

/// Sizes and type of a head, and their source.
struct ModelHead {
  int64_t rows = 0;  ///< of the tensor; 0: there is none
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  DType dtype = DType::bf16;
  HeadSettings settings = {};  ///< only the types of arrays
  std::string file;            ///< that has the tensor, else the config.json; empty: only options
  std::string tensor;          ///< empty if there are no weights beside the config.json
};

/// The head that the options describe. An option precedes the model's tensor, and the tensor precedes its
/// config.json. Reports on stderr where these differ and what gumtile does not apply. `command` names the
/// subcommand in messages. Throws Error: io and bad_data for the files, usage for sizes that are missing.
ModelHead resolve_head(const std::string& command, const HeadOptions& options);

/// "'file' (tensor 'lm_head.weight')"
std::string describe(const ModelHead& head);
/// The file and the tensor; null if there is none.
Json origin_json(const ModelHead& head);
/// A line that names them; empty if there are none.
std::string origin_text(const ModelHead& head);

/// Prints the notes about a head from files on stderr; `chosen`: the user gave the vocabulary's size, so that
/// padding needs no note.
void tell_notes(const LmHeadFile& head, bool chosen);

}  // namespace gumtile::tools
