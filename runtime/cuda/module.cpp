#include "runtime/cuda/module.h"

#include <fmt/format.h>

#include "runtime/cuda/jit_log.h"

namespace gumtile::cuda {

void Function::load() const {
  if (driver_->cuFuncLoad != nullptr) {
    check(*driver_, driver_->cuFuncLoad(handle_), "loading a kernel onto the device");
  } else {
    registers();  // older drivers load a function to answer queries about it
  }
}

void Function::set_max_dynamic_shared_bytes(int bytes) const {
  const CUresult result =
      driver_->cuFuncSetAttribute(handle_, CUfunction_attribute::max_dynamic_shared_size_bytes, bytes);
  if (result != CUresult::success) {
    throw_error(*driver_, result, fmt::format("asking for {} bytes of dynamic shared memory", bytes));
  }
}

int Function::registers() const { return attribute(CUfunction_attribute::registers); }
int Function::local_bytes() const { return attribute(CUfunction_attribute::local_size_bytes); }
int Function::static_shared_bytes() const { return attribute(CUfunction_attribute::shared_size_bytes); }
int Function::max_threads_per_block() const { return attribute(CUfunction_attribute::max_threads_per_block); }

int Function::max_active_blocks(int threads, size_t dynamic_shared_bytes) const {
  int blocks = 0;
  check(*driver_,
        driver_->cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, handle_, threads, dynamic_shared_bytes),
        "asking for a kernel's occupancy");
  return blocks;
}

int Function::attribute(CUfunction_attribute which) const {
  int value = 0;
  check(*driver_, driver_->cuFuncGetAttribute(&value, which, handle_), "reading a kernel's attributes");
  return value;
}

Module Module::load_ptx(const Driver& driver, const std::string& ptx) {
  return load(driver, ptx.c_str(), "loading PTX");
}

Module Module::load_cubin(const Driver& driver, std::span<const std::byte> cubin) {
  return load(driver, cubin.data(), "loading a cubin");
}

Module Module::load(const Driver& driver, const void* image, const std::string& what) {
  JitLog log;
  CUmodule handle = nullptr;
  const CUresult result =
      driver.cuModuleLoadDataEx(&handle, image, log.option_count(), log.options(), log.option_values());
  if (result != CUresult::success) log.throw_error(driver, result, what);
  Module module;
  module.module_ = {driver, handle};
  module.info_log_ = log.info();
  return module;
}

Function Module::function(const std::string& name) const {
  const Driver& driver = *module_.driver();
  CUfunction function = nullptr;
  const CUresult result = driver.cuModuleGetFunction(&function, handle(), name.c_str());
  if (result != CUresult::success) throw_error(driver, result, fmt::format("finding the kernel '{}'", name));
  return {driver, function};
}

}  // namespace gumtile::cuda
