/** The memory of a whole model, planned from its specification, and the kernels over it. */
import type { ModelConfig } from "../architecture/model-config.ts";
import { type InstructionSet, kernelBuild } from "../kernels/kernel-build.ts";
import type { KernelExports, Pointer } from "../kernels/kernel-exports.ts";
import { BOARD_BYTES } from "../kernels/job-board.ts";
import { instantiateKernels, Kernels, kernelSizes } from "../kernels/kernels.ts";
import { MemoryPlan } from "../kernels/memory-plan.ts";
import { chooseModule } from "../kernels/self-test.ts";
import { ThreadPool } from "../kernels/thread-pool.ts";
import type { Host } from "../host/host.ts";

/** What every plan begins with: the size functions of the build that will run, and the threads' own regions. */
export interface MemoryPlanning {
  readonly plan: MemoryPlan;
  readonly sizes: KernelExports;
  readonly module: WebAssembly.Module;
  /** The second module, if something is quantized (`withQuantizer`). */
  readonly quantizer?: WebAssembly.Module;
  readonly instructionSet: InstructionSet;
  readonly shared: boolean;
  readonly board: Pointer;
  /** One region per thread. */
  readonly scratch: readonly Pointer[];
}

/** Tokens in a chunk of a forward pass, at most. Larger chunks reuse weights more, smaller ones stay in cache. */
export const MAX_CHUNK_ROWS = 256;

/**
 * @param threads kernels may use, the calling one included
 * @param capacity tokens in the KV cache
 * @param build the instruction set, or "auto": the best that passes the self-test
 * @param leastScratch bytes each thread needs for kernels beside the forward pass
 * @throws CapabilityError if the build asked for is missing or computes wrong values
 */
export async function beginMemoryPlan(
  host: Host,
  config: ModelConfig,
  threads: number,
  maxRows: number,
  capacity: number,
  build: InstructionSet | "auto" = "auto",
  leastScratch = 0,
): Promise<MemoryPlanning> {
  const shared = threads > 1;
  const { module, instructionSet } = await chooseModule(host, shared, build);
  const sizes = kernelSizes(module, shared);
  const plan = new MemoryPlan();
  const { hiddenSize: E, heads: H, headDim: D, ffnSize: F } = config;
  const scratchBytes = Math.max(
    leastScratch,
    sizes.linear_scratch_bytes(maxRows, Math.max(E, H * D, F)) >>> 0,
    sizes.attention_scratch_bytes(maxRows, capacity, D) >>> 0,
  );
  return {
    plan,
    sizes,
    module,
    instructionSet,
    shared,
    board: plan.reserve("scratch", BOARD_BYTES, "job board"),
    scratch: Array.from({ length: threads }, (_, thread) => plan.reserve("scratch", scratchBytes, `scratch of thread ${thread}`)),
  };
}

/**
 * The same plan, for kernels that quantize too.
 * @throws CapabilityError if the second module is not there; the message says what to pass
 */
export async function withQuantizer(host: Host, planning: MemoryPlanning): Promise<MemoryPlanning> {
  return { ...planning, quantizer: await host.kernelModule(kernelBuild("quantizer", planning.shared)) };
}

/**
 * Creates the planned memory and the kernels over it, and starts a pool if the plan has more than one thread. The pool starts while
 * weights are loaded; `threadsStarted` says when it is there.
 */
export function openKernels(host: Host, planning: MemoryPlanning): Kernels {
  const { plan, module, quantizer, shared, board, scratch } = planning;
  const modules = quantizer ? [module, quantizer] : [module];
  const memory = plan.createMemory(shared);
  const run = instantiateKernels(modules, memory);
  const pool =
    scratch.length > 1 && host.spawnWorker
      ? ThreadPool.start({ modules, memory, board, scratch }, run, host.spawnWorker)
      : undefined;
  return new Kernels(run, memory, scratch[0]!, pool);
}
