/* Loads gumtile and another LLVM, the latter with RTLD_GLOBAL, and samples through the compiler.
 *
 *   coexistence LIBGUMTILE LIBLLVM before|after
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "gumtile/gumtile.h"

static void* load(const char* file, int flags) {
  void* library = dlopen(file, RTLD_NOW | flags);
  if (library == NULL) fprintf(stderr, "%s\n", dlerror());
  return library;
}

#define GET(name) __typeof__(name)* const p_##name = (__typeof__(name)*)dlsym(gumtile, #name)

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int before = strcmp(argv[3], "before") == 0;
  if (before && load(argv[2], RTLD_GLOBAL) == NULL) return 1;
  void* const gumtile = load(argv[1], RTLD_LOCAL);
  if (gumtile == NULL || (!before && load(argv[2], RTLD_GLOBAL) == NULL)) return 1;

  GET(gumtile_engine_open);
  GET(gumtile_engine_close);
  GET(gumtile_head_create);
  GET(gumtile_head_destroy);
  GET(gumtile_head_prepare);
  GET(gumtile_head_sample);
  GET(gumtile_head_workspace_size);
  GET(gumtile_head_workspace_init);
  GET(gumtile_last_error);

  static float weights[33][24];
  static float hidden[24];
  weights[20][5] = hidden[5] = 1;
  gumtile_engine_options engine_options = GUMTILE_ENGINE_OPTIONS_INIT;
  engine_options.device = "cpu";
  engine_options.flags = GUMTILE_ENGINE_NO_CACHE; /* the compiler is what is tested */
  gumtile_engine* engine = NULL;
  gumtile_head_options head_options = GUMTILE_HEAD_OPTIONS_INIT;
  head_options.vocab_size = 33;
  head_options.hidden_size = 24;
  head_options.weights_dtype = GUMTILE_F32;
  head_options.weights = weights;
  gumtile_head* head = NULL;
  gumtile_prepare_options prepare = GUMTILE_PREPARE_OPTIONS_INIT;
  const float temperature = 0;
  int32_t token = -1;
  static _Alignas(256) char workspace[1 << 20];
  gumtile_sample_args args = GUMTILE_SAMPLE_ARGS_INIT;
  args.rows = 1;
  args.hidden_states = hidden;
  args.temperature = &temperature;
  args.token = &token;
  args.workspace = workspace;
  const int failed = p_gumtile_engine_open(&engine_options, &engine) ||
                     p_gumtile_head_create(engine, &head_options, &head) ||
                     p_gumtile_head_prepare(head, &prepare) ||
                     p_gumtile_head_workspace_size(head, 1, &args.workspace_bytes, NULL) ||
                     args.workspace_bytes > sizeof(workspace) ||
                     p_gumtile_head_workspace_init(head, NULL, workspace, args.workspace_bytes) ||
                     p_gumtile_head_sample(head, NULL, &args);
  if (failed) fprintf(stderr, "%s\n", p_gumtile_last_error());
  p_gumtile_head_destroy(head);
  p_gumtile_engine_close(engine);
  printf("%s %s gumtile: token %d\n", argv[2], argv[3], (int)token);
  return failed || token != 20;
}
