#pragma once

#include <cstddef>
#include <vector>

#include "gumtile/gumtile.hpp"

/// An array in an engine's memory, behind the stable interface. An application has memory of its own and
/// needs none of this.
template <typename T>
class EmbedArray {
 public:
  EmbedArray(gumtile::embed::Engine& engine, std::size_t count)
      : engine_(&engine), count_(count), data_(static_cast<T*>(engine.allocate(count * sizeof(T)))) {}
  EmbedArray(gumtile::embed::Engine& engine, const std::vector<T>& values)
      : EmbedArray(engine, values.size()) {
    write(values);
  }
  ~EmbedArray() { gumtile_engine_release(engine_->get(), data_); }
  EmbedArray(const EmbedArray&) = delete;
  EmbedArray& operator=(const EmbedArray&) = delete;

  T* data() const { return data_; }
  void write(const std::vector<T>& values) {
    engine_->copy_to_device(data_, values.data(), values.size() * sizeof(T));
  }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    engine_->copy_to_host(values.data(), data_, count_ * sizeof(T));
    return values;
  }

 private:
  gumtile::embed::Engine* engine_;
  std::size_t count_;
  T* data_;
};
