/* A C11 program on an installed gumtile. Argument: "jit" or "runtime", whichever it was linked with. Samples
 * with "jit", and expects "runtime" to report that there is nothing to sample with. */
#include <gumtile/gumtile.h>
#include <stdio.h>
#include <string.h>

#if GUMTILE_VERSION < GUMTILE_MAKE_VERSION(0, 1, 0) || GUMTILE_VERSION >= GUMTILE_MAKE_VERSION(1, 0, 0)
#error "GUMTILE_VERSION does not order versions"
#endif

enum { VOCAB = 40, HIDDEN = 16 };

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, gumtile_last_error());
  return 1;
}

int main(int argc, char** argv) {
  const int jit = argc > 1 && strcmp(argv[1], "jit") == 0;
  if (gumtile_has_jit() != jit) return failed("gumtile_has_jit is not what was linked");
  if (gumtile_abi_version() != GUMTILE_ABI_VERSION) return failed("the header is another version's");
  char version[32];
  snprintf(version, sizeof(version), "%d.%d.%d", GUMTILE_VERSION_MAJOR, GUMTILE_VERSION_MINOR,
           GUMTILE_VERSION_PATCH);
  if (strcmp(version, GUMTILE_VERSION_STRING) != 0 || strcmp(version, gumtile_version()) != 0)
    return failed("the header's version is not the library's");

  gumtile_engine_options engine_options = GUMTILE_ENGINE_OPTIONS_INIT;
  engine_options.device = "cpu";
  gumtile_engine* engine = NULL;
  if (gumtile_engine_open(&engine_options, &engine) != GUMTILE_OK) return failed("open");

  /* Row 0 of the hidden states is a unit vector; only token 7 has it as weights. */
  static float weights[VOCAB][HIDDEN];
  static float hidden[1][HIDDEN];
  weights[7][3] = 1;
  hidden[0][3] = 1;

  gumtile_head_options head_options = GUMTILE_HEAD_OPTIONS_INIT;
  head_options.vocab_size = VOCAB;
  head_options.hidden_size = HIDDEN;
  head_options.weights_dtype = GUMTILE_F32;
  head_options.weights = weights;
  gumtile_head* head = NULL;
  if (gumtile_head_create(engine, &head_options, &head) != GUMTILE_OK) return failed("create");
  gumtile_engine_close(engine); /* the head keeps it */

  gumtile_prepare_options prepare = GUMTILE_PREPARE_OPTIONS_INIT;
  const gumtile_status prepared = gumtile_head_prepare(head, &prepare);
  if (!jit) {
    const int refused = prepared != GUMTILE_OK && gumtile_last_error()[0] != '\0';
    gumtile_head_destroy(head);
    return refused ? 0 : failed("a library without a compiler prepared a kernel");
  }
  if (prepared != GUMTILE_OK) return failed("prepare");

  const float temperature = 0;
  int32_t token = -1;
  float logprob = 1;
  gumtile_sample_args args = GUMTILE_SAMPLE_ARGS_INIT;
  args.rows = 1;
  args.hidden_states = hidden;
  args.temperature = &temperature;
  args.token = &token;
  args.logprob = &logprob;
  static _Alignas(256) char workspace[1 << 20];
  args.workspace = workspace;
  if (gumtile_head_workspace_size(head, 1, &args.workspace_bytes, NULL) != GUMTILE_OK) return failed("size");
  if (args.workspace_bytes > sizeof(workspace)) return failed("the workspace is larger than expected");
  if (gumtile_head_workspace_init(head, NULL, workspace, args.workspace_bytes) != GUMTILE_OK)
    return failed("init");
  if (gumtile_head_sample(head, NULL, &args) != GUMTILE_OK) return failed("sample");
  gumtile_head_destroy(head);
  printf("gumtile %s: token %d, log-probability %g\n", gumtile_version(), (int)token, (double)logprob);
  return token == 7 && logprob < 0 ? 0 : failed("the token is wrong");
}
