// CUDA graphs: what the pointers point to may change between replays, and a refused call leaves a capture
// intact.
#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <utility>

#include "tests/capi/gpu_fixture.h"

namespace gumtile::test {
namespace {

using Tokens = std::vector<std::int32_t>;

TEST_CASE("1,000 replays with other seeds, temperatures, offsets, slots and counts are as direct launches") {
  constexpr std::int64_t kRows = 13;
  constexpr std::size_t kSlots = 20;
  Prepared prepared(kRows);
  CurrentGpu gpu;
  cuda::Stream stream(gpu.driver());
  Batch replayed = prepared.batch(kRows);
  Batch direct = prepared.batch(kRows);
  Array<std::int32_t> row_slot(prepared.engine, kRows);
  Array<std::int32_t> num_rows(prepared.engine, 1);
  Array<float> temperature(prepared.engine, kSlots);
  Array<std::uint64_t> seed(prepared.engine, kSlots);
  for (Batch* batch : {&replayed, &direct}) {
    batch->args.hidden_states = replayed.hidden.data();
    batch->args.row_slot = row_slot.data();
    batch->args.num_rows = num_rows.data();
    batch->args.temperature = temperature.data();
    batch->args.seed = seed.data();
    batch->args.offset = replayed.offset.data();
    prepared.init(*batch, stream.handle());
  }
  stream.synchronize();
  cuda::GraphExec graph = cuda::GraphExec::capture(
      gpu.driver(), stream.handle(),
      [&](cuda::CUstream capturing) { CHECK(prepared.head.sample(capturing, replayed.args) == GUMTILE_OK); });

  std::mt19937 random(7);
  const auto below = [&](std::uint32_t n) { return static_cast<std::int32_t>(random() % n); };
  int different = 0;
  std::size_t sampled = 0;
  for (int replay = 0; replay < 1000; ++replay) {
    Tokens slots(kRows);
    std::vector<float> temperatures(kSlots);
    std::vector<std::uint64_t> seeds(kSlots), offsets(kRows);
    for (std::int32_t& slot : slots) slot = below(8) == 0 ? -1 : below(kSlots);
    for (float& value : temperatures) value = below(4) == 0 ? 0.0F : 0.1F * static_cast<float>(below(20));
    for (std::uint64_t& value : seeds) value = random();
    for (std::uint64_t& value : offsets) value = random();
    row_slot.write(slots);
    num_rows.write({below(kRows + 1)});
    temperature.write(temperatures);
    seed.write(seeds);
    replayed.offset.write(offsets);
    replayed.hidden.write(random_bf16(kRows * kHidden, random()));
    for (Batch* batch : {&replayed, &direct}) batch->token.write(Tokens(kRows, Batch::kUntouched));
    graph.launch(stream.handle());
    stream.synchronize();
    REQUIRE(prepared.head.sample(stream.handle(), direct.args) == GUMTILE_OK);
    stream.synchronize();
    const Tokens tokens = replayed.token.read();
    different += tokens != direct.token.read() || replayed.logprob.read() != direct.logprob.read();
    for (const std::int32_t token : tokens) sampled += token >= 0;
  }
  CHECK(different == 0);
  CHECK(sampled > 2000);
}

TEST_CASE("hidden states at a new address each launch") {
  Prepared prepared(8);
  CurrentGpu gpu;
  Batch batch = prepared.batch(8);
  prepared.init(batch);
  const Tokens expected = batch.sample(prepared.engine, prepared.head);
  const std::vector<std::uint16_t> rows = batch.hidden.read();
  constexpr std::size_t kPlaces = 50;
  Array<std::uint16_t> places(prepared.engine, kPlaces * (8 * kHidden + 8));
  for (std::size_t place = 0; place < kPlaces; ++place) {
    // All alignments: rows that the kernel cannot read as they lie are staged.
    const std::size_t first = place * (8 * kHidden + 8) + place % 8;
    prepared.engine.copy_to_device(places.data() + first, rows.data(), rows.size() * 2);
    batch.args.hidden_states = places.data() + first;
    CAPTURE(place);
    CHECK(batch.sample(prepared.engine, prepared.head) == expected);
  }
}

TEST_CASE("a refused launch leaves the capture as it was") {
  Prepared prepared(4, {0});
  CurrentGpu gpu;
  cuda::Stream stream(gpu.driver());
  Batch batch = prepared.batch(4);
  prepared.init(batch);
  embed::SampleArgs plain = batch.args;
  plain.logprob = nullptr;
  embed::SampleArgs many = plain;
  many.rows = 5;
  embed::SampleArgs small = plain;
  small.workspace_bytes = 0;
  const auto refused = [&](cuda::CUstream capturing) {
    CHECK(prepared.head.sample(capturing, batch.args) == GUMTILE_NOT_PREPARED);
    CHECK(prepared.head.sample(capturing, many) == GUMTILE_TOO_MANY_ROWS);
    CHECK(prepared.head.sample(capturing, small) != GUMTILE_OK);
    cuda::CUstreamCaptureStatus status = cuda::CUstreamCaptureStatus::none;
    CHECK(gpu.driver().cuStreamIsCapturing(capturing, &status) == cuda::CUresult::success);
    CHECK(status == cuda::CUstreamCaptureStatus::active);
  };
  cuda::GraphExec graph =
      cuda::GraphExec::capture(gpu.driver(), stream.handle(), [&](cuda::CUstream capturing) {
        refused(capturing);
        CHECK(prepared.head.sample(capturing, plain) == GUMTILE_OK);
        refused(capturing);
      });
  graph.launch(stream.handle());
  stream.synchronize();
  const Tokens replayed = batch.token.read();
  batch.args = plain;
  CHECK(batch.sample(prepared.engine, prepared.head) == replayed);
  CHECK(replayed[0] >= 0);
}

TEST_CASE("one captured graph for each bucket, on one workspace") {
  Prepared prepared(1100);
  CurrentGpu gpu;
  cuda::Stream stream(gpu.driver());
  Batch batch = prepared.batch(1100);
  prepared.init(batch, stream.handle());
  for (const std::int64_t rows : {1, 4, 8, 16, 32, 64, 128, 256, 384, 640, 1024, 1100}) {
    CAPTURE(rows);
    embed::SampleArgs args = batch.args;
    args.rows = rows;
    cuda::GraphExec graph = cuda::GraphExec::capture(
        gpu.driver(), stream.handle(),
        [&](cuda::CUstream capturing) { CHECK(prepared.head.sample(capturing, args) == GUMTILE_OK); });
    batch.token.write(Tokens(1100, Batch::kUntouched));
    graph.launch(stream.handle());
    stream.synchronize();
    const Tokens replayed = batch.token.read();
    batch.token.write(Tokens(1100, Batch::kUntouched));
    REQUIRE(prepared.head.sample(stream.handle(), args) == GUMTILE_OK);
    stream.synchronize();
    CHECK(batch.token.read() == replayed);
    CHECK(replayed[static_cast<std::size_t>(rows) - 1] >= 0);
    if (rows < 1100) CHECK(replayed[static_cast<std::size_t>(rows)] == Batch::kUntouched);
  }
}

TEST_CASE("graphs of two heads replayed in turn on one workspace") {
  Prepared prepared(64);
  embed::HeadOptions options = head_options(nullptr);
  options.vocab_size = 2 * kVocab;
  const Array<std::uint16_t> weights(prepared.engine,
                                     random_bf16(static_cast<std::size_t>(options.vocab_size * kHidden), 7));
  options.weights = weights.data();
  embed::Head other(prepared.engine, options);
  other.prepare(64);
  CurrentGpu gpu;
  cuda::Stream stream(gpu.driver());
  const std::size_t bytes = prepared.head.workspace_size(64) + other.workspace_size(64);
  const Array<char> workspace(prepared.engine, bytes);
  std::vector<std::unique_ptr<Batch>> batches;
  std::vector<cuda::GraphExec> graphs;
  std::vector<Tokens> expected;
  for (const std::int64_t rows : {1, 64, 9})
    for (const embed::Head* head : {&std::as_const(prepared.head), &std::as_const(other)}) {
      batches.push_back(std::make_unique<Batch>(prepared.engine, rows, head->workspace_size(rows)));
      Batch& batch = *batches.back();
      head->workspace_init(nullptr, batch.args.workspace, batch.args.workspace_bytes);
      expected.push_back(batch.sample(prepared.engine, *head));
      batch.token.write(Tokens(batch.count, Batch::kUntouched));
      batch.args.workspace = workspace.data();
      batch.args.workspace_bytes = bytes;
      graphs.push_back(cuda::GraphExec::capture(gpu.driver(), stream.handle(), [&](cuda::CUstream capturing) {
        CHECK(head->sample(capturing, batch.args) == GUMTILE_OK);
      }));
    }
  other.workspace_init(stream.handle(), workspace.data(), bytes);
  for (int replay = 0; replay < 50; ++replay)
    for (cuda::GraphExec& graph : graphs) graph.launch(stream.handle());
  stream.synchronize();
  for (std::size_t i = 0; i < batches.size(); ++i) {
    CAPTURE(i);
    CHECK(batches[i]->token.read() == expected[i]);
  }
}

}  // namespace
}  // namespace gumtile::test
