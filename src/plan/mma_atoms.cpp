#include "plan/mma_atoms.h"

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

}  // namespace

const MmaAtom* find_atom(MmaKind kind, DType left, DType right) {
  for (const MmaAtom& atom : kAtoms)
    if (atom.kind == kind && atom.left == left && atom.right == right) return &atom;
  return nullptr;
}

}  // namespace gumtile
