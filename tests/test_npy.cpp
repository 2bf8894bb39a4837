#include <doctest/doctest.h>

#include "tensor_file_fixture.h"

using namespace gumtile;
using namespace gumtile::test;

TEST_CASE("npy: every version and dtype that is supported") {
  const TemporaryFolder folder;
  const std::string path = folder / "hidden.npy";
  for (const int major : {1, 2, 3}) {
    write_file(path, npy(npy_dict("<f4", "(2, 3)"), 24, major));
    const TensorFile file = open_tensor(path);
    CHECK(file.name().empty());
    CHECK(file.view().dtype == DType::f32);
    CHECK(file.view().shape == std::vector<int64_t>{2, 3});
    CHECK(file.view().size_bytes == 24);
    CHECK(reinterpret_cast<uintptr_t>(file.view().data) % 4 == 0);
    CHECK(std::to_integer<int>(file.view().data[23]) == 1);
  }
  write_file(path, npy(npy_dict("<f2", "(5,)"), 10));
  CHECK(open_npy(path).view().dtype == DType::f16);
  CHECK(open_npy(path).view().shape == std::vector<int64_t>{1, 5});
  write_file(path, npy(R"({"shape":(2L,0L),"fortran_order":False,"descr":"<f4"})", 0));
  CHECK(open_npy(path).view().shape == std::vector<int64_t>{2, 0});
  write_file(path, npy(npy_dict("<f4", "()"), 4));
  check_error(ErrorCode::bad_data, {"the hidden states", "[]"},
              [&] { expect_matrix(open_npy(path).view(), "the hidden states"); });
  for (const char* descr : {"<u2", "|V2", "<V2"}) {
    write_file(path, npy(npy_dict(descr, "(1, 2)"), 4));
    CHECK(open_npy(path, {.npy_u16_is_bf16 = true}).view().dtype == DType::bf16);
    check_error(ErrorCode::bad_data, {path, descr, "bf16"}, [&] { open_npy(path); });
  }
  check_error(ErrorCode::usage, {path, "'w'"}, [&] { open_tensor(path + ":w"); });
}

TEST_CASE("npy: a faulty file is refused") {
  const TemporaryFolder folder;
  const std::string path = folder / "bad.npy";
  struct Fault {
    std::string file;
    std::vector<std::string> message;
  };
  const Fault faults[] = {
      {"", {"magic"}},
      {"\x93NUMPX", {"magic"}},
      {"\x93NUMPY\x01", {"truncated"}},
      {std::string("\x93NUMPY\x04\x00", 8), {"version 4.0"}},
      {std::string("\x93NUMPY\x01\x01", 8), {"version 1.1"}},
      {std::string("\x93NUMPY\x02\x00\x01\x00", 10), {"truncated"}},
      {std::string("\x93NUMPY\x01\x00\xff\x00{", 11), {"header length is 255", "only 1"}},
      {npy("", 0), {"'{' belongs"}},
      {npy("{", 0), {"string belongs"}},
      {npy("{'descr", 0), {"string belongs"}},
      {npy("{'descr': '<f4'}", 0), {"lacks a key"}},
      {npy("{'descr': '<f4' 'shape': ()}", 0), {"'}' belongs"}},
      {npy("{'descr': '<f4', 'descr': '<f4'}", 0), {"'descr' twice"}},
      {npy("{'order': 'C'}", 0), {"unknown key 'order'"}},
      {npy(npy_dict("<f4", "(1,)", "None"), 4), {"True or False"}},
      {npy(npy_dict("<f4", "(1,)", "True"), 4), {"Fortran", "ascontiguousarray"}},
      {npy(npy_dict("<f4", "(1)"), 4), {"no tuple"}},
      {npy(npy_dict("<f4", "[1, 2]"), 8), {"'(' belongs"}},
      {npy(npy_dict("<f4", "(-1, 2)"), 8), {"size belongs"}},
      {npy(npy_dict("<f4", "(1.5, 2)"), 8), {"')' belongs"}},
      {npy(npy_dict("<f4", "(9223372036854775808, 1)"), 8), {"2^63-1"}},
      {npy(npy_dict("<f4", "(4294967296, 4294967296)"), 8), {"overflows"}},
      {npy(npy_dict("<f4", "(1, 2)") + "junk", 8), {"goes on"}},
      {npy(npy_dict("<f4", "(2, 2)"), 15), {"f32", "[2, 2]", "16 bytes", "15 follow", "truncated"}},
      {npy(npy_dict("<f4", "(2, 2)"), 17), {"16 bytes", "17 follow", "one array"}},
      {npy(npy_dict(">f4", "(1, 2)"), 8), {"'>f4'", "astype"}},
      {npy(npy_dict("<f8", "(1, 2)"), 16), {"'<f8'", "astype"}},
      {npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4), {"structured"}},
  };
  for (const Fault& fault : faults) {
    CAPTURE(fault.file);
    write_file(path, fault.file);
    check_error(ErrorCode::bad_data, fault.message, [&] { open_npy(path); });
    check_error(ErrorCode::bad_data, {path}, [&] { open_npy(path); });
  }
}
