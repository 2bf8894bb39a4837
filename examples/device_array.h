#pragma once

#include <memory>
#include <vector>

#include "gumtile/engine.h"

/// An array in an engine's memory (a GPU's, or the host's on `cpu`), freed at the end of its scope. An
/// application has memory of its own and needs none of this.
template <typename T>
class DeviceArray {
 public:
  DeviceArray(std::shared_ptr<gumtile::Engine> engine, size_t count)
      : engine_(std::move(engine)),
        count_(count),
        data_(static_cast<T*>(engine_->allocate(count * sizeof(T)))) {}
  DeviceArray(std::shared_ptr<gumtile::Engine> engine, const std::vector<T>& values)
      : DeviceArray(std::move(engine), values.size()) {
    engine_->copy_to_device(data_, values.data(), count_ * sizeof(T));
  }
  ~DeviceArray() { engine_->release(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  size_t size_bytes() const { return count_ * sizeof(T); }

  /// A copy in host memory, after all work on the default stream is done.
  std::vector<T> read() const {
    std::vector<T> values(count_);
    engine_->copy_to_host(values.data(), data_, count_ * sizeof(T));
    return values;
  }

 private:
  std::shared_ptr<gumtile::Engine> engine_;
  size_t count_;
  T* data_;
};
