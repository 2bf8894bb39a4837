// What is generated from the table of fields: a table of made-up fields with everything that the real one may
// contain in the future.
#include <doctest/doctest.h>

#include <array>
#include <string>

#include "gumtile/error.h"
#include "support/format.h"
#include "tests/program_run.h"
#include "tools/fields/text.h"

namespace gumtile::test {
namespace {

using namespace head;
using enum FieldKind;
using Type = FieldType;

constexpr std::array kCall = {
    Field{member, "rows", Type::i64, Over::one, kRefused, "", 1, "", "rows of this launch"},
    Field{member, "flags", Type::u32, Over::one, absent(0), "", 1, "", "bits"},
    Field{input, "counts", Type::own, Over::slots, absent(0), "penalties", 2, "",
          "how often each token was\nsampled"},
    Field{member, "counts_dtype", Type::dtype, Over::one, absent(0), "", 2, "counts", "u8 or u16"},
    Field{member, "counts_stride", Type::i64, Over::one, absent(0), "", 2, "counts", "elements"},
    Field{output, "best", Type::i32, Over::rows, absent(0), "top", 2, "", "a \"quoted\" word"},
};
constexpr std::array kHead = {
    Field{member, "noise", Type::noise, Over::one, absent(0), "", 1, "", "how noise is drawn"},
    Field{setting,
          "cap",
          Type::f32,
          Over::one,
          absent(0),
          "",
          2,
          "",
          "0: none",
          {{{"logit_cap"}, {"inverse_cap", true}}}},
    Field{array,
          "offsets",
          Type::own,
          Over::vocab,
          absent(0),
          "",
          2,
          "",
          "added to the logits",
          {},
          false,
          "offset"},
    Field{member, "offsets_dtype", Type::dtype, Over::one, absent(0), "", 2, "offsets", "{floats}"},
};
constexpr std::array kStatus = {StatusBit{"bad_cap", 4, true, "the cap is negative"},
                                StatusBit{"odd", 8, false, "an odd token was chosen"}};
constexpr std::array kFeatures = {FeatureBit{"penalties", 1, "counts"},
                                  FeatureBit{"top", uint64_t{1} << 40, "best"}};

const fields::Tables kTables{kCall, kHead, kStatus, kFeatures};

bool has(const std::string& text, const std::string& part) {
  INFO("expected: ", part, "\nin: ", text);
  const bool found = text.find(part) != std::string::npos;
  CHECK(found);
  return found;
}

TEST_CASE("members lie where a C compiler for 64 bits puts them") {
  CHECK(member_offsets(kCall) == std::vector<size_t>{8, 16, 24, 32, 40, 48, 56});
  CHECK(member_offsets(kHead) == std::vector<size_t>{8, 12, 16, 24, 32});
}

TEST_CASE("the C structs have all members, an initialiser and their layout") {
  const std::string call = fields::c_sample_args(kTables);
  has(call, "  /* rows of this launch */\n  int64_t rows;\n");
  has(call, "  /* [slots]: how often each token was sampled */\n  const void* counts;\n");
  has(call, "  gumtile_dtype counts_dtype;\n");
  has(call, "  int32_t* best;\n");
  has(call, "{ sizeof(gumtile_sample_args), 0, 0, NULL, (gumtile_dtype)0, 0, NULL }\n");
  has(call, "GUMTILE_LAYOUT(offsetof(gumtile_sample_args, counts_stride) == 40);\n");
  has(call, "GUMTILE_LAYOUT(sizeof(gumtile_sample_args) == 56);\n");
  const std::string options = fields::c_head_options(kTables);
  has(options, "  float cap;\n");
  has(options, "  /* [vocab_size]: added to the logits */\n  const void* offsets;\n");
  has(options, "  /* " + matrix_format_names("or") + " */\n  gumtile_dtype offsets_dtype;\n");
  const std::string enumerations = fields::c_enumerations(kTables);
  has(enumerations, "  /* the cap is negative: the row failed */\n  GUMTILE_STATUS_BAD_CAP = 4,\n");
  has(enumerations, "  /* an odd token was chosen */\n  GUMTILE_STATUS_ODD = 8\n");
}

TEST_CASE("the C++ enumerations and settings") {
  const std::string enumerations = fields::cpp_enumerations(kTables);
  has(enumerations, "  status_odd = 8,  ///< an odd token was chosen\n");
  has(enumerations, "  feature_top = 1099511627776,  ///< best\n");
  has(enumerations, "kAllFeatures = feature_penalties | feature_top;\n");
  const std::string settings = fields::cpp_settings(kTables);
  has(settings, "  /// 0: none\n  float cap = 0;\n");
  has(settings, "  const void* offsets = nullptr;\n  std::optional<DType> offsets_dtype;\n");
  const std::string members = fields::cpp_setting_members(kTables);
  has(members, "std::array<ScalarSetting, 1>");
  has(members, "ScalarSetting{\"cap\", &HeadSettings::cap}");
  has(members, "ArraySetting{\"offsets\", &HeadSettings::offsets, &HeadSettings::offsets_dtype}");
}

TEST_CASE("the Python module and the docs") {
  const std::string module = fields::python_module(kTables);
  has(module, "    (\"flags\", c_uint32),\n    (\"counts\", c_void_p),\n    (\"counts_dtype\", c_int),\n");
  has(module, "    (\"cap\", c_float),\n");
  has(module, "\"a \\\"quoted\\\" word\"");
  has(module, "    \"top\": 1099511627776,\n");
  has(module, "    #: The cap is negative: the row failed.\n    BAD_CAP = 4\n");
  has(fields::docs_settings(kTables), "| `cap` | 0: none | `logit_cap`; `inverse_cap`, one over it |\n");
  has(fields::docs_settings(kTables), "| `offsets` | added to the logits | the tensor `lm_head.offset` |\n");
  has(fields::docs_status(kTables), "| `bad_cap` (4) | the cap is negative | yes |\n");
  has(fields::docs_outputs(kTables), "| `best` | int32 | [rows] | a \"quoted\" word |\n");
}

TEST_CASE("Python's parameters, their documentation, and results") {
  const std::string parameters = fields::python_parameters(kTables);
  CHECK(parameters == "        counts: Optional[Numbers] = None,\n        best: Output = None,\n");
  const std::string arguments = fields::python_arguments(kTables);
  has(arguments,
      "            best: [rows] int32 to write to, True for a new one, None for none: a \"quoted\" word. "
      "Must");
  has(arguments, " have been prepared:\n                the feature \"top\".\n");
  CHECK(fields::python_values(kTables) ==
        "        given = dict(\n            counts=counts, best=best,\n        )\n");
  has(fields::python_results(kTables), "    best: Any = None\n");
  CHECK(fields::torch_inputs(kTables) == "    counts: Optional[Tensor] = None,\n");
  CHECK(fields::torch_arguments(kTables) ==
        "    counts: Optional[Tensor] = None,\n    best: Optional[Tensor] = None,\n");
  has(fields::docs_python(kTables), "| `best` | [rows] int32 to write to");
}

TEST_CASE("Python's options of a head") {
  CHECK(fields::python_head_attributes(kTables) == "    #: 0: none.\n    cap: float\n");
  CHECK(fields::python_head_parameters(kTables) ==
        "        cap: Optional[float] = None,\n        offsets: Optional[Array] = None,\n");
  const std::string arguments = fields::python_head_arguments(kTables);
  has(arguments, "            cap: 0: none.\n            offsets: [vocab_size] in bfloat16, float16");
  has(arguments, "logits.\n");
  CHECK(fields::python_head_values(kTables) ==
        "        given: Dict[str, Any] = dict(\n            cap=cap, offsets=offsets,\n        )\n");
  CHECK(fields::python_head_values({kCall, {}, kStatus, kFeatures}) ==
        "        given: Dict[str, Any] = dict()\n");
}

TEST_CASE("torch's ops keep the order of their arguments, to which new ones are appended") {
  const std::string text = fields::torch_arguments({});
  const std::string first =
      "    temperature: Optional[Tensor] = None,\n    seed: Optional[Tensor] = None,\n"
      "    offset: Optional[Tensor] = None,\n    row_slot: Optional[Tensor] = None,\n"
      "    num_rows: Optional[Tensor] = None,\n    hidden_index: Optional[Tensor] = None,\n"
      "    invalid_token: Optional[Tensor] = None,\n    token_position: Optional[Tensor] = None,\n"
      "    any_status: Optional[Tensor] = None,\n";
  CHECK(text.substr(0, first.size()) == first);
}

TEST_CASE("sections are replaced between their markers, and files without them are refused") {
  const std::string text = "a\n// BEGIN generated: x\nold\n// END generated: x\nb\n";
  CHECK(fields::with_section(text, "x", "new\n") ==
        "a\n// BEGIN generated: x\nnew\n// END generated: x\nb\n");
  CHECK(fields::with_section(text + text, "x", "new\n") ==
        "a\n// BEGIN generated: x\nnew\n// END generated: x\nb\na\n// BEGIN generated: x\nnew\n// END "
        "generated: x\nb\n");
  CHECK(fields::with_lines("a\n  b: x\nold\n  c: x\n", "  b: ", "  c: ", "new\n") ==
        "a\n  b: x\nnew\n  c: x\n");
  check_error(error_of([&] { fields::with_section(text, "y", "new\n"); }), ErrorCode::bad_data,
              {"BEGIN generated: y"});
}

}  // namespace
}  // namespace gumtile::test
