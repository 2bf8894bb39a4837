#include "plan/mma_atoms.h"

#include <algorithm>

namespace gumtile {
namespace {

// PTX ISA, sections "Multiply-and-Accumulate Instruction: mma" and "Asynchronous Multiply-and-Accumulate
// Instruction: wgmma.mma_async". The main loops take an atom's formats, k and text from here, and sizes in
// bytes from its formats. They assume operands of up to 16 bits, and 32 bytes per row of k.
constexpr MmaAtom kAtoms[] = {
    {MmaKind::mma_sync, DType::bf16, DType::bf16, DType::f32, 16, 8, 8, 16,
     "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"},
    {MmaKind::mma_sync, DType::f16, DType::f16, DType::f32, 16, 8, 8, 16,
     "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"},
    {MmaKind::wgmma, DType::bf16, DType::bf16, DType::f32, 64, 8, 256, 16,
     "wgmma.mma_async.sync.aligned.m64n{}k16.f32.bf16.bf16"},
    {MmaKind::wgmma, DType::f16, DType::f16, DType::f32, 64, 8, 256, 16,
     "wgmma.mma_async.sync.aligned.m64n{}k16.f32.f16.f16"},
};

/// What the main loops take for granted.
constexpr bool fits_main_loops(const MmaAtom& atom) {
  return atom.left == atom.right && atom.accumulator == DType::f32 && atom.n_min == 8;
}
static_assert(std::ranges::all_of(kAtoms, fits_main_loops));

}  // namespace

const MmaAtom* find_atom(MmaKind kind, DType left, DType right) {
  for (const MmaAtom& atom : kAtoms)
    if (atom.kind == kind && atom.left == left && atom.right == right) return &atom;
  return nullptr;
}

}  // namespace gumtile
