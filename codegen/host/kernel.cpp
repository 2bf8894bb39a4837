#include "codegen/host/kernel.h"

#include "codegen/common/control_flow.h"
#include "codegen/common/row_emitter.h"
#include "codegen/common/staged_row.h"
#include "codegen/common/sweep_emitter.h"
#include "codegen/host/dot.h"
#include "codegen/host/host_math.h"
#include "codegen/host/sources.h"
#include "gumtile/error.h"

namespace gumtile::codegen {

using llvm::Value;

Value* HostFragmentSource::join(DType dtype, const std::vector<Value*>& words) {
  return join_words(ops_, dtype, words.data());
}

namespace {

/// Emits the three entry points. A worker (a thread that shares the columns with others) has scratch memory
/// that holds, per row, the row table and then the running states, one vector of lanes per word.
class HostKernel {
 public:
  HostKernel(llvm::Module& module, const KernelPlan& plan, const HostMachine& machine)
      : module_(module),
        plan_(plan),
        analysis_(*plan.analysis),
        machine_(machine),
        launch_(plan.launch),
        math_(machine),
        b(module.getContext()),
        scalar_(b, math_, 0),
        vector_(b, math_, machine.lanes) {
    if (analysis_.contraction != kNone) layout_ = make_dot_layout(plan, machine);
  }

  void emit() {
    if (analysis_.contraction != kNone) emit_stage();
    emit_sweep();
    if (!launch_.finish.empty()) emit_finish();
  }

 private:
  Value* word(int64_t value) { return b.getInt64(static_cast<uint64_t>(value)); }

  /// Begins a function (ptr arguments, i64...); the builder is in its entry block.
  llvm::Function* begin_function(const std::string& name, int integers, bool exported) {
    std::vector<llvm::Type*> types{b.getPtrTy()};
    for (int i = 0; i < integers; ++i) types.push_back(b.getInt64Ty());
    auto* type = llvm::FunctionType::get(b.getVoidTy(), types, false);
    const auto linkage = exported ? llvm::Function::ExternalLinkage : llvm::Function::InternalLinkage;
    auto* f = llvm::Function::Create(type, linkage, name, module_);
    if (!exported) f->addFnAttr(llvm::Attribute::NoInline);
    b.SetInsertPoint(llvm::BasicBlock::Create(b.getContext(), "entry", f));
    return f;
  }

  Value* pointer(Value* address) { return b.CreateIntToPtr(address, b.getPtrTy()); }

  // ---- stage: the left operand, converted, padded and in the order that the inner product reads ----
  void emit_stage() {
    const ContractionInfo& c = plan_.program.contractions[analysis_.contraction];
    const DType dtype = plan_.program.inputs[c.left].dtype;
    llvm::Function* f = begin_function(launch_.stage, 2, true);
    const Arguments arguments(b, f->getArg(0), plan_);
    HostSource source(scalar_, arguments);
    const int64_t chunk = int64_t{2} * machine_.lanes;
    Loop rows(b, f->getArg(1), f->getArg(2), 1, "row");
    source.row = rows.index();
    const StagedRow staged_row = emit_staged_row(plan_, scalar_, source, rows.index());
    Loop columns(b, word(0), word(launch_.staged_stride), 1, "k");
    // The source of staged element k: in an interleaved chunk, even elements fill the first half.
    Value* from = columns.index();
    if (layout_.interleaved) {
      Value* in_chunk = b.CreateAnd(from, word(chunk - 1));
      Value* half = b.CreateLShr(in_chunk, word(machine_.lanes == 16 ? 4 : machine_.lanes == 8 ? 3 : 2));
      Value* lane = b.CreateAnd(in_chunk, word(machine_.lanes - 1));
      from = b.CreateAdd(b.CreateSub(from, in_chunk), b.CreateAdd(b.CreateShl(lane, 1), half));
    }
    Value* exists = b.CreateICmpSLT(from, word(plan_.problem.contracted));
    Value* safe = b.CreateSelect(exists, from, word(0));
    if (staged_row.exists) exists = b.CreateAnd(exists, staged_row.exists);
    Value* index = b.CreateAdd(b.CreateMul(staged_row.row, arguments.input_stride(c.left)), safe);
    Value* loaded = scalar_.from_storage(dtype, source.load(dtype, arguments.input(c.left), index));
    if (dtype != c.operand_dtype) loaded = scalar_.round_to(c.operand_dtype, loaded);
    loaded = b.CreateSelect(exists, loaded, llvm::ConstantFP::get(b.getFloatTy(), 0));
    Value* to = b.CreateAdd(b.CreateMul(rows.index(), word(launch_.staged_stride)), columns.index());
    source.store(scalar_.to_storage(layout_.staged_dtype, loaded), arguments.staged(), to, nullptr);
    columns.close();
    rows.close();
    b.CreateRetVoid();
  }

  // ---- sweep ----
  void emit_sweep() {
    std::map<int, llvm::Function*> dots;
    const int block = std::get<HostSchedule>(plan_.schedule.family).block_rows;
    if (analysis_.contraction != kNone)
      for (int rows = block; rows >= 1; rows /= 2)
        dots[rows] = emit_dot(module_, plan_, machine_, math_, layout_, rows);
    // There is one copy of the epilogue: a second one without tests of columns would double the compile time.
    llvm::Function* fold = emit_fold(!plan_.tiles_are_whole());

    llvm::Function* f = begin_function(launch_.sweep, 3, true);
    Value* worker = f->getArg(1);
    const Arguments arguments(b, f->getArg(0), plan_);
    const int64_t tile_columns = launch_.columns_per_unit;
    auto* products_type = llvm::ArrayType::get(b.getFloatTy(), static_cast<uint64_t>(block * tile_columns));
    llvm::AllocaInst* products = b.CreateAlloca(products_type);
    products->setAlignment(llvm::Align(64));
    Value* products_address = b.CreatePtrToInt(products, b.getInt64Ty());
    Value* row_bytes = word(int64_t{4} * launch_.host_state_words);
    Value* records_bytes =
        b.CreateMul(b.CreateMul(arguments.rows(), arguments.workers()), word(plan_.record_words * 4));
    Value* scratch = b.CreateAdd(arguments.records(), records_bytes);
    scratch = b.CreateAdd(scratch, b.CreateMul(b.CreateMul(worker, arguments.rows()), row_bytes));

    clear_any_outputs(arguments, worker);
    {
      Loop rows(b, word(0), arguments.rows(), 1, "prepare");
      prepare_row(arguments, rows.index(), b.CreateAdd(scratch, b.CreateMul(rows.index(), row_bytes)));
      rows.close();
    }
    Loop tiles(b, f->getArg(2), f->getArg(3), 1, "tile");
    Value* first_column =
        b.CreateAdd(b.CreateMul(tiles.index(), word(tile_columns)), word(launch_.first_unit_column()));
    // The row of the weights, negative if the first tile starts before the range.
    Value* first = b.CreateSub(first_column, word(launch_.first_column));
    Value* done = word(0);
    for (int count = block; count >= 1; count /= 2) {
      // As many blocks of `count` rows as fit into the rows that are left.
      Value* end =
          b.CreateAdd(b.CreateAnd(b.CreateSub(arguments.rows(), done), word(~int64_t{count - 1})), done);
      Loop rows(b, done, end, count, "rows");
      if (analysis_.contraction != kNone) {
        const ContractionInfo& c = plan_.program.contractions[analysis_.contraction];
        const auto element = static_cast<int64_t>(size_bytes(layout_.staged_dtype));
        Value* staged =
            b.CreateAdd(arguments.staged(), b.CreateMul(rows.index(), word(launch_.staged_stride * element)));
        b.CreateCall(dots[count],
                     {arguments.input(c.right), arguments.input_stride(c.right), staged, first, products});
      }
      Loop each(b, word(0), word(count), 1, "row");
      Value* row = b.CreateAdd(rows.index(), each.index());
      Value* row_products = b.CreateAdd(products_address, b.CreateMul(each.index(), word(tile_columns * 4)));
      Value* row_scratch = b.CreateAdd(scratch, b.CreateMul(row, row_bytes));
      b.CreateCall(fold, {f->getArg(0), row, row_scratch, row_products, first_column});
      each.close();
      rows.close();
      done = end;
    }
    tiles.close();
    {
      Loop rows(b, word(0), arguments.rows(), 1, "record");
      write_record(arguments, rows.index(), worker,
                   b.CreateAdd(scratch, b.CreateMul(rows.index(), row_bytes)));
      rows.close();
    }
    b.CreateRetVoid();
  }

  void clear_any_outputs(const Arguments& arguments, Value* worker) {
    for (size_t o = 0; o < plan_.program.outputs.size(); ++o) {
      if (plan_.program.outputs[o].kind != OutputInfo::Kind::any) continue;
      Value* wanted = b.CreateICmpNE(arguments.output(o), word(0));
      emit_if(b, b.CreateAnd(wanted, b.CreateICmpEQ(worker, word(0))),
              [&] { b.CreateStore(b.getInt32(0), pointer(arguments.output(o))); });
    }
  }

  void prepare_row(const Arguments& arguments, Value* row, Value* row_scratch) {
    Value* table = pointer(row_scratch);
    HostSource source(scalar_, arguments);
    source.row = row;
    emit_row_table(plan_, scalar_, source, b.getTrue(), [&](int at, Value* value) {
      b.CreateStore(value, b.CreateGEP(b.getInt32Ty(), table, word(at)));
    });
    SweepStates states(plan_, vector_);
    store_states(states.to_words(states.identity()), row_scratch);
  }

  Value* state_pointer(Value* row_scratch, size_t at) {
    const int64_t offset = 4 * (plan_.row_table_words + static_cast<int64_t>(at) * machine_.lanes);
    return pointer(b.CreateAdd(row_scratch, word(offset)));
  }
  void store_states(const std::vector<Value*>& words, Value* row_scratch) {
    for (size_t i = 0; i < words.size(); ++i)
      b.CreateAlignedStore(words[i], state_pointer(row_scratch, i), llvm::Align(4));
  }
  std::vector<Value*> load_states(Value* row_scratch) {
    std::vector<Value*> words;
    for (int i = 0; i < plan_.record_words; ++i)
      words.push_back(b.CreateAlignedLoad(
          vector_.type(DType::u32), state_pointer(row_scratch, static_cast<size_t>(i)), llvm::Align(4)));
    return words;
  }

  /// fold(arguments, row, row_scratch, row_products, first_column) combines one row of one tile into the
  /// row's running states.
  llvm::Function* emit_fold(bool masked) {
    llvm::Function* f = begin_function("fold", 4, false);
    const Arguments arguments(b, f->getArg(0), plan_);
    HostFragmentSource source(vector_, arguments, plan_);
    source.row = f->getArg(1);
    Value* row_scratch = f->getArg(2);
    source.products = f->getArg(3);
    source.row_table = pointer(row_scratch);
    SweepEmitter sweep(plan_, vector_, source);
    sweep.expressions().set_masked(masked);
    const RowStates states = sweep.states().make();
    sweep.states().store(states, sweep.states().from_words(load_states(row_scratch)));
    const int64_t columns = int64_t{16} * machine_.lanes;
    Loop parts(b, word(0), word(launch_.columns_per_unit), columns, "part");
    Value* local = b.CreateTrunc(parts.index(), b.getInt32Ty());
    source.local_base = b.CreateAdd(vector_.splat(local), lane_offsets());
    Value* first = b.CreateTrunc(f->getArg(4), b.getInt32Ty());
    source.global_base = b.CreateAdd(source.local_base, vector_.splat(first));
    sweep.fold({&states, 1}, 0, 0, 1);
    if (sweep.stores_tiles())
      sweep.store_tiles(
          0, row_active(f),
          [&](size_t o) {
            return SweepEmitter::TileOutput{arguments.output(o), arguments.output_stride(o)};
          },
          [](const auto& store) { store(0, 1); });
    parts.close();
    store_states(sweep.states().to_words(sweep.states().load(states)), row_scratch);
    b.CreateRetVoid();
    return f;
  }

  Value* row_active(llvm::Function* f) {
    if (plan_.program.row_guard == kNone) return b.getTrue();
    const Node& guard = plan_.program.nodes[plan_.program.row_guard];
    if (guard.op == Op::constant) return b.getInt1(guard.imm != 0);
    for (const Slot& slot : plan_.row_table)
      if (slot.node == plan_.program.row_guard) {
        Value* table = pointer(f->getArg(2));
        Value* active = b.CreateLoad(b.getInt32Ty(), b.CreateGEP(b.getInt32Ty(), table, word(slot.word)));
        return b.CreateICmpNE(active, b.getInt32(0));
      }
    return b.getTrue();
  }

  /// The column at which each lane starts: block l / 4 for lane l, plus the two bits of l % 4, moved to the
  /// two lowest bits of a column that are not in the fragment's mask.
  Value* lane_offsets() {
    std::vector<uint32_t> free_bits;
    for (uint32_t bit = 0; bit < 6; ++bit)
      if (!((plan_.fragment.mask >> bit) & 1)) free_bits.push_back(bit);
    std::vector<llvm::Constant*> offsets;
    for (uint32_t lane = 0; lane < static_cast<uint32_t>(machine_.lanes); ++lane)
      offsets.push_back(
          b.getInt32((lane / 4) * 64 + ((lane & 1) << free_bits[0]) + (((lane >> 1) & 1) << free_bits[1])));
    return llvm::ConstantVector::get(offsets);
  }

  /// Joins the states of the lanes, halves at a time with the lower half on the left, and stores the result
  /// as a record.
  void write_record(const Arguments& arguments, Value* row, Value* worker, Value* row_scratch) {
    if (plan_.record_words == 0) return;
    StateValues states = SweepStates(plan_, vector_).from_words(load_states(row_scratch));
    for (int lanes = machine_.lanes; lanes > 1; lanes /= 2) {
      OpEmitter half(b, math_, lanes / 2 == 1 ? 0 : lanes / 2);
      for (size_t r = 0; r < states.size(); ++r) {
        std::vector<Value*> low;
        std::vector<Value*> high;
        for (Value* v : states[r]) {
          if (lanes == 2) {
            low.push_back(b.CreateExtractElement(v, uint64_t{0}));
            high.push_back(b.CreateExtractElement(v, uint64_t{1}));
            continue;
          }
          std::vector<int> first;
          std::vector<int> second;
          for (int i = 0; i < lanes / 2; ++i) {
            first.push_back(i);
            second.push_back(i + lanes / 2);
          }
          low.push_back(b.CreateShuffleVector(v, first));
          high.push_back(b.CreateShuffleVector(v, second));
        }
        states[r] = half.combine(SweepStates(plan_, half).reduction(r), low, high);
      }
    }
    HostSource scalar_source(scalar_, arguments);
    const std::vector<Value*> words = SweepStates(plan_, scalar_).to_words(states);
    for (size_t i = 0; i < words.size(); ++i) {
      Value* index = record_index(b, arguments, plan_.record_words, row, static_cast<int>(i), worker);
      scalar_source.store(words[i], arguments.records(), index, nullptr);
    }
  }

  // ---- finish: joins the workers' records in order, then computes the finalizers ----
  void emit_finish() {
    llvm::Function* f = begin_function(launch_.finish, 2, true);
    const Arguments arguments(b, f->getArg(0), plan_);
    HostFinishSource source(scalar_, arguments);
    SweepStates sweep(plan_, scalar_);
    const RowStates states = sweep.make();
    Loop rows(b, f->getArg(1), f->getArg(2), 1, "row");
    sweep.store(states, sweep.identity());
    Loop workers(b, word(0), arguments.workers(), 1, "worker");
    std::vector<Value*> words;
    for (int i = 0; i < plan_.record_words; ++i) {
      Value* index = record_index(b, arguments, plan_.record_words, rows.index(), i, workers.index());
      words.push_back(source.load(DType::u32, arguments.records(), index));
    }
    sweep.store(states, sweep.combine(sweep.load(states), sweep.from_words(words)));
    workers.close();
    const StateValues finished = sweep.load(states);
    for (size_t r = 0; r < finished.size(); ++r)
      for (size_t i = 0; i < finished[r].size(); ++i)
        source.finished[{analysis_.sweep_reductions[r], i}] = finished[r][i];
    source.row = rows.index();
    emit_finish_row(plan_, scalar_, source, false, [&](size_t o) { return arguments.output(o); });
    rows.close();
    b.CreateRetVoid();
  }

  llvm::Module& module_;
  const KernelPlan& plan_;
  const ProgramAnalysis& analysis_;
  const HostMachine& machine_;
  const LaunchSpec& launch_;
  HostMath math_;
  llvm::IRBuilder<> b;
  OpEmitter scalar_;
  OpEmitter vector_;
  DotLayout layout_;
};

}  // namespace

void emit_host_kernel(llvm::Module& module, const KernelPlan& plan, const HostMachine& machine) {
  if (plan.launch.host_state_words < plan.row_table_words + plan.record_words * machine.lanes)
    throw Error(ErrorCode::internal,
                "a row's states do not fit their memory: vectors are wider than planned for");
  HostKernel(module, plan, machine).emit();
  // The code must run in any process, so it calls no library functions. The widest vectors are used at full
  // width.
  for (llvm::Function& f : module) {
    if (f.isDeclaration()) continue;
    f.addFnAttr("no-builtins");
    f.addFnAttr("target-cpu", machine.cpu);
    if (!machine.features.empty()) f.addFnAttr("target-features", machine.features);
    if (machine.lanes == 16) {
      f.addFnAttr("prefer-vector-width", "512");
      f.addFnAttr("min-legal-vector-width", "512");
    }
    f.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

}  // namespace gumtile::codegen
