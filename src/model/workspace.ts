/**
 * One memory with the kernels over it, the buffers of a forward pass and the tables of positions: the only place where memory is planned, opened
 * and loaded. What lies in it besides (weights, caches, gradients) is planned by a callback, so that each region is named and placed once.
 *
 *   const { space, placed } = await Workspace.open(work, description, sizes, (planner) => ({ block: planBlock(planner, spec) }));
 *   await space.load(checkpoint, (loader) => loadBlock(loader, spec, placed.block));
 */
import { type Description, widestInput } from "../architecture/description.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Work } from "../host/work.ts";
import { BOARD_BYTES } from "../kernels/job-board.ts";
import type { InstructionSet } from "../kernels/kernel-build.ts";
import type { KernelExports, Pointer } from "../kernels/kernel-exports.ts";
import { type Kernels, kernelSizes } from "../kernels/kernels.ts";
import { MemoryPlan, type RegionKind } from "../kernels/memory-plan.ts";
import { openKernels } from "../kernels/open-kernels.ts";
import { chooseModule } from "../kernels/self-test.ts";
import { type Buffers, planBuffers } from "./buffers.ts";
import { BLOCK_TOKENS } from "./layers/attention.ts";
import { fillPositions, planPositions, type PositionTables } from "./layers/positions.ts";
import { resolveThreads } from "./load-options.ts";
import { planStaging, type Staging, WeightLoader } from "./weight-loader.ts";

/** How large a workspace is. */
export interface WorkspaceSize {
  /** Rows (tokens) of a pass, at most. */
  readonly rows: number;
  /** Tokens of a sequence, at most. */
  readonly positions: number;
  /** The largest rank of any layer's low-rank terms; 0 for none. */
  readonly rank?: number;
  /** Instruction set of the kernels, or "auto": the best that passes the self-test. */
  readonly build?: InstructionSet | "auto";
  /** Bytes of scratch each thread needs at least, for kernels beside the forward pass. */
  readonly threadScratch?: number;
}

/** What planning a region takes: the plan so far, and the size functions of the kernels that will run. */
export interface Planner {
  readonly plan: MemoryPlan;
  readonly sizes: KernelExports;
  readonly description: Description;
  readonly config: ModelConfig;
}

interface Parts {
  readonly description: Description;
  readonly kernels: Kernels;
  readonly buffers: Buffers;
  readonly tables: PositionTables;
  readonly blockTable: Pointer;
  readonly staging: Staging;
  readonly positions: number;
  readonly instructionSet: InstructionSet;
  readonly regions: Readonly<Record<RegionKind, number>>;
}

export class Workspace {
  readonly description: Description;
  readonly config: ModelConfig;
  readonly kernels: Kernels;
  readonly buffers: Buffers;
  readonly tables: PositionTables;
  /** Block table of a sequence that has all blocks of its cache in order. */
  readonly blockTable: Pointer;
  /** Tokens of a sequence, at most. */
  readonly positions: number;
  readonly instructionSet: InstructionSet;
  /** Bytes by purpose. */
  readonly regions: Readonly<Record<RegionKind, number>>;
  readonly #staging: Staging;

  private constructor(parts: Parts) {
    this.description = parts.description;
    this.config = parts.description.config;
    this.kernels = parts.kernels;
    this.buffers = parts.buffers;
    this.tables = parts.tables;
    this.blockTable = parts.blockTable;
    this.positions = parts.positions;
    this.instructionSet = parts.instructionSet;
    this.regions = parts.regions;
    this.#staging = parts.staging;
  }

  /**
   * Plans the memory, creates it, and starts the threads, which come while weights are loaded.
   *
   * @param place plans what lies in this memory besides
   * @throws OptionError for a number of threads that cannot be; CapabilityError if a build or memory is refused
   */
  static async open<Placed>(
    work: Work,
    description: Description,
    size: WorkspaceSize,
    place: (planner: Planner) => Placed,
  ): Promise<{ space: Workspace; placed: Placed }> {
    const { rows, positions, rank = 0, build = "auto", threadScratch = 0 } = size;
    const threads = resolveThreads(work, work.host);
    const shared = threads > 1;
    const { module, instructionSet } = await chooseModule(work.host, shared, build);
    const { config } = description;
    const planner: Planner = { plan: new MemoryPlan(), sizes: kernelSizes(module, shared), description, config };
    const { plan, sizes } = planner;
    const maxK = widestInput(description);
    const scratchBytes = Math.max(
      threadScratch,
      sizes.linear_scratch_bytes(rows, maxK) >>> 0,
      sizes.attention_scratch_bytes(rows, positions, config.headDim) >>> 0,
    );
    const board = plan.reserve("scratch", BOARD_BYTES, "job board");
    const scratch = Array.from({ length: threads }, (_, thread) => plan.reserve("scratch", scratchBytes, `scratch of thread ${thread}`));
    const placed = place(planner);
    const tables = planPositions(planner, positions);
    const blocks = Math.ceil(positions / BLOCK_TOKENS);
    const blockTable = plan.reserve("scratch", 4 * blocks, "block table");
    const staging = planStaging(plan, maxK);
    const buffers = planBuffers(planner, rows, rank);

    const kernels = openKernels(work.host, { plan, module, shared, board, scratch });
    fillPositions(kernels, config, tables, positions);
    kernels.i32(blockTable, blocks).set(Array.from({ length: blocks }, (_, block) => block));
    const regions = plan.bytes();
    const parts = { description, kernels, buffers, tables, blockTable, staging, positions, instructionSet, regions };
    return { space: new Workspace(parts), placed };
  }

  /**
   * Loads what `ask` asks for, in the order of the file, and waits for the threads. Nothing stays open or running if that fails.
   *
   * @param onBytes told how many stored bytes each read consumed
   * @throws CheckpointError, UnsupportedModelError, CapabilityError, AbortError
   */
  async load(
    checkpoint: Checkpoint,
    ask: (loader: WeightLoader) => void,
    { signal }: Pick<Work, "signal">,
    onBytes: (bytes: number) => void = () => {},
  ): Promise<void> {
    try {
      const loader = new WeightLoader(this.kernels, checkpoint, this.#staging, signal, onBytes);
      ask(loader);
      await loader.run();
      await this.kernels.threadsStarted();
    } catch (error) {
      await this.dispose();
      throw error;
    }
  }

  /** Replaces rows of a float linear layer's weights, first row `row`, by `weight` f32[rows, K]. */
  packRows(linear: { readonly weights: Pointer; readonly N: number; readonly K: number }, row: number, weight: Float32Array): void {
    const { N, K, weights } = linear;
    const block = 8 * K;
    for (let begin = 0; begin < weight.length; begin += block) {
      const rows = weight.subarray(begin, begin + block);
      this.kernels.f32(this.#staging.source, rows.length).set(rows);
      this.kernels.run.pack_f32w(this.#staging.source, weights, row + begin / K, rows.length / K, N, K);
    }
  }

  /** Slopes of the heads, f32[H]; 0 without ALiBi. */
  get slopes(): Pointer {
    return this.tables.slopes;
  }

  /** Ends the threads. */
  async dispose(): Promise<void> {
    await this.kernels.dispose();
  }
}
