#pragma once

#include "codegen/nvptx/frame.h"

namespace gumtile::codegen {

/// A main loop walks the block's tiles and hands each fragment to `frame.finish_tile`. One file each.
void emit_simt_loop(const KernelPlan& plan, const ProgramAnalysis& analysis, OpEmitter& ops,
                    const Arguments& arguments, GpuFrame& frame);
void emit_mma_sync_loop(const KernelPlan& plan, const ProgramAnalysis& analysis, OpEmitter& ops,
                        const Arguments& arguments, GpuFrame& frame);

}  // namespace gumtile::codegen
