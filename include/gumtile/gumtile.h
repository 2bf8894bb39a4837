/* gumtile's stable interface: C, and any language that can call C. gumtile.hpp wraps it for C++17.
 *
 * Conventions
 * - Functions return a gumtile_status. If it is not GUMTILE_OK, gumtile_last_error() has a text, on the same
 *   thread. No C++ exception leaves the library. It never ends the process or touches signals, and prints
 *   only what the environment variable GUMTILE_LOG requests (docs/logging.md).
 * - Structs start with `struct_size`: set it to sizeof(the struct), or begin with the struct's _INIT macro.
 *   Fields that a program was compiled without have their documented defaults; a program may be compiled
 *   against an older or a newer header than the library's. A newer struct is accepted if the fields that the
 *   library does not know are zero.
 * - Handles are opaque. A head keeps its engine alive: they may be destroyed in any order.
 * - Device memory is memory that the engine's device can read: device, managed or mapped pinned memory on a
 *   GPU, ordinary memory on the CPU. It always belongs to the caller.
 * - Engines may be used from any number of threads. A head may be launched from any number of threads at
 *   once, with a workspace per stream; gumtile_head_prepare and gumtile_head_set_… must not run at the same
 *   time as its launches.
 *
 * Compatibility: within one major version of the library's soname symbols are only added, struct fields are
 * only appended, and enumerators keep their values. Anything that will be removed is marked deprecated for at
 * least one minor release before the major version that drops it.
 */
#ifndef GUMTILE_GUMTILE_H
#define GUMTILE_GUMTILE_H

#include <stddef.h>
#include <stdint.h>

#include "gumtile/version.h"

#if defined(GUMTILE_BUILDING_LIBRARY)
#define GUMTILE_API __attribute__((visibility("default")))
#else
#define GUMTILE_API
#endif

/* The layout of structs is part of the interface: an appended field must not move others. */
#if UINTPTR_MAX == UINT64_MAX && defined(__cplusplus)
#define GUMTILE_LAYOUT(holds) static_assert(holds, "a struct's layout is part of gumtile's interface")
#elif UINTPTR_MAX == UINT64_MAX && defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define GUMTILE_LAYOUT(holds) _Static_assert(holds, "a struct's layout is part of gumtile's interface")
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header's interface; gumtile_abi_version() is the library's. */
#define GUMTILE_ABI_VERSION 0

typedef enum gumtile_status {
  GUMTILE_OK = 0,
  /* From a launch, which did nothing: the stream, and a capture on it, are as they were. */
  GUMTILE_NOT_PREPARED = 1,        /* no kernel was prepared for this request: gumtile_head_prepare */
  GUMTILE_TOO_MANY_ROWS = 2,       /* more rows than prepared for */
  GUMTILE_WORKSPACE_TOO_SMALL = 3, /* gumtile_head_workspace_size gives the size */
  GUMTILE_INVALID_ARGUMENT =
      4,                     /* a null or misaligned pointer, a negative count: see gumtile_head_validate */
  GUMTILE_LAUNCH_FAILED = 5, /* the driver refused the launch before the kernel ran */
  GUMTILE_CONTEXT_LOST = 6,  /* an earlier fault on the device made its context unusable: no retry helps. Also
                                from set-up calls that need the device */
  GUMTILE_FORKED = 7,        /* the engine was opened in a parent process: open one in this process */
  /* From set-up. */
  GUMTILE_USAGE = 64,              /* an option or argument is wrong */
  GUMTILE_BAD_DATA = 65,           /* a file or text is wrong */
  GUMTILE_DEVICE_UNAVAILABLE = 69, /* the requested device is not there or cannot run the kernel */
  GUMTILE_INTERNAL = 70,           /* a bug in gumtile itself */
  GUMTILE_OUT_OF_MEMORY = 71,
  GUMTILE_CANNOT_CREATE = 73, /* an output could not be written */
  GUMTILE_IO = 74,            /* reading failed */
  GUMTILE_CANCELLED = 130     /* the progress callback cancelled */
} gumtile_status;

/* clang-format off */
/* BEGIN generated: dtypes, from include/gumtile/dtype.h */
typedef enum gumtile_dtype {
  GUMTILE_BF16 = 1,
  GUMTILE_F16 = 2,
  GUMTILE_F32 = 3,
  GUMTILE_I32 = 4,
  GUMTILE_I64 = 5
} gumtile_dtype;
/* END generated: dtypes */
/* clang-format on */

/* How noise is drawn. Part of the meaning of a seed: the two give different, equally exact tokens. */
typedef enum gumtile_noise {
  GUMTILE_NOISE_GROUPED = 0,  /* one Gumbel per 16 tokens: faster */
  GUMTILE_NOISE_PER_TOKEN = 1 /* one Gumbel per token */
} gumtile_noise;

/* clang-format off */
/* BEGIN generated: enumerations, from src/head/fields.cpp */
/* What a launch may ask for beyond tokens and status words; bits of a set. */
enum {
  /* the token's log-probability */
  GUMTILE_FEATURE_LOGPROB = 1
};

/* Bits of a row's status word. */
enum {
  /* a scaled logit is NaN: the row failed */
  GUMTILE_STATUS_NAN_LOGIT = 1,
  /* a scaled logit is +inf: the lowest such token was chosen */
  GUMTILE_STATUS_INF_LOGIT = 2,
  /* every scaled logit is -inf: the row failed */
  GUMTILE_STATUS_NO_CANDIDATE = 4,
  /* the temperature is negative, NaN or infinite: the row failed */
  GUMTILE_STATUS_BAD_TEMPERATURE = 8
};
/* END generated: enumerations */
/* clang-format on */

typedef struct gumtile_engine gumtile_engine;
typedef struct gumtile_head gumtile_head;

/* ---- The library ---- */

/* GUMTILE_VERSION_STRING of the library, "0.1.0"; static. */
GUMTILE_API const char* gumtile_version(void);
/* GUMTILE_ABI_VERSION of the header that the library was built with. */
GUMTILE_API int gumtile_abi_version(void);
/* 1 if the library can compile kernels, 0 if it only runs those of packs (libgumtile_runtime). */
GUMTILE_API int gumtile_has_jit(void);
/* "not_prepared"; static. "unknown" for another number. */
GUMTILE_API const char* gumtile_status_name(gumtile_status status);
/* The text of the last set-up call that failed on this thread: what was expected, what was found, what to do,
 * and details on further lines. Empty before any failure. Valid until the next failure on this thread. A
 * launch that fails sets it only to the meaning of its status, which costs nothing. */
GUMTILE_API const char* gumtile_last_error(void);

/* ---- Engine: one device ---- */

enum { GUMTILE_LOG_DEBUG = 0, GUMTILE_LOG_INFO = 1, GUMTILE_LOG_WARNING = 2 };
/* Called from set-up calls only, on the thread that noticed the event; must be thread safe and must not call
 * gumtile. Gets every message, whatever GUMTILE_LOG says. */
typedef void (*gumtile_log_fn)(void* user, int level, const char* message);

enum {
  /* GPU: work in the context that is current on the calling thread, which must outlive the engine, instead of
   * the device's primary context (that of the CUDA runtime and PyTorch). */
  GUMTILE_ENGINE_CURRENT_CONTEXT = 1,
  GUMTILE_ENGINE_NO_JIT = 2,    /* only what packs have, even if the library can compile */
  GUMTILE_ENGINE_NO_CACHE = 4,  /* compiled kernels are kept in memory only */
  GUMTILE_ENGINE_NO_TUNING = 8, /* no tuning record is used */
  /* GPU: no ptxas is run, even if $GUMTILE_PTXAS, PATH, $CUDA_HOME/bin or /usr/local/cuda/bin has one. The
   * driver then assembles compiled kernels, which takes longer, and does so again in processes without its
   * own cache. */
  GUMTILE_ENGINE_NO_ASSEMBLER = 16
};

typedef struct gumtile_engine_options {
  size_t struct_size;
  const char* device;  /* "auto" (the first GPU, else the CPU), "cpu" or "cuda:N". Null: "auto" */
  uint32_t flags;      /* GUMTILE_ENGINE_… */
  int32_t max_blocks;  /* GPU: the most blocks that work side by side along the vocabulary, to share the card;
                          at least one per block of rows is used. 0: as many as the card runs */
  int32_t cpu_threads; /* CPU: 0: all that this process may use */
  int32_t reserved;    /* 0 */
  const char* const* packs; /* paths of packs, searched in this order before anything is compiled */
  size_t pack_count;
  /* Null: $GUMTILE_CACHE_DIR, else $XDG_CACHE_HOME/gumtile, else ~/.cache/gumtile. */
  const char* cache_folder;
  uint64_t cache_max_bytes;  /* 0: 1 GiB */
  const char* tuning_folder; /* null: $GUMTILE_TUNING_DIR, else $XDG_DATA_HOME/gumtile/tuning, else
                                ~/.local/share/gumtile/tuning */
  gumtile_log_fn log;        /* null: none */
  void* log_user;
} gumtile_engine_options;
#define GUMTILE_ENGINE_OPTIONS_INIT \
  { sizeof(gumtile_engine_options), NULL, 0, 0, 0, 0, NULL, 0, NULL, 0, NULL, NULL, NULL }

/* Opens a device. `options` may be null. On failure *engine is null. */
GUMTILE_API gumtile_status gumtile_engine_open(const gumtile_engine_options* options,
                                               gumtile_engine** engine);
/* Null does nothing. */
GUMTILE_API void gumtile_engine_close(gumtile_engine* engine);

typedef struct gumtile_device_info {
  size_t struct_size;
  const char* name;   /* "NVIDIA H200", or the CPU's brand. These texts are valid as long as the engine */
  const char* id;     /* "cuda:0" or "cpu" */
  const char* target; /* "sm_90a" or "host" */
  int32_t workers;    /* multiprocessors, or CPU threads */
  int32_t is_gpu;
  uint64_t memory_bytes;
} gumtile_device_info;
#define GUMTILE_DEVICE_INFO_INIT \
  { sizeof(gumtile_device_info), NULL, NULL, NULL, 0, 0, 0 }
GUMTILE_API gumtile_status gumtile_engine_describe(const gumtile_engine* engine, gumtile_device_info* info);

/* What the engine did since it was opened; times are sums over threads. */
typedef struct gumtile_engine_stats {
  size_t struct_size;
  uint64_t compiles;   /* kernels that were compiled */
  uint64_t cache_hits; /* kernels from the cache */
  uint64_t loads;      /* kernels loaded onto the device */
  uint64_t shared;     /* kernels that were loaded already */
  /* Held by gumtile_engine_allocate; beside it only code holds device memory. */
  uint64_t allocated_bytes;
  double compile_ms;
  double cache_ms;
  double load_ms;      /* including the time that the driver takes to assemble PTX */
  uint64_t ready_made; /* kernels from packs */
} gumtile_engine_stats;
#define GUMTILE_ENGINE_STATS_INIT \
  { sizeof(gumtile_engine_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0 }
GUMTILE_API gumtile_status gumtile_engine_get_stats(const gumtile_engine* engine,
                                                    gumtile_engine_stats* stats);

/* Device memory for programs that cannot allocate it themselves; aligned to 256 bytes. Copies are
 * synchronous, and wait only for earlier work on the default stream: synchronise other streams first. No
 * bytes: null. */
GUMTILE_API gumtile_status gumtile_engine_allocate(gumtile_engine* engine, size_t bytes, void** memory);
GUMTILE_API gumtile_status gumtile_engine_release(gumtile_engine* engine, void* memory);
GUMTILE_API gumtile_status gumtile_engine_copy_to_device(gumtile_engine* engine, void* to, const void* from,
                                                         size_t bytes);
GUMTILE_API gumtile_status gumtile_engine_copy_to_host(gumtile_engine* engine, void* to, const void* from,
                                                       size_t bytes);
GUMTILE_API gumtile_status gumtile_engine_synchronize(gumtile_engine* engine, void* stream);

/* ---- Head: an LM head that samples ---- */

/* clang-format off */
/* BEGIN generated: gumtile_head_options, from src/head/fields.cpp */
typedef struct gumtile_head_options {
  size_t struct_size;
  /* rows of the weights */
  int64_t vocab_size;
  /* columns of the weights */
  int64_t hidden_size;
  /* the token id of the weights' first row: heads over ranges of one vocabulary */
  int64_t first_token;
  /* bf16, f16 or f32; 0: as weights_dtype. Rounded to weights_dtype */
  gumtile_dtype hidden_dtype;
  /* bf16, f16 or f32; 0: bf16 */
  gumtile_dtype weights_dtype;
  /* i32 or i64; 0: i32 */
  gumtile_dtype token_dtype;
  /* how noise is drawn */
  gumtile_noise noise;
  /* device memory [vocab_size, hidden_size], borrowed; bytes changed in place count from the next launch
     on */
  const void* weights;
  /* elements; 0: hidden_size */
  int64_t weights_row_stride;
  /* for every batch size, instead of what was tuned; null: none */
  const char* schedule;
  /* [vocab_size]: added to the logits of all rows; null: none */
  const void* bias;
  /* bf16, f16 or f32; 0: as weights_dtype */
  gumtile_dtype bias_dtype;
  /* logits become softcap * tanh(logit / softcap), after the bias; 0: none */
  float softcap;
  /* a factor of the logits, after bias and softcap; 0: none */
  float logit_scale;
} gumtile_head_options;
#define GUMTILE_HEAD_OPTIONS_INIT \
  { sizeof(gumtile_head_options), 0, 0, 0, (gumtile_dtype)0, (gumtile_dtype)0, (gumtile_dtype)0, \
    GUMTILE_NOISE_GROUPED, NULL, 0, NULL, NULL, (gumtile_dtype)0, 0, 0 }
#ifdef GUMTILE_LAYOUT
GUMTILE_LAYOUT(offsetof(gumtile_head_options, vocab_size) == 8);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, hidden_size) == 16);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, first_token) == 24);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, hidden_dtype) == 32);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, weights_dtype) == 36);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, token_dtype) == 40);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, noise) == 44);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, weights) == 48);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, weights_row_stride) == 56);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, schedule) == 64);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, bias) == 72);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, bias_dtype) == 80);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, softcap) == 84);
GUMTILE_LAYOUT(offsetof(gumtile_head_options, logit_scale) == 88);
GUMTILE_LAYOUT(sizeof(gumtile_head_options) == 96);
#endif
/* END generated: gumtile_head_options */
/* clang-format on */

/* On failure *head is null. */
GUMTILE_API gumtile_status gumtile_head_create(gumtile_engine* engine, const gumtile_head_options* options,
                                               gumtile_head** head);
/* Null does nothing. No launch may be in flight. */
GUMTILE_API void gumtile_head_destroy(gumtile_head* head);

/* Called on the preparing thread whenever a kernel is ready; 0 cancels. */
typedef int (*gumtile_progress_fn)(void* user, int done, int total);

typedef struct gumtile_prepare_options {
  size_t struct_size;
  int64_t max_rows;
  /* Kernels are prepared for each set; a launch takes, of those with all features that it requests, the one
   * with the fewest. Null: one set, {GUMTILE_FEATURE_LOGPROB}. */
  const uint32_t* feature_sets;
  size_t feature_set_count;
  gumtile_progress_fn progress; /* may be null */
  void* progress_user;
  int32_t threads;  /* that compile at the same time; 0: as many as there are processors, up to 16 */
  int32_t reserved; /* 0 */
  /* The same in 64 bits each, instead of feature_sets. */
  const uint64_t* wide_feature_sets;
  size_t wide_feature_set_count;
} gumtile_prepare_options;
#define GUMTILE_PREPARE_OPTIONS_INIT \
  { sizeof(gumtile_prepare_options), 1, NULL, 0, NULL, NULL, 0, 0, NULL, 0 }

/* The set of features that `text` names: "token" for none beyond tokens and status words, else names joined
 * by '+', such as "logprob". Thread safe. GUMTILE_USAGE for any other text. */
GUMTILE_API gumtile_status gumtile_parse_features(const char* text, uint64_t* features);

/* Prepares kernels for every batch up to max_rows. After it no launch compiles or allocates. May be called
 * again for more; what was prepared, and graphs that were captured, stay valid. */
GUMTILE_API gumtile_status gumtile_head_prepare(gumtile_head* head, const gumtile_prepare_options* options);

/* Uses other weights of the same shape from the next launch on; nothing is compiled. Captured graphs keep the
 * old address. */
GUMTILE_API gumtile_status gumtile_head_set_weights(gumtile_head* head, const void* weights,
                                                    int64_t row_stride);

/* Replaces an array of the head's options, given by the name of its member, such as "bias", by another of the
 * same type, from the next launch on; the head must have been created with one. Captured graphs keep the old
 * address. */
GUMTILE_API gumtile_status gumtile_head_set_array(gumtile_head* head, const char* name, const void* data);

/* Bytes of workspace for launches of up to `max_rows` rows (at most as many as prepared), and their
 * alignment. One workspace serves all launches and graphs in the order of one stream; concurrent streams need
 * one each. All launches on a workspace must be given the same size. Heads that share one need the sum of
 * their sizes: with less, the scratch of one at the end could overlap the state of another at the start. */
GUMTILE_API gumtile_status gumtile_head_workspace_size(const gumtile_head* head, int64_t max_rows,
                                                       size_t* bytes, size_t* alignment);
/* Initialises a workspace. To be called before its first launch, and again after a launch that failed or if
 * its contents were lost. Launches leave it ready for the next one. On a GPU, a launch on a workspace that is
 * not initialised, and every later one until this call, returns GUMTILE_OK and leaves outputs unwritten or
 * writes arbitrary ones, including tokens outside of the vocabulary; it neither hangs nor faults, and writes
 * nothing else. On the CPU it makes no difference. */
GUMTILE_API gumtile_status gumtile_head_workspace_init(const gumtile_head* head, void* stream,
                                                       void* workspace, size_t workspace_bytes);

enum {
  GUMTILE_SAMPLE_PROGRAMMATIC = 1, /* may start before the stream's previous kernel has ended (programmatic
                                      dependent launch) */
  GUMTILE_SAMPLE_WEIGHTS_STABLE =
      2 /* no kernel that may still run writes the weights: they are fetched early */
};

/* All pointers are device memory. [rows]: indexed by the row of the launch; [slots]: by row_slot[row]. */
/* clang-format off */
/* BEGIN generated: gumtile_sample_args, from src/head/fields.cpp */
typedef struct gumtile_sample_args {
  size_t struct_size;
  /* rows of this launch */
  int64_t rows;
  /* GUMTILE_SAMPLE_… */
  uint32_t flags;
  /* 0 */
  uint32_t reserved;
  /* [rows, hidden_size] of the head's hidden_dtype: with hidden_index as many rows as it names */
  const void* hidden_states;
  /* elements; 0: hidden_size */
  int64_t hidden_row_stride;
  /* [rows]: the row of hidden_states that a row takes; null: its own; negative: zeros. Costs a kernel that
     copies the rows into the workspace: 4 us with 1 row, 9 with 64 and 14 with 256 of 4096 elements on an
     H200 */
  const int32_t* hidden_index;
  /* [rows]: the slot of the row's request; negative: the row is left out, its outputs are not written.
     Null: slot = row */
  const int32_t* row_slot;
  /* one word: rows from here on are left out. Null: all count */
  const int32_t* num_rows;
  /* [slots]: 0, or anything below 1e-5, is greedy: the most likely token. Null: 1 */
  const float* temperature;
  /* [slots]: rows with the same seed and offset share their noise. Null: 0 for all */
  const uint64_t* seed;
  /* [rows]: the position in the request. Null: 0 */
  const uint64_t* offset;
  /* one word: the token of a failed row. Null: -1 */
  const int32_t* invalid_token;
  /* [rows] of the head's token_dtype: the sampled token; with token_position it goes where that says */
  void* token;
  /* [rows]: where in `token` a row's token goes; negative: nowhere. Null: the row */
  const int32_t* token_position;
  /* [rows]: the token's log-probability. Null: not asked for */
  float* logprob;
  /* [rows]: GUMTILE_STATUS_… bits. Null: not asked for */
  uint32_t* status;
  /* one word: all rows' bits. Null: not asked for */
  uint32_t* any_status;
  /* made ready by gumtile_head_workspace_init */
  void* workspace;
  /* the same for every launch on a workspace */
  size_t workspace_bytes;
} gumtile_sample_args;
#define GUMTILE_SAMPLE_ARGS_INIT \
  { sizeof(gumtile_sample_args), 0, 0, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
    NULL, NULL, NULL, NULL, 0 }
#ifdef GUMTILE_LAYOUT
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, rows) == 8);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, flags) == 16);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, reserved) == 20);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, hidden_states) == 24);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, hidden_row_stride) == 32);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, hidden_index) == 40);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, row_slot) == 48);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, num_rows) == 56);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, temperature) == 64);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, seed) == 72);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, offset) == 80);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, invalid_token) == 88);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, token) == 96);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, token_position) == 104);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, logprob) == 112);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, status) == 120);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, any_status) == 128);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, workspace) == 136);
GUMTILE_LAYOUT(offsetof(gumtile_sample_args, workspace_bytes) == 144);
GUMTILE_LAYOUT(sizeof(gumtile_sample_args) == 152);
#endif
/* END generated: gumtile_sample_args */
/* clang-format on */

/* Samples one token per row on `stream` (a CUstream or cudaStream_t; null: the legacy default stream; on the
 * CPU it is ignored, and the tokens are there on return). On a GPU it launches one kernel, preceded by
 * another if hidden states have to be copied first. Does not allocate, synchronise, lock or compile, and may
 * be captured into a graph: what the pointers point to is read when the graph runs; the pointers themselves,
 * rows and the weights' address are those of the capture. */
GUMTILE_API gumtile_status gumtile_head_sample(const gumtile_head* head, void* stream,
                                               const gumtile_sample_args* args);

/* Returns GUMTILE_OK, or GUMTILE_INVALID_ARGUMENT with every fault of `args` on a line of
 * gumtile_last_error(). Asks the driver about every pointer: for debugging. `slots`: length of the arrays
 * over slots; 0: as many as rows. On the CPU it also checks the values: num_rows must be 0 to rows, row_slot
 * below `slots`, and what hidden_index and token_position name must be memory of the process; the lengths of
 * those arrays are not known.
 *
 * Null seeds of rows that are not greedy are not a fault, but rarely intended: the first time that a head
 * validates them, gumtile_last_error() says so although the status is GUMTILE_OK, and the engine's log gets a
 * warning. */
GUMTILE_API gumtile_status gumtile_head_validate(const gumtile_head* head, const gumtile_sample_args* args,
                                                 int64_t slots);

/* One prepared kernel, and what chose its schedule. */
typedef struct gumtile_kernel_choice {
  size_t struct_size;
  uint32_t features;
  uint32_t reserved;    /* 0 */
  int64_t max_rows;     /* the upper end of the batch bucket */
  const char* schedule; /* these texts are valid until the head is prepared again or destroyed */
  const char* rule; /* "option", "user record …", "pack record …", "shipped record …", "built-in heuristic" or
                       "what the source has"; a record may be "…, of the nearest class (…)" */
  const char* note;       /* why another schedule was not used, or "" */
  uint64_t wide_features; /* the whole set, of which `features` has the lower 32 bits */
} gumtile_kernel_choice;
#define GUMTILE_KERNEL_CHOICE_INIT \
  { sizeof(gumtile_kernel_choice), 0, 0, 0, NULL, NULL, NULL, 0 }
GUMTILE_API size_t gumtile_head_choice_count(const gumtile_head* head);
/* GUMTILE_USAGE if there is no such choice. */
GUMTILE_API gumtile_status gumtile_head_get_choice(const gumtile_head* head, size_t index,
                                                   gumtile_kernel_choice* choice);

#undef GUMTILE_LAYOUT

#ifdef __cplusplus
}
#endif

#endif
