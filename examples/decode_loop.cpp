// The decode loop of a serving engine, on the stable interface: requests join and leave, each keeps a slot
// with its sampling parameters, batches are padded to a bucket's size, and on a GPU each bucket is one
// captured CUDA graph. On the CPU the same launches are made directly.
//
//   decode_loop [DEVICE]        "auto" (the default), "cpu" or "cuda:N"
//
// The model is made up: a token's embedding is the next hidden state. At the end every request is sampled
// again alone; its tokens must be the same, whichever requests shared its batches. Ends with 0 if they are.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "cuda_graph.h"
#include "embed_array.h"

namespace {

namespace embed = gumtile::embed;

constexpr std::int64_t kVocab = 4000;
constexpr std::int64_t kHidden = 128;
constexpr std::int64_t kMaxRows = 16;
constexpr std::int32_t kSlots = 16;
constexpr std::int32_t kPadding = -1;  // the slot of a padding row

struct Request {
  std::uint64_t seed = 0;
  float temperature = 1;
  std::int32_t last_token = 0;  // here the prompt's last token
  std::size_t wanted = 0;       // tokens
  std::vector<std::int32_t> tokens;
  std::int32_t slot = kPadding;
};

std::vector<std::uint16_t> random_bf16(std::size_t count) {
  std::vector<std::uint16_t> values(count);
  std::uint32_t random = 1;
  for (std::uint16_t& value : values) {
    random = random * 1664525 + 1013904223;
    const float number = static_cast<float>(random >> 16) / 65536 - 0.5F;
    std::uint32_t bits = 0;
    std::memcpy(&bits, &number, sizeof(bits));
    value = static_cast<std::uint16_t>(bits >> 16);
  }
  return values;
}

/// Sampling as an engine embeds it: persistent arrays, a head, and one graph per bucket, a batch size.
class Sampler {
 public:
  explicit Sampler(const char* device)
      : engine_(device),
        embeddings_(random_bf16(static_cast<std::size_t>(kVocab * kHidden))),
        weights_(engine_, embeddings_),
        head_(engine_, options()),
        hidden_(engine_, static_cast<std::size_t>(kMaxRows * kHidden)),
        row_slot_(engine_, static_cast<std::size_t>(kMaxRows)),
        num_rows_(engine_, 1),
        offset_(engine_, static_cast<std::size_t>(kMaxRows)),
        token_(engine_, static_cast<std::size_t>(kMaxRows)),
        any_status_(engine_, 1),
        temperature_(engine_, kSlots),
        seed_(engine_, kSlots) {
    head_.prepare(kMaxRows, {0});  // at start-up: nothing below compiles
    workspace_ = std::make_unique<EmbedArray<char>>(engine_, head_.workspace_size(kMaxRows));
    args_.hidden_states = hidden_.data();
    args_.row_slot = row_slot_.data();
    args_.num_rows = num_rows_.data();
    args_.temperature = temperature_.data();
    args_.seed = seed_.data();
    args_.offset = offset_.data();
    args_.token = token_.data();
    args_.any_status = any_status_.data();
    args_.workspace = workspace_->data();
    args_.workspace_bytes = head_.workspace_size(kMaxRows);
    const embed::DeviceInfo info = engine_.device();
    if (info.is_gpu != 0) {
      cuda_ = std::make_unique<CudaDriver>(std::stoi(std::string(info.id).substr(5)));
      stream_ = cuda_->make_stream();
    }
    head_.workspace_init(stream_, args_.workspace, args_.workspace_bytes);
    head_.validate(args_, kSlots);
    // One graph per bucket, captured once: everything that changes from step to step is in device memory.
    for (const std::int64_t rows : kBuckets) {
      if (cuda_ == nullptr) break;
      graphs_[rows] = cuda_->capture(stream_, [&] { launch(rows); });
    }
    std::printf("%s: %s, %zu graphs\n", info.id, info.name, graphs_.size());
  }
  ~Sampler() {
    for (const auto& [rows, graph] : graphs_) cuda_->destroy(graph);
  }
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  /// A request's parameters, written when it joins.
  void set_slot(const Request& request) {
    temperatures_[static_cast<std::size_t>(request.slot)] = request.temperature;
    seeds_[static_cast<std::size_t>(request.slot)] = request.seed;
    temperature_.write(temperatures_);
    seed_.write(seeds_);
  }

  /// The next token of each request.
  void step(const std::vector<Request*>& batch) {
    const auto rows = static_cast<std::int64_t>(batch.size());
    const std::int64_t bucket = *std::lower_bound(std::begin(kBuckets), std::end(kBuckets), rows);
    std::vector<std::int32_t> slots(static_cast<std::size_t>(bucket), kPadding);
    std::vector<std::uint64_t> positions(static_cast<std::size_t>(bucket));
    std::vector<std::uint16_t> states(static_cast<std::size_t>(bucket * kHidden));
    for (std::size_t row = 0; row < batch.size(); ++row) {
      slots[row] = batch[row]->slot;
      positions[row] = batch[row]->tokens.size();
      std::copy_n(embeddings_.begin() + batch[row]->last_token * kHidden, kHidden,
                  states.begin() + static_cast<std::ptrdiff_t>(row) * kHidden);
    }
    row_slot_.write(slots);
    num_rows_.write({static_cast<std::int32_t>(rows)});
    offset_.write(positions);
    hidden_.write(states);
    if (cuda_ != nullptr) {
      cuda_->launch(graphs_.at(bucket), stream_);
      engine_.synchronize(stream_);
    } else {
      launch(bucket);
    }
    if (any_status_.read().front() != 0) std::fprintf(stderr, "a row has a status\n");
    const std::vector<std::int32_t> tokens = token_.read();
    for (std::size_t row = 0; row < batch.size(); ++row) {
      batch[row]->last_token = tokens[row];
      batch[row]->tokens.push_back(tokens[row]);
    }
  }

 private:
  static constexpr std::int64_t kBuckets[] = {1, 4, 8, kMaxRows};

  embed::HeadOptions options() const {
    embed::HeadOptions options;
    options.vocab_size = kVocab;
    options.hidden_size = kHidden;
    options.weights = weights_.data();  // tied to the embedding
    return options;
  }

  void launch(std::int64_t rows) {
    args_.rows = rows;
    embed::check(head_.sample(stream_, args_));
  }

  embed::Engine engine_;
  std::vector<std::uint16_t> embeddings_;
  EmbedArray<std::uint16_t> weights_;
  embed::Head head_;
  EmbedArray<std::uint16_t> hidden_;
  EmbedArray<std::int32_t> row_slot_, num_rows_;
  EmbedArray<std::uint64_t> offset_;
  EmbedArray<std::int32_t> token_;
  EmbedArray<std::uint32_t> any_status_;
  EmbedArray<float> temperature_;
  EmbedArray<std::uint64_t> seed_;
  std::vector<float> temperatures_ = std::vector<float>(kSlots, 1.0F);
  std::vector<std::uint64_t> seeds_ = std::vector<std::uint64_t>(kSlots);
  std::unique_ptr<EmbedArray<char>> workspace_;
  embed::SampleArgs args_;
  std::unique_ptr<CudaDriver> cuda_;
  CudaDriver::Stream stream_ = nullptr;
  std::map<std::int64_t, CudaDriver::Graph> graphs_;
};

std::vector<Request> made_up_requests() {
  std::vector<Request> requests(40);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].seed = 1000 + i;
    requests[i].temperature = 0.25F * static_cast<float>(i % 5);  // every fifth request is greedy
    requests[i].last_token = static_cast<std::int32_t>(97 * i);
    requests[i].wanted = 3 + 7 * i % 20;
  }
  return requests;
}

int run(const char* device) {
  Sampler sampler(device);
  std::vector<Request> requests = made_up_requests();
  std::vector<std::int32_t> free_slots;
  for (std::int32_t slot = 0; slot < kSlots; ++slot) free_slots.push_back(slot);

  std::vector<Request*> running;
  std::size_t next = 0;
  int steps = 0;
  while (next < requests.size() || !running.empty()) {
    // Up to two requests join per step, while there are free slots.
    for (int joins = 0; joins < 2 && next < requests.size() && !free_slots.empty(); ++joins) {
      Request& request = requests[next++];
      request.slot = free_slots.back();
      free_slots.pop_back();
      sampler.set_slot(request);
      running.push_back(&request);
    }
    sampler.step(running);
    ++steps;
    const auto done = [&](Request* request) {
      if (request->tokens.size() < request->wanted) return false;
      free_slots.push_back(request->slot);
      return true;
    };
    running.erase(std::remove_if(running.begin(), running.end(), done), running.end());
  }

  std::size_t tokens = 0;
  std::size_t different = 0;
  std::vector<Request> alone = made_up_requests();
  for (std::size_t i = 0; i < requests.size(); ++i) {
    alone[i].slot = static_cast<std::int32_t>(i) % kSlots;
    sampler.set_slot(alone[i]);
    while (alone[i].tokens.size() < alone[i].wanted) sampler.step({&alone[i]});
    tokens += requests[i].tokens.size();
    different += alone[i].tokens != requests[i].tokens;
  }
  std::printf("%zu requests, %zu tokens in %d steps; %zu requests differ when sampled alone\n",
              requests.size(), tokens, steps, different);
  return different == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "auto");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "decode_loop: %s\n", error.what());
    return 1;
  }
}
