#pragma once

#include "codegen/nvptx/frame.h"

namespace gumtile::codegen {

/// A main loop calls `frame.begin`, computes the block's tiles one after another, passes each fragment to
/// `frame.finish_tile`, and calls `frame.end`. Each main loop has a file of its own.
void emit_simt_loop(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, GpuFrame& frame);
void emit_mma_sync_loop(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, GpuFrame& frame);
/// `left_map`, `right_map`: the kernel's tensor maps.
void emit_wgmma_loop(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, GpuFrame& frame,
                     llvm::Value* left_map, llvm::Value* right_map);

}  // namespace gumtile::codegen
