#include "codegen/nvptx/kernel.h"

#include "codegen/common/loop.h"
#include "codegen/nvptx/main_loops.h"
#include "codegen/nvptx/ptx.h"

namespace gumtile::codegen {

using llvm::Value;

namespace {

constexpr int kHelperThreads = 256;  // of stage and finish
constexpr int kFinishRows = 8;       // one warp a row

class NvptxKernel {
 public:
  NvptxKernel(llvm::Module& module, const KernelPlan& plan)
      : module_(module),
        plan_(plan),
        analysis_(analyze(plan.program)),
        b(module.getContext()),
        ops_(b, math_, 0) {}

  void emit() {
    emit_sweep();
    if (!plan_.launch.stage.empty()) emit_stage();
    if (!plan_.launch.finish.empty()) emit_finish();
  }

 private:
  /// A kernel whose only parameter is the array of argument words, by value; the entry block is open.
  llvm::Function* begin_kernel(const std::string& name, int threads) {
    auto* words = llvm::ArrayType::get(b.getInt64Ty(), plan_.launch.argument_words());
    auto* type = llvm::FunctionType::get(b.getVoidTy(), {b.getPtrTy()}, false);
    auto* f = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module_);
    f->setCallingConv(llvm::CallingConv::PTX_Kernel);
    f->addFnAttr("nvvm.maxntid", std::to_string(threads));
    f->addFnAttr(llvm::Attribute::NoUnwind);
    f->addParamAttr(0, llvm::Attribute::getWithByValType(b.getContext(), words));
    f->addParamAttr(0, llvm::Attribute::getWithAlignment(b.getContext(), llvm::Align(8)));
    b.SetInsertPoint(llvm::BasicBlock::Create(b.getContext(), "entry", f));
    return f;
  }

  void emit_sweep() {
    llvm::Function* f = begin_kernel(plan_.launch.sweep, plan_.threads);
    // Copies of 2 bytes are many plain loads in flight: without a word on occupancy ptxas aims at more blocks
    // than shared memory allows, and spills a few of the registers that it saves.
    const auto* mma = std::get_if<MmaSyncSchedule>(&plan_.schedule.family);
    if (mma && mma->copy_bytes == 2) f->addFnAttr("nvvm.minctasm", "1");
    const Arguments arguments(b, f->getArg(0), plan_);
    auto* bytes = llvm::ArrayType::get(b.getInt8Ty(), 0);
    auto* shared =
        new llvm::GlobalVariable(module_, bytes, false, llvm::GlobalValue::ExternalLinkage, nullptr,
                                 "gumtile_shared", nullptr, llvm::GlobalValue::NotThreadLocal, 3);
    shared->setAlignment(llvm::Align(1024));
    GpuFrame frame(plan_, analysis_, ops_, arguments, shared);
    frame.begin();
    if (std::holds_alternative<SimtSchedule>(plan_.schedule.family))
      emit_simt_loop(plan_, analysis_, ops_, arguments, frame);
    else
      emit_mma_sync_loop(plan_, analysis_, ops_, arguments, frame);
    frame.end();
    b.CreateRetVoid();
  }

  /// One block a row: the left operand, converted, with zeros up to the staged stride.
  void emit_stage() {
    const ContractionInfo& c = plan_.program.contractions[analysis_.contraction];
    const DType dtype = plan_.program.inputs[c.left].dtype;
    llvm::Function* f = begin_kernel(plan_.launch.stage, kHelperThreads);
    const Arguments arguments(b, f->getArg(0), plan_);
    GpuSource source(ops_, arguments);
    Value* row = b.CreateZExt(ptx::block_index_x(b), b.getInt64Ty());
    Value* first = b.CreateZExt(ptx::thread_index(b), b.getInt64Ty());
    const int64_t stride = plan_.launch.staged_stride;
    Loop loop(b, first, b.getInt64(static_cast<uint64_t>(stride)), kHelperThreads, "k");
    Value* exists =
        b.CreateICmpSLT(loop.index(), b.getInt64(static_cast<uint64_t>(plan_.problem.contracted)));
    Value* k = b.CreateSelect(exists, loop.index(), b.getInt64(0));
    Value* index = b.CreateAdd(b.CreateMul(row, arguments.input_stride(c.left)), k);
    Value* value = ops_.from_storage(dtype, source.load(dtype, arguments.input(c.left), index));
    value = b.CreateSelect(exists, value, llvm::ConstantFP::get(b.getFloatTy(), 0));
    Value* to = b.CreateAdd(b.CreateMul(row, b.getInt64(static_cast<uint64_t>(stride))), loop.index());
    source.store(ops_.to_storage(plan_.launch.staged_dtype, value), arguments.staged(), to, nullptr);
    loop.close();
    b.CreateRetVoid();
  }

  /// One warp a row: joins the partials' records, then the finalizers.
  void emit_finish() {
    llvm::Function* f = begin_kernel(plan_.launch.finish, kHelperThreads);
    const Arguments arguments(b, f->getArg(0), plan_);
    GpuSource source(ops_, arguments);
    SweepEmitter sweep(plan_, analysis_, ops_, source);
    Value* thread = ptx::thread_index(b);
    Value* lane = b.CreateAnd(thread, 31);
    Value* block_row = b.CreateMul(ptx::block_index_x(b), b.getInt32(kFinishRows));
    Value* row = b.CreateZExt(b.CreateAdd(block_row, b.CreateLShr(thread, 5)), b.getInt64Ty());
    emit_if(b, b.CreateICmpSLT(row, arguments.rows()), [&] {
      const RowStates states = sweep.make_states();
      sweep.store(states, sweep.identity());
      Loop loop(b, b.CreateZExt(lane, b.getInt64Ty()), arguments.partials(), 32, "partial");
      std::vector<Value*> words;
      for (int w = 0; w < plan_.record_words; ++w)
        words.push_back(source.load(DType::u32, arguments.records(),
                                    record_index(b, arguments, plan_.record_words, row, w, loop.index())));
      sweep.store(states, sweep.combine(sweep.load(states), sweep.from_words(words)));
      loop.close();
      const StateValues finished = join_lanes(sweep, ops_, sweep.load(states), lane, {1, 2, 4, 8, 16});
      for (size_t r = 0; r < finished.size(); ++r)
        for (size_t i = 0; i < finished[r].size(); ++i)
          source.finished[{analysis_.sweep_reductions[r], i}] = finished[r][i];
      source.current_row = row;
      emit_if(b, b.CreateICmpEQ(lane, b.getInt32(0)), [&] {
        emit_finish_row(plan_, analysis_, ops_, source, [&](size_t o) { return arguments.output(o); });
      });
    });
    b.CreateRetVoid();
  }

  llvm::Module& module_;
  const KernelPlan& plan_;
  const ProgramAnalysis analysis_;
  NvptxMath math_;
  llvm::IRBuilder<> b;
  OpEmitter ops_;
};

}  // namespace

void emit_nvptx_kernel(llvm::Module& module, const KernelPlan& plan) { NvptxKernel(module, plan).emit(); }

}  // namespace gumtile::codegen
