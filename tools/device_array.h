#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "gumtile/engine.h"

namespace gumtile::tools {

/// Memory of an engine's device, never null.
class DeviceArray {
 public:
  DeviceArray(std::shared_ptr<Engine> engine, size_t bytes)
      : engine_(std::move(engine)), data_(engine_->allocate(std::max<size_t>(bytes, 1))) {}
  ~DeviceArray() {
    if (data_ != nullptr) engine_->release(data_);
  }
  DeviceArray(DeviceArray&& other) noexcept
      : engine_(std::move(other.engine_)), data_(std::exchange(other.data_, nullptr)) {}
  DeviceArray& operator=(DeviceArray&&) = delete;
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  /// A copy of `values`.
  template <typename T>
  static DeviceArray of(const std::shared_ptr<Engine>& engine, const std::vector<T>& values) {
    DeviceArray array(engine, values.size() * sizeof(T));
    if (!values.empty()) engine->copy_to_device(array.data(), values.data(), values.size() * sizeof(T));
    return array;
  }

  template <typename T>
  std::vector<T> read(size_t count) const {
    std::vector<T> values(count);
    if (count != 0) engine_->copy_to_host(values.data(), data_, count * sizeof(T));
    return values;
  }

  void* data() const { return data_; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  std::shared_ptr<Engine> engine_;
  void* data_;
};

}  // namespace gumtile::tools
