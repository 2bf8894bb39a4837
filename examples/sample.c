/* Sampling from C, on the stable interface (gumtile/gumtile.h), linked with libgumtile.
 *
 *   sample [DEVICE]        "auto" (the default), "cpu" or "cuda:N"
 *
 * Four rows of made-up hidden states, two of them greedy. Ends with 0 if the greedy tokens are right.
 */
#include <gumtile/gumtile.h>
#include <stdio.h>
#include <stdlib.h>

enum { VOCAB = 1000, HIDDEN = 64, ROWS = 4 };

static void check(gumtile_status status, const char* what) {
  if (status == GUMTILE_OK) return;
  fprintf(stderr, "%s: %s: %s\n", what, gumtile_status_name(status), gumtile_last_error());
  exit((int)status);
}

/* A copy of host memory on the device. An application brings memory of its own. */
static void* on_device(gumtile_engine* engine, const void* host, size_t bytes) {
  void* memory = NULL;
  check(gumtile_engine_allocate(engine, bytes, &memory), "allocating");
  check(gumtile_engine_copy_to_device(engine, memory, host, bytes), "copying");
  return memory;
}

static float weights[VOCAB][HIDDEN];
static float hidden[ROWS][HIDDEN];

int main(int argc, char** argv) {
  uint32_t random = 1;
  for (int token = 0; token < VOCAB; ++token)
    for (int k = 0; k < HIDDEN; ++k) {
      random = random * 1664525 + 1013904223;
      weights[token][k] = (float)(random >> 16) / 65536 - 0.5F;
    }
  /* Each row is a multiple of the weights of its most likely token. */
  for (int row = 0; row < ROWS; ++row)
    for (int k = 0; k < HIDDEN; ++k) hidden[row][k] = 0.5F * weights[111 * (row + 1)][k];
  const float temperature[ROWS] = {0, 1, 0, 1};
  const uint64_t seed[ROWS] = {1, 2, 3, 4};    /* one a request */
  const uint64_t offset[ROWS] = {0, 7, 5, 99}; /* the position in the request */
  int32_t token[ROWS] = {0};
  float logprob[ROWS] = {0};

  gumtile_engine_options engine_options = GUMTILE_ENGINE_OPTIONS_INIT;
  engine_options.device = argc > 1 ? argv[1] : "auto";
  gumtile_engine* engine = NULL;
  check(gumtile_engine_open(&engine_options, &engine), "opening the device");

  gumtile_head_options head_options = GUMTILE_HEAD_OPTIONS_INIT;
  head_options.vocab_size = VOCAB;
  head_options.hidden_size = HIDDEN;
  head_options.weights_dtype = GUMTILE_F32;
  head_options.weights = on_device(engine, weights, sizeof(weights));
  gumtile_head* head = NULL;
  check(gumtile_head_create(engine, &head_options, &head), "making the head");

  gumtile_prepare_options prepare = GUMTILE_PREPARE_OPTIONS_INIT;
  prepare.max_rows = ROWS; /* the one call that compiles */
  check(gumtile_head_prepare(head, &prepare), "preparing");

  gumtile_sample_args args = GUMTILE_SAMPLE_ARGS_INIT;
  args.rows = ROWS;
  args.hidden_states = on_device(engine, hidden, sizeof(hidden));
  args.temperature = on_device(engine, temperature, sizeof(temperature));
  args.seed = on_device(engine, seed, sizeof(seed));
  args.offset = on_device(engine, offset, sizeof(offset));
  args.token = on_device(engine, token, sizeof(token));
  args.logprob = on_device(engine, logprob, sizeof(logprob));
  check(gumtile_head_workspace_size(head, ROWS, &args.workspace_bytes, NULL),
        "asking for the workspace's size");
  check(gumtile_engine_allocate(engine, args.workspace_bytes, &args.workspace), "allocating");
  check(gumtile_head_workspace_init(head, NULL, args.workspace, args.workspace_bytes),
        "readying the workspace");
  check(gumtile_head_validate(head, &args, 0), "checking the arguments");

  check(gumtile_head_sample(head, NULL, &args), "sampling"); /* this alone is in the decode loop */
  check(gumtile_engine_copy_to_host(engine, token, args.token, sizeof(token)), "reading");
  check(gumtile_engine_copy_to_host(engine, logprob, args.logprob, sizeof(logprob)), "reading");

  int right = 1;
  for (int row = 0; row < ROWS; ++row) {
    printf("row %d: token %d, log-probability %.4f\n", row, (int)token[row], (double)logprob[row]);
    if (temperature[row] == 0) right = right && token[row] == 111 * (row + 1);
  }
  void* const memory[] = {(void*)head_options.weights,
                          (void*)args.hidden_states,
                          (void*)args.temperature,
                          (void*)args.seed,
                          (void*)args.offset,
                          args.token,
                          args.logprob,
                          args.workspace};
  gumtile_head_destroy(head);
  for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); ++i) gumtile_engine_release(engine, memory[i]);
  gumtile_engine_close(engine);
  return right ? 0 : 1;
}
