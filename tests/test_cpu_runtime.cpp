#include <doctest/doctest.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "gumtile/error.h"
#include "runtime/cpu/bandwidth.h"
#include "runtime/cpu/cpu_info.h"
#include "runtime/cpu/shared_object.h"
#include "runtime/cpu/thread_pool.h"

namespace gumtile::cpu {
namespace {

using Bytes = std::vector<std::byte>;

/// A small shared object compiled by the system's C compiler; empty (and a message) if there is none.
Bytes compile(const std::string& source) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("gumtile-test-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "object.c") << source;
  const std::string command = "cc -shared -fPIC -O1 -o '" + (folder / "object.so").string() + "' '" +
                              (folder / "object.c").string() + "' 2>/dev/null";
  Bytes bytes;
  if (std::system(command.c_str()) == 0) {
    std::ifstream file(folder / "object.so", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const auto* first = reinterpret_cast<const std::byte*>(text.data());
    bytes.assign(first, first + text.size());
  } else {
    MESSAGE("skipped: there is no working C compiler 'cc'");
  }
  std::filesystem::remove_all(folder);
  return bytes;
}

Bytes returning(int value) { return compile("int value(void) { return " + std::to_string(value) + "; }"); }

int open_descriptors() {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

template <typename Body>
ErrorCode code_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  FAIL("no Error was thrown");
  return ErrorCode::internal;
}

TEST_CASE("compiled bytes become callable code") {
  const Bytes image = compile(
      "static int calls; int twice(int x) { ++calls; return 2 * x; } int count(void) { return calls; } int "
      "table[4] = "
      "{1, 2, 3, 4};");
  if (image.empty()) return;
  const SharedObject object(image, "twice");
  CHECK(object.function<int(int)>("twice")(21) == 42);
  CHECK(static_cast<int*>(object.symbol("table"))[3] == 4);
  CHECK(code_of([&] { object.symbol("thrice"); }) == ErrorCode::internal);

  const SharedObject again(image, "twice");  // its own data
  CHECK(object.function<int()>("count")() == 1);
  CHECK(again.function<int()>("count")() == 0);
}

TEST_CASE("many objects at once stay apart, though they share descriptor numbers") {
  std::vector<Bytes> images;
  for (int value = 0; value < 4; ++value) images.push_back(returning(value));
  if (images[0].empty()) return;
  const int before = open_descriptors();
  std::vector<SharedObject> objects;
  for (int index = 0; index < 40; ++index) {
    objects.emplace_back(images[static_cast<size_t>(index % 4)], "value");
    if (index % 5 == 4) objects.erase(objects.begin() + index / 2 % static_cast<int>(objects.size() - 1));
    CHECK(objects.back().function<int()>("value")() == index % 4);
  }
  CHECK(open_descriptors() == before);

  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int value = 0; value < 4; ++value) {
    threads.emplace_back([&, value] {
      for (int round = 0; round < 20; ++round) {
        const SharedObject object(images[static_cast<size_t>(value)], "value");
        if (object.function<int()>("value")() != value) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("a shared object is moved and unloaded") {
  const Bytes first_image = returning(1);
  const Bytes second_image = returning(2);
  if (first_image.empty()) return;
  auto loaded = [] {
    int count = 0;
    dl_iterate_phdr([](dl_phdr_info*, size_t, void* counter) { return ++*static_cast<int*>(counter), 0; },
                    &count);
    return count;
  };
  const int before = loaded();
  {
    SharedObject first(first_image, "first");
    SharedObject second(second_image, "second");
    CHECK(loaded() == before + 2);
    SharedObject moved = std::move(first);
    CHECK(moved.function<int()>("value")() == 1);
    moved = std::move(second);
    CHECK(moved.function<int()>("value")() == 2);
  }
  CHECK(loaded() == before);
}

TEST_CASE("bytes that are no loadable object are refused") {
  const Bytes image = returning(1);
  auto load = [](Bytes bytes) { return [bytes = std::move(bytes)] { SharedObject(bytes, "broken"); }; };
  CHECK(code_of(load({})) == ErrorCode::bad_data);
  CHECK(code_of(load(Bytes(1000, std::byte{'x'}))) == ErrorCode::bad_data);
  if (image.empty()) return;
  for (const size_t kept : {size_t{5}, size_t{40}, size_t{100}, image.size() / 4}) {
    CHECK(code_of(load(Bytes(image.begin(), image.begin() + static_cast<ptrdiff_t>(kept)))) ==
          ErrorCode::bad_data);
  }
  Bytes foreign = image;
  foreign[18] = std::byte{0xee};  // e_machine
  CHECK(code_of(load(foreign)) == ErrorCode::bad_data);
  Bytes relocatable = image;
  relocatable[16] = std::byte{1};  // e_type = ET_REL
  CHECK(code_of(load(relocatable)) == ErrorCode::bad_data);
  CHECK(code_of(load(compile("int missing(void); int value(void) { return missing(); }"))) ==
        ErrorCode::internal);
}

TEST_CASE("every task runs once, on a worker that exists") {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (const int tasks : {0, 1, 2, 7, 100, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(tasks));
      std::atomic<int> strangers{0};
      pool.run(tasks, [&](int task, int worker) {
        ++runs[static_cast<size_t>(task)];
        if (worker < 0 || worker >= threads) ++strangers;
      });
      CHECK(std::all_of(runs.begin(), runs.end(), [](const std::atomic<int>& count) { return count == 1; }));
      CHECK(strangers == 0);
    }
  }
}

TEST_CASE("what tasks write is visible after the call, over many short calls") {
  ThreadPool pool(4);
  std::vector<int> values(64, 0);
  for (int round = 0; round < 3000; ++round) {
    pool.run(64, [&](int task, int) { values[static_cast<size_t>(task)] += task; });
    if (round % 500 == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));  // let the workers fall asleep
  }
  for (int task = 0; task < 64; ++task) CHECK(values[static_cast<size_t>(task)] == 3000 * task);
}

TEST_CASE("the plain function form passes its context") {
  ThreadPool pool(2);
  std::atomic<int> sum{0};
  pool.run(
      10, [](void* context, int task, int) { *static_cast<std::atomic<int>*>(context) += task; }, &sum);
  CHECK(sum == 45);
  pool.run(-1, nullptr, nullptr);
}

TEST_CASE("run_on_each_worker runs once per worker, mixed with other calls") {
  ThreadPool pool(5);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::thread::id> first(5);
    std::vector<std::thread::id> second(5);
    std::vector<int> runs(5, 0);
    pool.run_on_each_worker([&](int task, int worker) {
      if (task == worker) ++runs[static_cast<size_t>(worker)];
      first[static_cast<size_t>(worker)] = std::this_thread::get_id();
    });
    CHECK(runs == std::vector<int>(5, 1));
    if (round % 2 == 0) pool.run(3, [](int, int) {});
    if (round % 3 == 0) pool.run(1, [](int, int) {});
    pool.run_on_each_worker(
        [&](int, int worker) { second[static_cast<size_t>(worker)] = std::this_thread::get_id(); });
    CHECK(first == second);
  }
  ThreadPool alone(1);
  int runs = 0;
  alone.run_on_each_worker([&](int, int) { ++runs; });
  CHECK(runs == 1);
}

TEST_CASE("several threads may use one pool") {
  ThreadPool pool(3);
  std::vector<std::thread> callers;
  std::atomic<int64_t> total{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        int64_t sum = 0;
        std::atomic<int64_t> partial{0};
        pool.run(20, [&](int task, int) { partial += task; });
        sum = partial;
        total += sum;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(total == int64_t{4} * 200 * 190);
}

TEST_CASE("pools come and go without being used") {
  for (int round = 0; round < 50; ++round) ThreadPool pool(4);
  CHECK(ThreadPool::default_threads() >= 1);
  CHECK(ThreadPool().threads() == ThreadPool::default_threads());
}

TEST_CASE("the processor is described consistently") {
  const CpuInfo& info = cpu_info();
  CHECK(!info.brand.empty());
  CHECK(info.affinity_threads >= 1);
  CHECK(info.physical_cores >= 1);
  CHECK(info.physical_cores <= info.affinity_threads);
  CHECK((!info.avx512bf16 || info.avx512f));
  CHECK((!info.amx_bf16 || info.amx_tile));
#ifdef __x86_64__
  CHECK(info.avx2 == (__builtin_cpu_supports("avx2") != 0));
  CHECK(info.fma == (__builtin_cpu_supports("fma") != 0));
  CHECK(info.avx512f == (__builtin_cpu_supports("avx512f") != 0));
  CHECK(info.avx512bw == (__builtin_cpu_supports("avx512bw") != 0));
  CHECK(info.avx512bf16 == (__builtin_cpu_supports("avx512bf16") != 0));
#endif
}

TEST_CASE("the read bandwidth is measured") {
  ThreadPool pool(2);
  const double bytes_per_second = measure_read_bandwidth(pool, size_t{64} << 20);
  CHECK(bytes_per_second > 1e8);
  CHECK(bytes_per_second < 1e14);
  CHECK(code_of([&] { measure_read_bandwidth(pool, 4096); }) == ErrorCode::usage);
}

}  // namespace
}  // namespace gumtile::cpu
