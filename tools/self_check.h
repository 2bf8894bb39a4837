#pragma once

#include <string>

namespace gumtile::tools {

/// The result of a check of a device.
struct SelfCheck {
  std::string device;
  std::string fault;  ///< empty: the device computes correctly
};

/// Compiles a small argmax over a matrix product, runs it on `device` ("cpu", "cuda:N") and compares with the
/// interpreter. The numbers are small integers, so that every order of additions gives the same result. Does
/// not throw.
SelfCheck self_check(const std::string& device);

}  // namespace gumtile::tools
