#include "codegen/nvptx/kernel.h"

#include <fmt/format.h>

#include "codegen/common/control_flow.h"
#include "codegen/common/staged_row.h"
#include "codegen/nvptx/main_loops.h"
#include "codegen/nvptx/nvptx_math.h"
#include "codegen/nvptx/ptx.h"
#include "codegen/nvptx/ptx_hopper.h"

namespace gumtile::codegen {

using llvm::Value;

namespace {

/// The passes of -O2 that change wgmma kernels: the emitters leave no calls, and ptxas optimises again. All
/// of -O2 takes four times as long, 80 ms more per kernel, and gives as many instructions. Other kernels
/// would get more instructions with these passes alone.
constexpr std::string_view kWgmmaPasses =
    "function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,loop-mssa(licm),adce,"
    "simplifycfg)";

class NvptxKernel {
 public:
  NvptxKernel(llvm::Module& module, const KernelPlan& plan)
      : module_(module), plan_(plan), analysis_(*plan.analysis), b(module.getContext()), ops_(b, math_, 0) {}

  void emit() {
    emit_sweep();
    if (!plan_.launch.stage.empty()) emit_stage();
  }

 private:
  /// Begins a kernel whose parameters are the array of argument words and the tensor maps, by value. The
  /// builder is in its entry block.
  llvm::Function* begin_kernel(const std::string& name, int threads, size_t tensor_maps) {
    auto* words = llvm::ArrayType::get(b.getInt64Ty(), abi::word_count(plan_.launch));
    auto* map = llvm::ArrayType::get(b.getInt8Ty(), 128);
    std::vector<llvm::Type*> parameters(1 + tensor_maps, b.getPtrTy());
    auto* type = llvm::FunctionType::get(b.getVoidTy(), parameters, false);
    auto* f = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module_);
    f->setCallingConv(llvm::CallingConv::PTX_Kernel);
    f->addFnAttr("nvvm.maxntid", std::to_string(threads));
    f->addFnAttr(llvm::Attribute::NoUnwind);
    auto by_value = [&](unsigned index, llvm::Type* value, uint64_t alignment) {
      f->addParamAttr(index, llvm::Attribute::getWithByValType(b.getContext(), value));
      f->addParamAttr(index, llvm::Attribute::getWithAlignment(b.getContext(), llvm::Align(alignment)));
    };
    by_value(0, words, 8);
    for (unsigned i = 1; i <= tensor_maps; ++i) {
      by_value(i, map, 64);
      f->addParamAttr(i, llvm::Attribute::get(b.getContext(), "nvvm.grid_constant"));
    }
    b.SetInsertPoint(llvm::BasicBlock::Create(b.getContext(), "entry", f));
    return f;
  }

  void emit_sweep() {
    llvm::Function* f = begin_kernel(plan_.launch.sweep, plan_.threads, plan_.launch.tensor_maps.size());
    const auto* mma = std::get_if<MmaSyncSchedule>(&plan_.schedule.family);
    const bool wgmma = std::holds_alternative<WgmmaSchedule>(plan_.schedule.family);
    // With one block per multiprocessor, a block may have all its registers. Copies of 2 bytes are many plain
    // loads in flight: without an occupancy hint, ptxas aims at more blocks than shared memory allows, and
    // spills a few registers to get there.
    if (wgmma || (mma && mma->copy_bytes == 2)) f->addFnAttr("nvvm.minctasm", "1");
    if (plan_.launch.cluster_m * plan_.launch.cluster_n > 1)
      f->addFnAttr("nvvm.cluster_dim",
                   fmt::format("{},{},1", plan_.launch.cluster_n, plan_.launch.cluster_m));
    const Arguments arguments(b, f->getArg(0), plan_);
    auto* bytes = llvm::ArrayType::get(b.getInt8Ty(), 0);
    auto* shared =
        new llvm::GlobalVariable(module_, bytes, false, llvm::GlobalValue::ExternalLinkage, nullptr,
                                 "gumtile_shared", nullptr, llvm::GlobalValue::NotThreadLocal, 3);
    shared->setAlignment(llvm::Align(1024));
    GpuFrame frame(plan_, ops_, arguments, shared);
    if (wgmma)
      emit_wgmma_loop(plan_, ops_, arguments, frame, f->getArg(1), f->getArg(2));
    else if (mma)
      emit_mma_sync_loop(plan_, ops_, arguments, frame);
    else
      emit_simt_loop(plan_, ops_, arguments, frame);
    if (plan_.launch.cluster_m * plan_.launch.cluster_n > 1) ptx::cluster_barrier(b);
    b.CreateRetVoid();
  }

  /// One block per row: stages the left operand, gathered and converted, with zeros up to the staged stride.
  void emit_stage() {
    const ContractionInfo& c = plan_.program.contractions[analysis_.contraction];
    const DType dtype = plan_.program.inputs[c.left].dtype;
    llvm::Function* f = begin_kernel(plan_.launch.stage, abi::kStageThreads, 0);
    const Arguments arguments(b, f->getArg(0), plan_);
    GpuSource source(ops_, arguments);
    Value* row = b.CreateZExt(ptx::block_index_x(b), b.getInt64Ty());
    source.current_row = row;
    const StagedRow from = emit_staged_row(plan_, ops_, source, row);
    Value* first = b.CreateZExt(ptx::thread_index(b), b.getInt64Ty());
    const int64_t stride = plan_.launch.staged_stride;
    Loop loop(b, first, b.getInt64(static_cast<uint64_t>(stride)), abi::kStageThreads, "k");
    Value* exists =
        b.CreateICmpSLT(loop.index(), b.getInt64(static_cast<uint64_t>(plan_.problem.contracted)));
    Value* k = b.CreateSelect(exists, loop.index(), b.getInt64(0));
    if (from.exists) exists = b.CreateAnd(exists, from.exists);
    Value* index = b.CreateAdd(b.CreateMul(from.row, arguments.input_stride(c.left)), k);
    Value* value = ops_.from_storage(dtype, source.load(dtype, arguments.input(c.left), index));
    value = b.CreateSelect(exists, value, llvm::ConstantFP::get(b.getFloatTy(), 0));
    Value* to = b.CreateAdd(b.CreateMul(row, b.getInt64(static_cast<uint64_t>(stride))), loop.index());
    source.store(ops_.to_storage(plan_.launch.staged_dtype, value), arguments.staged(), to, nullptr);
    loop.close();
    b.CreateRetVoid();
  }

  llvm::Module& module_;
  const KernelPlan& plan_;
  const ProgramAnalysis& analysis_;
  NvptxMath math_;
  llvm::IRBuilder<> b;
  OpEmitter ops_;
};

}  // namespace

std::string_view nvptx_passes(const KernelPlan& plan) {
  return std::holds_alternative<WgmmaSchedule>(plan.schedule.family) ? kWgmmaPasses : std::string_view();
}

void emit_nvptx_kernel(llvm::Module& module, const KernelPlan& plan) { NvptxKernel(module, plan).emit(); }

}  // namespace gumtile::codegen
