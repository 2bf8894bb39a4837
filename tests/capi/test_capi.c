/* The C interface from C: compiled as C11, linked with the shared library, every function called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gumtile/gumtile.h"

#define REQUIRE(condition)                                                                      \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, gumtile_last_error()); \
      exit(1);                                                                                  \
    }                                                                                           \
  } while (0)

enum { VOCAB = 100, HIDDEN = 32, ROWS = 3 };

static int progress_calls = 0;
static int count_progress(void* user, int done, int total) {
  progress_calls += done <= total && user == &progress_calls;
  return 1;
}
static void ignore_log(void* user, int level, const char* message) {
  (void)user;
  (void)level;
  (void)message;
}

static void* to_device(gumtile_engine* engine, const void* from, size_t bytes) {
  void* memory = NULL;
  REQUIRE(gumtile_engine_allocate(engine, bytes, &memory) == GUMTILE_OK);
  REQUIRE(gumtile_engine_copy_to_device(engine, memory, from, bytes) == GUMTILE_OK);
  return memory;
}

int main(void) {
  const char* device = getenv("GUMTILE_TEST_DEVICE");
  REQUIRE(strcmp(gumtile_last_error(), "") == 0);
  REQUIRE(strcmp(gumtile_status_name(GUMTILE_FORKED), "forked") == 0);
  REQUIRE(gumtile_abi_version() == GUMTILE_ABI_VERSION);
  REQUIRE(gumtile_has_jit());

  gumtile_engine_options engine_options = GUMTILE_ENGINE_OPTIONS_INIT;
  engine_options.device = device != NULL ? device : "cpu";
  engine_options.log = ignore_log;
  gumtile_engine* engine = NULL;
  const gumtile_status opened = gumtile_engine_open(&engine_options, &engine);
  if (opened == GUMTILE_DEVICE_UNAVAILABLE && device != NULL) {
    printf("skipped: there is no GPU to run these tests on: %s\n", gumtile_last_error());
    return 0;
  }
  REQUIRE(opened == GUMTILE_OK);
  gumtile_device_info info = GUMTILE_DEVICE_INFO_INIT;
  REQUIRE(gumtile_engine_describe(engine, &info) == GUMTILE_OK);
  REQUIRE(info.workers > 0 && info.memory_bytes > 0);
  printf("gumtile %s on %s (%s, %s)\n", gumtile_version(), info.id, info.name, info.target);

  /* Token 10 * (row + 1) is the only one whose weights equal the row. */
  static float weights[VOCAB][HIDDEN];
  static float hidden[ROWS][HIDDEN];
  for (int row = 0; row < ROWS; ++row) weights[10 * (row + 1)][row] = hidden[row][row] = 8;
  const float temperatures[ROWS] = {0, 0, 0.01F};

  void* device_weights = to_device(engine, weights, sizeof(weights));
  gumtile_head_options head_options = GUMTILE_HEAD_OPTIONS_INIT;
  head_options.vocab_size = VOCAB;
  head_options.hidden_size = HIDDEN;
  head_options.weights_dtype = GUMTILE_F32;
  head_options.weights = device_weights;
  gumtile_head* head = NULL;
  REQUIRE(gumtile_head_create(engine, &head_options, &head) == GUMTILE_OK);
  const uint32_t sets[] = {0, GUMTILE_FEATURE_LOGPROB};
  gumtile_prepare_options prepare = GUMTILE_PREPARE_OPTIONS_INIT;
  prepare.max_rows = ROWS;
  prepare.feature_sets = sets;
  prepare.feature_set_count = 2;
  prepare.progress = count_progress;
  prepare.progress_user = &progress_calls;
  REQUIRE(gumtile_head_prepare(head, &prepare) == GUMTILE_OK);
  REQUIRE(progress_calls > 0);
  REQUIRE(gumtile_head_set_weights(head, device_weights, 0) == GUMTILE_OK);
  REQUIRE(gumtile_head_choice_count(head) > 0);
  gumtile_kernel_choice choice = GUMTILE_KERNEL_CHOICE_INIT;
  REQUIRE(gumtile_head_get_choice(head, 0, &choice) == GUMTILE_OK);
  printf("%s: %s\n", choice.rule, choice.schedule);

  int32_t tokens[ROWS] = {0};
  float logprobs[ROWS] = {0};
  gumtile_sample_args args = GUMTILE_SAMPLE_ARGS_INIT;
  args.rows = ROWS;
  args.hidden_states = to_device(engine, hidden, sizeof(hidden));
  args.temperature = to_device(engine, temperatures, sizeof(temperatures));
  args.token = to_device(engine, tokens, sizeof(tokens));
  args.logprob = to_device(engine, logprobs, sizeof(logprobs));
  size_t alignment = 0;
  REQUIRE(gumtile_head_workspace_size(head, ROWS, &args.workspace_bytes, &alignment) == GUMTILE_OK);
  REQUIRE(alignment == 256);
  REQUIRE(gumtile_engine_allocate(engine, args.workspace_bytes, &args.workspace) == GUMTILE_OK);
  REQUIRE(gumtile_head_workspace_init(head, NULL, args.workspace, args.workspace_bytes) == GUMTILE_OK);
  REQUIRE(gumtile_head_validate(head, &args, ROWS) == GUMTILE_OK);
  REQUIRE(gumtile_head_sample(head, NULL, &args) == GUMTILE_OK);
  REQUIRE(gumtile_engine_synchronize(engine, NULL) == GUMTILE_OK);
  REQUIRE(gumtile_engine_copy_to_host(engine, tokens, args.token, sizeof(tokens)) == GUMTILE_OK);
  REQUIRE(gumtile_engine_copy_to_host(engine, logprobs, args.logprob, sizeof(logprobs)) == GUMTILE_OK);
  for (int row = 0; row < ROWS; ++row) {
    printf("row %d: token %d, log-probability %g\n", row, (int)tokens[row], (double)logprobs[row]);
    REQUIRE(tokens[row] == 10 * (row + 1));
    REQUIRE(logprobs[row] <= 0);
  }

  gumtile_engine_stats stats = GUMTILE_ENGINE_STATS_INIT;
  REQUIRE(gumtile_engine_get_stats(engine, &stats) == GUMTILE_OK);
  REQUIRE(stats.loads > 0 && stats.allocated_bytes >= sizeof(weights));
  void* const all[] = {
      device_weights, (void*)args.hidden_states, (void*)args.temperature, args.token, args.logprob,
      args.workspace};
  for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); ++i)
    REQUIRE(gumtile_engine_release(engine, all[i]) == GUMTILE_OK);
  REQUIRE(gumtile_engine_get_stats(engine, &stats) == GUMTILE_OK);
  REQUIRE(stats.allocated_bytes == 0);
  gumtile_head_destroy(head);
  gumtile_engine_close(engine);
  return 0;
}
