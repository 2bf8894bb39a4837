#include <doctest/doctest.h>
#include <sys/stat.h>

#include "support/format.h"
#include "tensor_file_fixture.h"

using namespace gumtile;
using namespace gumtile::test;

TEST_CASE("a tensor written is the tensor read") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const std::vector<float> head = {0.5f, -1.0f, 2.0f, 3.0f, 4.0f, 5.0f};
  const std::vector<uint16_t> bf16 = {0x3f80, 0x4000, 0x4040};
  const std::vector<uint8_t> mask = {1, 0, 1};
  const std::vector<int64_t> ids = {7};
  const std::vector<NamedTensor> tensors = {
      {"mask", DType::pred, {3}, std::as_bytes(std::span(mask))},
      {"half", DType::f16, {3, 1}, std::as_bytes(std::span(bf16))},
      {"brain", DType::bf16, {1, 3}, std::as_bytes(std::span(bf16))},
      {"lm_head.weight", DType::f32, {2, 3}, bytes_of(head)},
      {"ids", DType::i64, {}, std::as_bytes(std::span(ids))},
      {"none", DType::f32, {0, 3}, {}},
  };
  write_safetensors(path, tensors);

  TensorFile file = open_safetensors(path);
  CHECK(file.name() == "lm_head.weight");
  CHECK(file.path() == path);
  CHECK(file.view().dtype == DType::f32);
  CHECK(file.view().shape == std::vector<int64_t>{2, 3});
  CHECK(file.view().size_bytes == 24);
  CHECK(std::memcmp(file.view().data, head.data(), 24) == 0);

  for (const NamedTensor& tensor : tensors) {
    if (!is_float(tensor.dtype)) continue;
    const TensorFile one = open_tensor(path + ":" + tensor.name);
    CHECK(one.name() == tensor.name);
    CHECK(one.view().dtype == tensor.dtype);
    CHECK(one.view().shape == tensor.shape);
    REQUIRE(one.view().size_bytes == tensor.data.size());
    CHECK(std::equal(tensor.data.begin(), tensor.data.end(), one.view().data));
    CHECK(reinterpret_cast<uintptr_t>(one.view().data) % size_bytes(tensor.dtype) == 0);
  }

  // A file that is open survives being moved and being replaced on disk.
  TensorFile moved = std::move(file);
  write_matrices(path, {"lm_head.weight"});
  CHECK(std::memcmp(moved.view().data, head.data(), 24) == 0);
  CHECK(first_float(open_safetensors(path)) == 1.0f);
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);  // no temporary stays
}

TEST_CASE("a tensor that lies unaligned in the file is aligned in memory") {
  const TemporaryFolder folder;
  const std::string path = folder / "odd.safetensors";
  write_file(path, safetensors(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                               R"("w":{"dtype":"F32","shape":[1,2],"data_offsets":[1,9]}})",
                               9));
  const TensorFile file = open_safetensors(path);
  CHECK(file.name() == "w");
  CHECK(reinterpret_cast<uintptr_t>(file.view().data) % 4 == 0);
  for (int i = 0; i < 8; ++i) CHECK(std::to_integer<int>(file.view().data[i]) == i + 1);
}

TEST_CASE("an unknown tensor's error suggests near names") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  write_matrices(path, {"lm_head.weight", "model.norm.weight"});
  const auto open = [&](const char* name) { return [&path, name] { open_safetensors(path, name); }; };
  check_error(ErrorCode::bad_data, {path, "'lm_haed.weight'", "did you mean 'lm_head.weight'"},
              open("lm_haed.weight"));
  check_error(ErrorCode::bad_data, {"did you mean 'model.norm.weight'"}, open("norm"));
  check_error(ErrorCode::bad_data, {"'zzz'", "those it has: 'lm_head.weight', 'model.norm.weight'"},
              open("zzz"));
  check_error(ErrorCode::bad_data, {"'\\x1b[31m'"},
              open("\x1b[31m"));  // no escape sequence gets to the terminal
}

TEST_CASE("every other dtype is known, but cannot be opened") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const std::pair<const char*, int> types[] = {{"BOOL", 8},    {"U8", 8},      {"I8", 8},   {"F8_E5M2", 8},
                                               {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16},
                                               {"I32", 32},    {"U32", 32},    {"F64", 64}, {"I64", 64},
                                               {"U64", 64},    {"C64", 64},    {"F4", 4},   {"F6_E2M3", 6}};
  for (const auto& [type, bits] : types) {
    const std::string end = std::to_string(8 * bits / 8);
    write_file(path, safetensors("{\"w\":{\"dtype\":\"" + std::string(type) +
                                     "\",\"shape\":[2,4],\"data_offsets\":[0," + end + "]}}",
                                 static_cast<size_t>(bits)));
    check_error(ErrorCode::bad_data, {path, "'w'", type, matrix_format_names("and", &Format::safetensors)},
                [&] { open_safetensors(path, "w"); });
  }
}

TEST_CASE("a file that cannot be read is an I/O error") {
  const TemporaryFolder folder;
  for (const char* name : {"none.safetensors", "none.npy", "none.safetensors.index.json"})
    check_error(ErrorCode::io, {folder / name, "No such file"}, [&] { open_tensor(folder / name); });
  check_error(ErrorCode::io, {folder.path(), "neither model.safetensors.index.json nor model.safetensors"},
              [&] { open_safetensors(folder.path()); });
  fs::create_directory(folder / "folder.npy");
  check_error(ErrorCode::io, {"folder.npy", "folder"}, [&] { open_npy(folder / "folder.npy"); });
  REQUIRE(::mkfifo((folder / "pipe.npy").c_str(), 0600) == 0);
  check_error(ErrorCode::io, {"pipe.npy", "regular file"}, [&] { open_npy(folder / "pipe.npy"); });
  if (::geteuid() != 0) {
    write_file(folder / "secret.npy", "");
    fs::permissions(folder / "secret.npy", fs::perms::none);
    check_error(ErrorCode::io, {"secret.npy", "Permission denied"}, [&] { open_npy(folder / "secret.npy"); });
  }
}

TEST_CASE("a sharded model is opened by its index or folder") {
  const TemporaryFolder folder;
  const std::string index = folder / "model.safetensors.index.json";
  fs::create_directory(folder / "sub");
  write_matrices(folder / "model-00001-of-00002.safetensors", {"model.embed_tokens.weight", "unlisted"});
  write_matrices(folder / "sub/model-00002-of-00002.safetensors", {"lm_head.weight", "norm"});
  write_file(index, R"({"metadata":{"total_size":24},"weight_map":{
      "model.embed_tokens.weight":"model-00001-of-00002.safetensors",
      "lm_head.weight":"sub/model-00002-of-00002.safetensors",
      "norm":"sub/model-00002-of-00002.safetensors"}})");
  for (const std::string& path : {index, folder.path(), folder.path() + "/"}) {
    const TensorFile file = open_tensor(path);
    CHECK(file.name() == "lm_head.weight");
    CHECK(file.path() == folder / "sub/model-00002-of-00002.safetensors");
  }
  CHECK(open_tensor(index + ":norm").name() == "norm");
  CHECK(open_tensor(folder.path() + ":norm").name() == "norm");
  check_error(ErrorCode::bad_data, {index, "'nrm'", "did you mean 'norm'"},
              [&] { open_safetensors(index, "nrm"); });

  write_file(index, R"({"weight_map":{"model.embed_tokens.weight":"model-00001-of-00002.safetensors"}})");
  CHECK(open_tensor(folder.path()).name() == "model.embed_tokens.weight");
  write_file(index, R"({"weight_map":{"unlisted":"model-00001-of-00002.safetensors"}})");
  CHECK(open_tensor(folder.path()).name() == "unlisted");
  write_file(index, R"({"weight_map":{"norm":"sub/model-00002-of-00002.safetensors",
                        "unlisted":"model-00001-of-00002.safetensors"}})");
  check_error(ErrorCode::bad_data, {index, "'norm'", "'unlisted'"}, [&] { open_safetensors(index); });

  fs::remove(index);
  write_matrices(folder / "model.safetensors", {"lm_head.weight"});
  CHECK(open_tensor(folder.path()).path() == folder / "model.safetensors");
}

TEST_CASE("a faulty index is refused") {
  const TemporaryFolder outside;
  write_matrices(outside / "secret.safetensors", {"w"});
  const TemporaryFolder folder;
  const std::string index = folder / "model.safetensors.index.json";
  write_matrices(folder / "shard.safetensors", {"w"});
  fs::create_symlink(outside / "secret.safetensors", folder / "link.safetensors");
  fs::create_symlink(outside.path(), folder / "folder");

  const auto check_index = [&](ErrorCode code, const std::string& json, std::vector<std::string> parts) {
    CAPTURE(json);
    write_file(index, json);
    check_error(code, parts, [&] { open_safetensors(index, "w"); });
    check_error(code, {"model.safetensors.index.json"}, [&] { open_safetensors(folder.path()); });
  };
  const auto entry = [](const std::string& file) { return R"({"weight_map":{"w":")" + file + "\"}}"; };
  check_index(ErrorCode::bad_data, "", {index, "not valid JSON"});
  check_index(ErrorCode::bad_data, "[]", {index, "array", "object"});
  check_index(ErrorCode::bad_data, "{}", {index, "weight_map"});
  check_index(ErrorCode::bad_data, R"({"weight_map":[]})", {index, "weight_map"});
  check_index(ErrorCode::bad_data, R"({"weight_map":{"w":1}})", {index, "number", "'w'"});
  check_index(ErrorCode::bad_data, R"({"weight_map":{"w":"a","w":"b"}})", {index, "'w' twice"});
  check_index(ErrorCode::bad_data, std::string(100'000, '['), {index, "nested deeper"});
  check_index(ErrorCode::bad_data, entry("shard.safetensors") + std::string("\0{}", 3),
              {index, "null character"});
  check_index(ErrorCode::bad_data, entry(""), {index, "''", "below the index's own folder"});
  check_index(ErrorCode::bad_data, entry("shard.safetensors\\u0000"),
              {index, "below the index's own folder"});
  check_index(ErrorCode::bad_data, entry(outside / "secret.safetensors"),
              {index, "secret.safetensors", "below"});
  check_index(ErrorCode::bad_data, entry("../secret.safetensors"),
              {index, "'../secret.safetensors'", "below"});
  check_index(ErrorCode::bad_data, entry("folder/../shard.safetensors"), {index, "below"});
  check_index(ErrorCode::bad_data, entry("link.safetensors"),
              {index, "link to", outside / "secret.safetensors"});
  check_index(ErrorCode::bad_data, entry("folder/secret.safetensors"), {index, "link to"});
  check_index(ErrorCode::io, entry("absent.safetensors"), {folder / "absent.safetensors", index});
  write_file(index, R"({"weight_map":{"v":"shard.safetensors"}})");
  check_error(ErrorCode::bad_data, {index, "tensor 'v'", "'shard.safetensors'", "does not have it"},
              [&] { open_safetensors(index, "v"); });
}

TEST_CASE("links within the model's folder and within the Hugging Face hub's cache are followed") {
  const TemporaryFolder folder;
  const std::string blobs = folder / "models--org--name/blobs",
                    snapshot = folder / "models--org--name/snapshots/abc";
  fs::create_directories(blobs);
  fs::create_directories(snapshot);
  write_matrices(blobs + "/0123", {"lm_head.weight"});
  write_file(blobs + "/4567", R"({"weight_map":{"lm_head.weight":"model-00001-of-00001.safetensors"}})");
  fs::create_symlink("../../blobs/0123", snapshot + "/model-00001-of-00001.safetensors");
  fs::create_symlink("../../blobs/4567", snapshot + "/model.safetensors.index.json");
  CHECK(open_tensor(snapshot).name() == "lm_head.weight");

  fs::create_directory(folder / "plain");
  write_matrices(folder / "plain/real.safetensors", {"w"});
  fs::create_symlink("real.safetensors", folder / "plain/link.safetensors");
  write_file(folder / "plain/x.safetensors.index.json", R"({"weight_map":{"w":"link.safetensors"}})");
  CHECK(open_tensor(folder / "plain/x.safetensors.index.json").name() == "w");
}

TEST_CASE("a path and a tensor's name are split after the suffix") {
  const auto check = [](const char* text, const char* path, std::optional<std::string> tensor) {
    CAPTURE(text);
    const PathAndTensor split = split_path_and_tensor(text);
    CHECK(split.path == path);
    CHECK(split.tensor == tensor);
  };
  check("m.safetensors", "m.safetensors", std::nullopt);
  check("m.safetensors:lm_head.weight", "m.safetensors", "lm_head.weight");
  check("a:b/m.safetensors", "a:b/m.safetensors", std::nullopt);
  check("a:b/m.safetensors:x:y", "a:b/m.safetensors", "x:y");
  check("m.safetensors.index.json:w", "m.safetensors.index.json", "w");
  check("h.npy", "h.npy", std::nullopt);
  check("h.npy:w", "h.npy", "w");
  check("models/llama:w", "models/llama", "w");
  check("models/llama:8b/", "models/llama:8b/", std::nullopt);
  check("models/llama", "models/llama", std::nullopt);
  check_error(ErrorCode::usage, {"PATH:TENSOR"}, [] { split_path_and_tensor(""); });
  check_error(ErrorCode::usage, {"no path"}, [] { split_path_and_tensor(":w"); });
  check_error(ErrorCode::usage, {"'m.safetensors:'", "no tensor name"},
              [] { split_path_and_tensor("m.safetensors:"); });

  const TemporaryFolder folder;
  fs::create_directory(folder / "llama:8b");
  CHECK(split_path_and_tensor(folder / "llama:8b").path == folder / "llama:8b");
  CHECK(split_path_and_tensor(folder / "llama:8b:w").tensor == "w");
}

TEST_CASE("expect_matrix names the tensor and its shape") {
  TensorView view{DType::f32, {2, 3, 4}, nullptr, 0};
  check_error(ErrorCode::bad_data, {"the weights", "[2, 3, 4]", "matrix"},
              [&] { expect_matrix(view, "the weights"); });
  view.shape = {2, 3};
  expect_matrix(view, "the weights");
}

TEST_CASE("the writer checks its arguments and its output") {
  const TemporaryFolder folder;
  const std::string path = folder / "out.safetensors";
  const std::vector<float> values = {1.0f, 2.0f};
  const auto write = [&](std::vector<NamedTensor> tensors) {
    return [&path, tensors] { write_safetensors(path, tensors); };
  };
  const auto bytes = bytes_of(values);
  check_error(ErrorCode::usage, {"'w'", "[3]", "12 bytes", "8"}, write({{"w", DType::f32, {3}, bytes}}));
  check_error(ErrorCode::usage, {"'w'", "[-2]"}, write({{"w", DType::f32, {-2}, bytes}}));
  check_error(ErrorCode::usage, {"'w'", "twice"}, write({matrix("w", values), matrix("w", values)}));
  check_error(ErrorCode::usage, {"__metadata__", "reserved"}, write({matrix("__metadata__", values)}));
  check_error(ErrorCode::usage, {"UTF-8"}, write({matrix("\xff", values)}));
  CHECK(fs::is_empty(folder.path()));
  check_error(ErrorCode::cannot_create, {folder / "absent/out.safetensors", "No such file"},
              [&] { write_matrices(folder / "absent/out.safetensors", {"w"}); });
  fs::create_directories(folder / "taken.safetensors/full");
  check_error(ErrorCode::cannot_create, {"taken.safetensors"},
              [&] { write_matrices(folder / "taken.safetensors", {"w"}); });
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

namespace {

/// Opens `path`. Whatever the bytes are, the result is an Error or a tensor of which every byte can be read.
bool opens_or_fails_cleanly(const std::string& path) {
  try {
    const TensorFile file = open_tensor(path);
    unsigned sum = 0;
    for (size_t i = 0; i < file.view().size_bytes; ++i) sum += std::to_integer<unsigned>(file.view().data[i]);
    uint64_t expected = size_bytes(file.view().dtype);
    for (const int64_t size : file.view().shape) expected *= static_cast<uint64_t>(size);
    CHECK(expected == file.view().size_bytes);
    CHECK(sum < ~0u);
    return true;
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::bad_data);
    return false;
  }
}

void damage_every_byte(const std::string& path, size_t header_bytes) {
  const std::string good = read_file(path);
  REQUIRE(opens_or_fails_cleanly(path));
  for (size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    write_file(path, good.substr(0, length));
    CHECK_FALSE(opens_or_fails_cleanly(path));
  }
  for (size_t i = 0; i < header_bytes; ++i) {
    std::string damaged = good;
    for (const unsigned mask : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
      CAPTURE(i);
      CAPTURE(mask);
      damaged[i] = static_cast<char>(static_cast<unsigned char>(good[i]) ^ mask);
      write_file(path, damaged);
      opens_or_fails_cleanly(path);
    }
    for (const char replacement : {'"', '{', '}', '[', ']', ',', ':', '0', '9', '-', '\'', '(', ')'}) {
      damaged[i] = replacement;
      write_file(path, damaged);
      opens_or_fails_cleanly(path);
    }
  }
}

}  // namespace

TEST_CASE("a damaged file never crashes the reader") {
  const TemporaryFolder folder;
  const std::string weights = folder / "weights.safetensors";
  const std::vector<float> values = {1.0f, 2.0f, 3.0f, 4.0f};
  write_safetensors(weights,
                    std::vector<NamedTensor>{{"lm_head.weight", DType::f32, {2, 2}, bytes_of(values)},
                                             {"b", DType::bf16, {8}, bytes_of(values)}});
  damage_every_byte(weights, fs::file_size(weights) - 32);
  const std::string hidden = folder / "hidden.npy";
  const std::string header = npy_dict("<f4", "(2, 2)");
  write_file(hidden, npy(header, 16));
  damage_every_byte(hidden, 10 + header.size());
}
