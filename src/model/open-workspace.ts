/**
 * Opens a workspace: plans its memory, creates it, loads it. What lies in it beside a pass' own buffers
 * (weights, caches, gradients) is planned by a callback, so that each region is named and placed once.
 *
 *   const plan = (planner) => ({ block: planBlock(planner, spec) });
 *   const { space, placed } = await openWorkspace(work, description, size, plan);
 *   await loadWorkspace(space, checkpoint, (loader) => loadBlock(loader, spec, placed.block), work);
 */
import {
  type Block,
  type Description,
  embeddingChannels,
  INPUT_NAMES,
  type InputName,
  widestInput,
} from "../architecture/description.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Work } from "../host/work.ts";
import { type ChosenKernels, chooseKernels } from "../kernels/choose-kernels.ts";
import { BOARD_BYTES } from "../kernels/job-board.ts";
import { type BuildName, kernelBuild } from "../kernels/kernel-build.ts";
import { kernelSizes } from "../kernels/kernels.ts";
import { MemoryPlan } from "../kernels/memory-plan.ts";
import { openKernels } from "../kernels/open-kernels.ts";
import { NULL, offsetBy, type Pointer } from "../kernels/pointer.ts";
import type { Buffers } from "./buffers.ts";
import { BLOCK_TOKENS, paddedHead, planHeads } from "./layers/attention.ts";
import { paddedInputs } from "./layers/linear.ts";
import { planLowRankBuffers } from "./layers/low-rank.ts";
import { fillPositions, planPositions } from "./layers/positions.ts";
import { resolveThreads } from "./load-options.ts";
import { WeightLoader } from "./weight-loader.ts";
import { planStaging } from "./weight-packer.ts";
import type { Planner, Workspace } from "./workspace.ts";

/** Smallest group of in_features that shares a scale: 16 elements fill one vector of int8. */
const MIN_GROUP_SIZE = 16;

/** How large a workspace is. */
export interface WorkspaceSize {
  /** Rows (tokens) of a pass, at most. */
  readonly rows: number;
  /** Tokens of a sequence, at most. */
  readonly positions: number;
  /** The largest rank of any layer's low-rank terms; 0 for none. */
  readonly rank?: number;
  /** The build of the kernels, or "auto": the fastest that passes the self-test. */
  readonly build?: BuildName | "auto";
  /** How long threads poll before they sleep, as in `LoadOptions`. */
  readonly poll?: number;
  /** Bytes of scratch each thread needs at least, for kernels beside the forward pass. */
  readonly threadScratch?: number;
  /** Whether kernels are used that only quantizing needs: the second module is loaded then. */
  readonly quantizes?: boolean;
  /** Whether weights run in forms that only files of other programs have: the third module is loaded then. */
  readonly keepsWeights?: boolean;
  /** The most out_features of a layer whose input is refined; 0 for none. */
  readonly refined?: number;
}

/** Memory that is planned, and who is to run over it. */
interface PlannedWorkspace<Placed> {
  readonly planner: Planner;
  readonly placed: Placed;
  readonly chosen: ChosenKernels;
  readonly shared: boolean;
  readonly board: Pointer;
  readonly scratch: readonly Pointer[];
  readonly parts: Pick<Workspace, "tables" | "blockTable" | "staging" | "buffers">;
}

/**
 * Plans the memory of a workspace.
 *
 * @param place plans what lies in this memory besides
 * @throws OptionError for a number of threads that cannot be; CapabilityError if a build is refused, or if
 *   the plan does not fit a memory
 */
export async function planWorkspace<Placed>(
  work: Work,
  description: Description,
  size: WorkspaceSize,
  place: (planner: Planner) => Placed,
): Promise<PlannedWorkspace<Placed>> {
  const { rows, positions, build = "auto", threadScratch = 0, keepsWeights = false } = size;
  const threads = resolveThreads(work, work.host);
  const shared = threads > 1;
  const chosen = await chooseKernels(work.host, shared, build, keepsWeights);
  const { config } = description;
  const planner: Planner = { plan: new MemoryPlan(), sizes: kernelSizes(chosen.modules, shared), description, config };
  const { plan, sizes } = planner;
  const maxK = paddedInputs(widestInput(description));
  const scratchBytes = Math.max(
    threadScratch,
    sizes.linear_scratch_bytes(rows, maxK) >>> 0,
    sizes.attention_scratch_bytes(rows, positions, paddedHead(config.headDim)) >>> 0,
  );
  const board = plan.reserve("scratch", BOARD_BYTES, "job board");
  const scratch = Array.from({ length: threads }, (_, thread) =>
    plan.reserve("scratch", scratchBytes, `scratch of thread ${thread}`),
  );
  const placed = place(planner);
  const parts = {
    tables: planPositions(planner, positions),
    blockTable: plan.reserve("scratch", 4 * Math.ceil(positions / BLOCK_TOKENS), "block table"),
    staging: planStaging(plan, maxK),
    buffers: planBuffers(planner, size),
  };
  return { planner, placed, chosen, shared, board, scratch, parts };
}

/**
 * Plans the memory, creates it, and starts the threads, which come while weights are loaded.
 *
 * @param place plans what lies in this memory besides
 * @throws OptionError for a number of threads that cannot be; CapabilityError if a build or memory is refused
 */
export async function openWorkspace<Placed>(
  work: Work,
  description: Description,
  size: WorkspaceSize,
  place: (planner: Planner) => Placed,
): Promise<{ space: Workspace; placed: Placed }> {
  const { positions, poll, quantizes = false } = size;
  const { planner, placed, chosen, shared, board, scratch, parts } = await planWorkspace(work, description, size, place);
  const { plan, config } = planner;
  const modules = quantizes
    ? [...chosen.modules, await work.host.kernelModule(kernelBuild("quantizer", shared))]
    : chosen.modules;
  const kernels = openKernels(work.host, { plan, modules, shared, board, scratch, poll });
  fillPositions(kernels, config, parts.tables, positions);
  const blocks = Math.ceil(positions / BLOCK_TOKENS);
  kernels.i32(parts.blockTable, blocks).set(Array.from({ length: blocks }, (_, block) => block));
  return { space: { description, config, kernels, ...parts, positions, build: chosen.build, regions: plan.bytes() }, placed };
}

/**
 * Loads what `ask` asks for, in the order of the file, and waits for the threads. Nothing stays open or
 * running if that fails.
 *
 * @param onBytes told how many stored bytes each read consumed
 * @throws CheckpointError, UnsupportedModelError, CapabilityError, AbortError
 */
export async function loadWorkspace(
  space: Workspace,
  checkpoint: Checkpoint,
  ask: (loader: WeightLoader) => void,
  { signal, onWarning }: Pick<Work, "signal" | "onWarning">,
  onBytes: (bytes: number) => void = () => {},
): Promise<void> {
  try {
    const loader = new WeightLoader(space.kernels, checkpoint, space.staging, signal, onBytes);
    ask(loader);
    await loader.run();
    await space.kernels.threadsStarted({ signal, onWarning });
  } catch (error) {
    await space.kernels.dispose();
    throw error;
  }
}

/** Replaces rows of a float linear layer's weights, first row `row`, by `weight` f32[rows, K]. */
export function packRows(
  { kernels, staging }: Workspace,
  linear: { readonly weights: Pointer; readonly N: number; readonly K: number },
  row: number,
  weight: Float32Array,
): void {
  const { N, K, weights } = linear;
  const end = row + weight.length / K;
  // Kernels pack whole panels. Rows that share one with others are put in their places (`layout.ts`, f32w).
  const firstPanel = Math.ceil(row / 8) * 8;
  const lastPanel = end === N ? N : Math.floor(end / 8) * 8;
  for (let n = row; n < end; n++) {
    if (n >= firstPanel && n < lastPanel) continue;
    const panel = kernels.f32(offsetBy(weights, 32 * K * Math.floor(n / 8)), 8 * K);
    for (let k = 0; k < K; k++) panel[8 * k + (n % 8)] = weight[(n - row) * K + k]!;
  }
  for (let begin = firstPanel; begin < lastPanel; begin += 8) {
    const rows = weight.subarray((begin - row) * K, (Math.min(lastPanel, begin + 8) - row) * K);
    kernels.f32(staging.source, rows.length).set(rows);
    kernels.run.pack_f32w(staging.source, weights, begin, rows.length / K, N, K);
  }
}

function planBuffers(planner: Planner, { rows: maxRows, rank = 0, keepsWeights = false, refined = 0 }: WorkspaceSize): Buffers {
  const { plan, description } = planner;
  const { hiddenSize: E, heads: H, kvHeads: Hkv, headDim: D, ffnSize: F } = description.config;
  const maxK = paddedInputs(widestInput(description));
  const W = embeddingChannels(description.config);
  const isRagged = [E, W, ...description.blocks.flatMap(({ inputs }) => inputs.map(({ width }) => width))].some(
    (width) => width % 16 !== 0,
  );
  const rowsOf = ({ inputs }: Block, name: InputName) =>
    inputs.find((input) => input.name === name)?.modules.reduce((sum, { outFeatures }) => sum + outFeatures, 0);
  const widest = (name: InputName) => Math.max(...description.blocks.map((block) => rowsOf(block, name) ?? 0));
  const f32 = (what: string, columns: number) => plan.reserve("scratch", 4 * maxRows * columns, `${what} of ${maxRows} rows`);
  // Two bytes an element: activations of 14 bits, or of 8 bits twice.
  const q = plan.reserve("scratch", 2 * maxRows * maxK, "quantized activations");
  // Where layers differ, those with attention say how far rows are apart that its kernels read.
  const withAttention = description.blocks.find(({ convolution }) => !convolution) ?? description.blocks[0]!;
  const qkvStride = rowsOf(withAttention, "qkv")!;
  const qkv = f32("queries, keys and values", widest("qkv"));
  const upStride = rowsOf(withAttention, "up");
  return {
    maxRows,
    ids: f32("token ids", 1),
    rows: f32("row table", 2),
    embedded: W === E ? NULL : f32("embedded tokens", W),
    hidden: f32("hidden states", E),
    normed: f32("normalized states", E),
    residualScales: description.config.online?.residualScaling ? f32("residual scales", 2) : NULL,
    qkv,
    qkvStride,
    attended: f32("attention output", Math.max(...description.blocks.map(({ inputs }) => inputs[1]!.width))),
    projected: f32("projections", E),
    up: upStride === undefined ? offsetBy(qkv, 4 * (H + 2 * Hkv) * D) : f32("gate and up projections", upStride),
    upStride: upStride ?? qkvStride,
    activated: f32("activated states", F),
    padded: planHeads(planner, maxRows),
    paddedInput: isRagged ? f32("padded inputs", maxK) : NULL,
    activations: {
      q,
      scales: f32("activation scales", 1),
      sums: f32("activation group sums", maxK / MIN_GROUP_SIZE),
      ordered: keepsWeights
        ? { q: offsetBy(q, maxRows * maxK), sums: f32("sums of ordered activations", maxK / MIN_GROUP_SIZE) }
        : undefined,
      rest: refined > 0 ? { x: f32("rests of an input", maxK), y: f32("products of rests", refined) } : undefined,
      lowRank: rank > 0 ? planLowRankBuffers(planner, maxRows, rank, Math.max(...INPUT_NAMES.map(widest))) : undefined,
    },
  };
}
