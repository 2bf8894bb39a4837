#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "tensor_file_fixture.h"

using namespace gumtile;
using namespace gumtile::test;

namespace {

struct Tensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
};

constexpr int64_t kVocab = 64;
constexpr int64_t kHidden = 16;
const Tensor kEmbedding{"model.embed_tokens.weight", "BF16", {kVocab, kHidden}};
const Tensor kHead{"lm_head.weight", "BF16", {kVocab, kHidden}};

std::string file_of(const std::vector<Tensor>& tensors) {
  static const std::map<std::string, uint64_t> kBytes = {{"U8", 1},   {"I8", 1},  {"F8_E4M3", 1}, {"F16", 2},
                                                         {"BF16", 2}, {"I32", 4}, {"F32", 4},     {"F64", 8}};
  std::vector<std::string> members;
  uint64_t end = 0;
  for (const Tensor& tensor : tensors) {
    const uint64_t begin = end;
    uint64_t bytes = kBytes.at(tensor.dtype);
    for (const int64_t size : tensor.shape) bytes *= static_cast<uint64_t>(size);
    end += bytes;
    members.push_back(fmt::format(R"("{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", tensor.name,
                                  tensor.dtype, fmt::join(tensor.shape, ","), begin, end));
  }
  return safetensors(fmt::format("{{{}}}", fmt::join(members, ",")), end);
}

/// A model's folder with these tensors and this config.json (no file if it is empty).
class Model {
 public:
  explicit Model(const std::vector<Tensor>& tensors, const std::string& config = "") {
    write_file(folder_ / "model.safetensors", file_of(tensors));
    if (!config.empty()) write_file(folder_ / "config.json", config);
  }

  std::string path() const { return folder_.path(); }
  LmHeadFile open() const { return open_lm_head(path()); }
  std::string head() const { return open().weights.name(); }
  /// All notes about the head, in one text.
  std::string notes(const std::string& tensor = "") const {
    const std::string named = tensor.empty() ? path() : fmt::format("{}:{}", path(), tensor);
    return fmt::format("{}", fmt::join(open_lm_head(named).notes, "\n"));
  }

 private:
  TemporaryFolder folder_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Checks that the head is refused, and that the message names `tensor` and how to use it nevertheless.
void check_refused(const std::vector<Tensor>& tensors, const std::string& tensor,
                   const std::string& config = "") {
  CAPTURE(tensor);
  const Model model(tensors, config);
  check_error(ErrorCode::bad_data, {fmt::format("'{}'", tensor), "PATH:TENSOR"}, [&] { model.open(); });
}

}  // namespace

TEST_CASE("the head is found by name, then as a tied embedding, then as the only matrix") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const auto head_of = [&](const std::vector<std::string>& names) {
    write_matrices(path, names);
    return open_safetensors(path).name();
  };
  CHECK(head_of({"a.weight", "lm_head.weight", "model.embed_tokens.weight"}) == "lm_head.weight");
  CHECK(head_of({"a.weight", "text.lm_head.weight", "text.embed_tokens.weight"}) == "text.lm_head.weight");
  CHECK(head_of({"lm_head.weight", "draft.lm_head.weight"}) == "lm_head.weight");
  CHECK(head_of({"layers.0.a.weight", "model.embed_tokens.weight", "draft.embed_tokens.weight"}) ==
        "model.embed_tokens.weight");
  CHECK(head_of({"layers.0.a.weight", "text.model.embed_tokens.weight"}) == "text.model.embed_tokens.weight");
  CHECK(head_of({"transformer.wpe.weight", "transformer.wte.weight"}) == "transformer.wte.weight");
  CHECK(head_of({"whatever"}) == "whatever");

  const auto open = [&] { open_safetensors(path); };
  write_matrices(path, {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"});
  check_error(ErrorCode::bad_data, {path, "'encoder.embed_tokens.weight'", "'decoder.embed_tokens.weight'"},
              open);
  write_matrices(path, {"text.lm_head.weight", "other.lm_head.weight"});
  check_error(ErrorCode::bad_data, {path, "'text.lm_head.weight'", "'other.lm_head.weight'"}, open);
  write_matrices(path, {"first", "second"});
  check_error(ErrorCode::bad_data, {path, "'first'", "'second'", "PATH:TENSOR"}, open);
  write_safetensors(path, {});
  check_error(ErrorCode::bad_data, {path, "no lm_head.weight", "BF16"}, open);
}

TEST_CASE("nothing is guessed from one shard of several") {
  const TemporaryFolder folder;
  const std::string path = folder / "model-00001-of-00002.safetensors";
  write_matrices(path, {"model.embed_tokens.weight"});
  check_error(ErrorCode::bad_data, {path, "shard", "index.json"}, [&] { open_safetensors(path); });
  CHECK(open_safetensors(path, "model.embed_tokens.weight").name() == "model.embed_tokens.weight");
  const std::string whole = folder / "model-00001-of-00001.safetensors";
  write_matrices(whole, {"model.embed_tokens.weight"});
  CHECK(open_safetensors(whole).name() == "model.embed_tokens.weight");
}

TEST_CASE("a head in another form is named, and the embedding beside it not taken") {
  const std::vector<Tensor> parts = {
      {"lm_head.weight_packed", "I32", {kVocab, 2}},
      {"lm_head.weight_scale", "BF16", {kVocab, 1}},
      {"lm_head.qweight", "I32", {2, kVocab}},
      {"lm_head.qzeros", "I32", {1, 8}},
      {"lm_head.scales", "F16", {1, kVocab}},
      {"lm_head.weight.absmax", "F32", {16}},
      {"lm_head.SCB", "F32", {kVocab}},
      {"lm_head.lora_A.weight", "BF16", {4, kHidden}},
      {"lm_head.base_layer.weight", "BF16", {kVocab, kHidden}},
      {"lm_head.modules_to_save.default.weight", "BF16", {kVocab, kHidden}},
      {"base_model.model.lm_head.original_module.weight", "BF16", {kVocab, kHidden}},
      {"lm_head.linear.weight", "BF16", {kVocab, kHidden}},
      {"lm_head.0.weight", "BF16", {kVocab, kHidden}},
      {"lm_heads.0.weight", "BF16", {kVocab, kHidden}},
      {"lm_head.decoder.weight", "BF16", {kVocab, kHidden}},
      {"LMHead.weight", "BF16", {kVocab, kHidden}},
      {"lm_head.bias", "BF16", {kVocab}},
      {"cls.predictions.decoder.weight", "BF16", {kVocab, kHidden}},
      {"output.qweight", "I32", {2, kVocab}},
      {"output.weight", "BF16", {kHidden, kVocab}},
      {"embed_out.weight", "U8", {kVocab, kHidden}},
      {"embed_out.weight", "BF16", {kVocab - 1, kHidden}},
      {"transformer.output_layer.weight", "F8_E4M3", {kVocab, kHidden}},
      {"unembed.W_U", "BF16", {kHidden, kVocab}},
      {"score.weight", "BF16", {2, kHidden}},
      {"head.0.weight", "BF16", {kVocab, kHidden}},
      {"readout_matrix", "BF16", {kVocab, kHidden}},
      {"final.weight", "BF16", {kHidden, kVocab}},
      {"mtp.lm_head.weight", "BF16", {kVocab, kHidden}},
  };
  for (const Tensor& part : parts) check_refused({kEmbedding, part}, part.name);
  for (const Tensor& part : parts)
    if (contains(part.name, "lm_head.") && !contains(part.name, "bias"))
      check_refused({part}, part.name, R"({"tie_word_embeddings": true})");
  check_refused({kEmbedding, {"model.embed_tokens.weight_scale", "BF16", {kVocab, 1}}},
                "model.embed_tokens.weight_scale");
}

TEST_CASE("a head that is not a readable matrix of the vocabulary is refused") {
  for (const char* dtype : {"U8", "I8", "F8_E4M3", "I32", "F64"})
    check_refused({kEmbedding, {"lm_head.weight", dtype, {kVocab, kHidden}}}, "lm_head.weight");
  const std::vector<std::vector<int64_t>> shapes = {
      {kVocab}, {1, kVocab, kHidden}, {kHidden, kVocab}, {kVocab / 2, kHidden}};
  for (const std::vector<int64_t>& shape : shapes)
    check_refused({kEmbedding, {"lm_head.weight", "BF16", shape}}, "lm_head.weight");
  check_refused({{"lm_head.weight", "BF16", {kHidden, kVocab}}}, "lm_head.weight",
                R"({"vocab_size": 64, "hidden_size": 16})");
  check_error(ErrorCode::bad_data, {"lm_head.weight", "empty"}, [] {
    static_cast<void>(Model({{"lm_head.weight", "BF16", {0, kHidden}}}).open());
  });
  for (const char* beside :
       {"lm_head.lora_A.weight", "lm_head.weight_scale_inv", "lm_head.SCB", "lm_head.dense.weight"})
    check_refused({kHead, {beside, "BF16", {4, kHidden}}}, beside);
  // Fewer rows than the embedding, whose rest is padding.
  CHECK(Model({kEmbedding, {"lm_head.weight", "BF16", {60, kHidden}}}, R"({"vocab_size": 60})").head() ==
        "lm_head.weight");
}

TEST_CASE("a lone matrix that is named as something else is not the head") {
  for (const char* name : {"score.weight", "classifier.weight", "model.norm.weight", "wpe.weight",
                           "visual.patch_embed.weight", "lm_head.weight_scale", "x.scales"})
    check_refused({{name, "BF16", {2, kHidden}}}, name);
  check_refused({{"whatever", "BF16", {2, kHidden}}}, "whatever", R"({"vocab_size": 64, "hidden_size": 16})");
  CHECK(contains(Model({{"whatever", "BF16", {kVocab, kHidden}}}).notes(), "'whatever'"));
}

TEST_CASE("a head under another name is taken, and told, where name and shape leave no doubt") {
  for (const char* name :
       {"output.weight", "embed_out.weight", "transformer.output_layer.weight", "head.weight"}) {
    CAPTURE(name);
    const Tensor head{name, "BF16", {kVocab, kHidden}};
    const Model model({{"tok_embeddings.weight", "BF16", {kVocab, kHidden}}, head});
    CHECK(model.head() == name);
    CHECK(contains(model.notes(), name));
    CHECK(Model({head, {"model.norm.weight", "BF16", {kHidden}}}, R"({"vocab_size": 60, "n_embd": 16})")
              .head() == name);
  }
  const Tensor output{"output.weight", "BF16", {kVocab, kHidden}};
  check_refused({kEmbedding, output, {"embed_out.weight", "BF16", {kVocab, kHidden}}}, "output.weight");
  check_refused({kEmbedding, output, {"output.weight_scale", "BF16", {kVocab, 1}}}, "output.weight");
  CHECK(Model({kEmbedding, output, {"output.bias", "BF16", {kVocab}}}).open().settings.bias_dtype);
}

TEST_CASE("heads of layers, drafts and other modalities are not the model's") {
  const std::vector<Tensor> others = {{"model.layers.3.shared_head.weight", "BF16", {kVocab, kHidden}},
                                      {"encoder.layer.0.output.dense.weight", "BF16", {kHidden, kHidden}},
                                      {"vision_tower.head.weight", "BF16", {10, kHidden}},
                                      {"model.output_norm.weight", "BF16", {kHidden}}};
  for (const Tensor& other : others) CHECK(Model({kEmbedding, other}).head() == kEmbedding.name);
  const Tensor thinker{"thinker.lm_head.weight", "BF16", {kVocab, kHidden}};
  CHECK(Model({thinker, {"talker.code_predictor.lm_head.0.weight", "BF16", {kVocab, kHidden}}}).head() ==
        thinker.name);
}

TEST_CASE("config.json says whether the head is the embedding") {
  const auto embedding = [](const std::string& config) { return Model({kEmbedding}, config); };
  for (const char* config :
       {R"({"tie_word_embeddings": false})", R"({"tie_word_embeddings": 0})",
        R"({"text_config": {"tie_word_embeddings": false}})",
        R"({"tie_word_embeddings": true, "thinker_config": {"text_config": {"tie_word_embeddings": false}}})",
        R"({"quantization_config": {"quant_method": "gptq", "lm_head": true}})",
        R"({"quantization_config": {"config_groups": {"group_0": {"targets": ["Linear", "re:.*lm_head"]}}}})",
        R"({"text_config": {"quantization_config": {"extra_config": {"lm_head": {"bits": 4}}}}})",
        R"({"quantization_config": {"dynamic": {"+:lm_head": {"bits": 8}}}})"}) {
    CAPTURE(config);
    check_error(ErrorCode::bad_data, {"no lm_head.weight", "config.json", "PATH:TENSOR"},
                [&] { static_cast<void>(embedding(config).open()); });
    CHECK(Model({kEmbedding, kHead}, config).head() == "lm_head.weight");
  }
  for (
      const char* config :
      {R"({"tie_word_embeddings": true})",
       R"({"tie_word_embeddings": true, "quantization_config": {"lm_head": false}})",
       R"({"tie_word_embeddings": true, "quantization_config": {"ignore": ["lm_head"]}})",
       R"({"tie_word_embeddings": true, "quantization_config": {"modules_to_not_convert": ["lm_head"], "dynamic": {"-:lm_head": {}}}})",
       R"({"tie_word_embeddings": true, "quantization_config": {"llm_int8_skip_modules": ["lm_head"], "extra_config": {"lm_head": {"bits": 16}}}})"}) {
    CAPTURE(config);
    CHECK(embedding(config).head() == kEmbedding.name);
    CHECK(embedding(config).notes().empty());
    CHECK(Model({kEmbedding, kHead}, config).head() == "lm_head.weight");
  }
  for (const char* config : {"", "{}", R"({"tie_word_embeddings": null})"})  // nothing says so
    CHECK(contains(embedding(config).notes(), "tied"));
  // If the head is tied, a note names another head.
  const std::string tied = R"({"tie_word_embeddings": true})";
  CHECK(
      contains(Model({kEmbedding, {"score.weight", "BF16", {2, kHidden}}}, tied).notes(), "'score.weight'"));
  check_error(ErrorCode::bad_data, {"config.json", "JSON"},
              [&] { static_cast<void>(embedding("{").open()); });
}

TEST_CASE("a tensor that is named is taken, with what is beside it told") {
  const Model model({kEmbedding, {"lm_head.linear.weight", "BF16", {kVocab, kHidden}}},
                    R"({"tie_word_embeddings": false, "output_multiplier": 0.5})");
  CHECK(open_lm_head(model.path() + ":model.embed_tokens.weight").weights.name() == kEmbedding.name);
  CHECK(contains(model.notes("lm_head.linear.weight"), "'output_multiplier' is '0.5'"));
  const Model biased({kHead, {"lm_head.bias", "BF16", {kVocab}}}, "{ damaged");
  CHECK(open_lm_head(biased.path() + ":lm_head.weight").settings.bias_dtype == DType::bf16);
  CHECK(contains(biased.notes("lm_head.weight"), "config.json"));
}

TEST_CASE("what changes logits and is not applied is told") {
  for (const char* bias : {"final_logits_bias", "logit_scale"})
    CHECK(contains(Model({kHead, {bias, "BF16", {kVocab}}}).notes(), fmt::format("'{}'", bias)));
  for (const char* member :
       {R"("logit_scale": "inv_sqrt_d_model")", R"("logits_scaling": 0)", R"("final_logit_softcapping": -1)",
        R"("lm_head_multiplier": 0.5)", R"("output_multiplier_scale": 0.5)", R"("logits_multiplier": 2)",
        R"("logits_soft_cap": 30)", R"("dim_model_base": 8)", R"("lm_head_bias": true)",
        R"("some_new_logit_cap": 5)", R"("final_logits_scale": Infinity)"}) {
    CAPTURE(member);
    const std::string name = std::string(member).substr(1, std::string(member).find('"', 1) - 1);
    const std::string sizes = R"("vocab_size": 64, "hidden_size": 16, )";
    const std::string config = fmt::format("{{{}{}}}", sizes, member);
    CHECK(contains(Model({kHead}, config).notes(), fmt::format("'{}'", name)));
    CHECK(contains(Model({kHead}, fmt::format(R"({{"text_config": {}}})", config)).notes(),
                   fmt::format("'text_config.{}'", name)));
  }
  const Model silent({kHead}, R"({"logit_scale": 1.0, "logits_scaling": 1, "final_logit_softcapping": null,
      "logits_soft_cap": 0, "dim_model_base": 16, "hidden_size": 16, "attn_logit_softcapping": 50.0,
      "router_logits_scaling": 2, "output_router_logits": true, "lm_head_bias": false, "logits_to_keep": 3})");
  CHECK(silent.notes().empty());
}

TEST_CASE("a bias beside the head is taken, of the head's rows and no other") {
  const Tensor bias{"lm_head.bias", "F32", {kVocab}};
  for (const Model& model :
       {Model({kHead, bias}), Model({kHead, bias}, R"({"lm_head_bias": true, "vocab_size": 64})"),
        Model({kEmbedding, bias}, R"({"tie_word_embeddings": true})")}) {
    const LmHeadFile head = model.open();
    CHECK(head.notes.empty());
    CHECK(head.settings.bias_dtype == DType::f32);
    REQUIRE(head.arrays.size() == 1);
    CHECK(head.settings.bias == head.arrays[0].view().data);
    CHECK(head.arrays[0].name() == "lm_head.bias");
  }
  for (const Tensor& other :
       {Tensor{"lm_head.bias", "F32", {kVocab - 1}}, {"lm_head.bias", "F64", {kVocab}}}) {
    const Model model({kHead, other}, R"({"lm_head_bias": true})");
    CHECK(model.open().settings == HeadSettings());
    CHECK(contains(model.notes(), "'lm_head.bias'"));
    CHECK(contains(model.notes(), "'lm_head_bias'"));
  }
  CHECK(Model({kHead, {"lm_head.bias", "F32", {1, kVocab}}}).open().settings.bias_dtype == DType::f32);
  CHECK(contains(Model({kHead, {"lm_head.bias", "F32", {3}}}).notes(), "F32 [3], expected a vector of 64"));
  CHECK(Model({kHead, {"model.layers.0.mlp.bias", "F32", {kVocab}}}).open().settings == HeadSettings());
}

TEST_CASE("caps of the logits are read from config.json") {
  const auto of = [](const char* config) { return Model({kHead}, config).open().settings; };
  CHECK(of(R"({"final_logit_softcapping": 30.0})").softcap == 30);
  CHECK(of(R"({"text_config": {"final_logit_softcapping": 20}, "final_logit_softcapping": 30})").softcap ==
        20);
  for (const char* none : {R"({"final_logit_softcapping": null})", R"({"final_logit_softcapping": 0})",
                           R"({"final_logit_softcapping": -5})", R"({"final_logit_softcapping": "30"})",
                           R"({"final_logit_softcapping": 1e99})", R"({"attn_logit_softcapping": 50.0})"})
    CHECK(of(none) == HeadSettings());
  CHECK(Model({kHead}, R"({"final_logit_softcapping": 30.0})").notes().empty());
  // A value too small for an f32 is noted, and an outer object that says the same is not.
  CHECK(contains(Model({kHead}, R"({"final_logit_softcapping": 1e-60})").notes(), "final_logit_softcapping"));
  CHECK(Model({kHead}, R"({"text_config": {"final_logit_softcapping": 5}, "final_logit_softcapping": 5})")
            .notes()
            .empty());
}

TEST_CASE("factors and divisors of the logits are read from config.json") {
  const auto of = [](const char* config) { return Model({kHead}, config).open().settings; };
  CHECK(of(R"({"logit_scale": 0.0625})").logit_scale == 0.0625F);
  CHECK(of(R"({"logits_scaling": 8})").logit_scale == 0.125F);
  CHECK(of(R"({"logits_scaling": 6.0})").logit_scale == static_cast<float>(1 / 6.0));
  CHECK(of(R"({"logit_scale": -2})").logit_scale == -2);
  for (const char* none : {R"({"logit_scale": 1.0})", R"({"logits_scaling": 0})", R"({"logit_scale": NaN})",
                           R"({"logit_scale": "inv_sqrt_d_model"})"})
    CHECK(of(none) == HeadSettings());
  CHECK(Model({kHead}, R"({"logits_scaling": 8})").notes().empty());
  const Model both({kHead}, R"({"logit_scale": 0.5, "logits_scaling": 8})");
  CHECK(both.open().settings.logit_scale == 0.5F);
  CHECK(contains(both.notes(), "'logits_scaling'"));
}

TEST_CASE("where tensor and config.json differ the tensor is taken, apart from padding") {
  const LmHeadFile padded = Model({kHead}, R"({"vocab_size": 60, "hidden_size": 16})").open();
  CHECK(padded.vocab_size == 60);
  CHECK(padded.weights.view().shape[0] == kVocab);
  const Model larger({kHead}, R"({"vocab_size": 100, "hidden_size": 32, "torch_dtype": "float32"})");
  CHECK(larger.open().vocab_size == kVocab);
  for (const char* part :
       {"vocab_size is 100", "64 rows", "hidden_size is 32", "16 columns", "float32", "bf16"})
    CHECK(contains(larger.notes(), part));
  for (const char* config :
       {R"({"torch_dtype": "auto", "vocab_size": "many"})", R"({"n_vocab": 64, "d_model": 16})",
        R"({"llm_config": {"vocab_size": 64, "n_embd": 16}, "hidden_size": 99})"}) {
    const Model model({kHead}, config);
    CHECK(model.open().vocab_size == kVocab);
    CHECK(model.notes().empty());
  }
}

TEST_CASE("the head of a sharded model needs its own shard alone") {
  const TemporaryFolder folder;
  write_file(folder / "b.safetensors", file_of({kHead}));
  write_file(folder / "model.safetensors.index.json",
             R"({"weight_map":{"model.embed_tokens.weight":"a.safetensors",
      "lm_head.weight":"b.safetensors"}})");
  CHECK(open_lm_head(folder.path()).weights.name() == "lm_head.weight");
  write_file(folder / "model.safetensors.index.json",
             R"({"weight_map":{"model.embed_tokens.weight":"a.safetensors",
      "lm_head.qweight":"b.safetensors"}})");
  check_error(ErrorCode::bad_data, {"'lm_head.qweight'"}, [&] { open_lm_head(folder.path()); });
}

TEST_CASE("hidden states are the only matrix, and never a head") {
  const TemporaryFolder folder;
  const std::string path = folder / "hidden.safetensors";
  write_file(path, file_of({{"x", "BF16", {2, kHidden}}, {"positions", "I32", {2}}}));
  CHECK(open_hidden_states(path).name() == "x");
  write_file(path, file_of({{"x", "BF16", {2, kHidden}}, {"y", "BF16", {2, kHidden}}}));
  check_error(ErrorCode::bad_data, {path, "'x'", "'y'"}, [&] { open_hidden_states(path); });
  CHECK(open_hidden_states(path + ":y").name() == "y");
  for (const Tensor& tensor : {kHead, kEmbedding}) {
    write_file(path, file_of({tensor}));
    check_error(ErrorCode::usage, {path, tensor.name, "PATH:TENSOR"}, [&] { open_hidden_states(path); });
  }
}

TEST_CASE("a file that is cut short while it is open is noticed") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  write_matrices(path, {"lm_head.weight"});
  const TensorFile file = open_safetensors(path);
  const TensorFile copy = file;
  copy.expect_whole();
  fs::resize_file(path, fs::file_size(path) - 1);
  check_error(ErrorCode::io, {path, "cut short"}, [&] { copy.expect_whole(); });
  write_matrices(path, {"lm_head.weight"});  // another file in its place
  const TensorFile replaced = open_safetensors(path);
  write_matrices(path, {"lm_head.weight"});
  replaced.expect_whole();
}
