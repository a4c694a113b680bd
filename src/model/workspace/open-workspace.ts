/**
 * Opens workspaces: plans their memories, creates them, loads them. What lies in them beside a pass' own
 * buffers (weights, caches, gradients) is planned by callbacks, so that each region is named and placed once.
 *
 *   const plan = (planner) => ({ block: planBlock(planner, spec) });
 *   const { space, placed } = await openWorkspace(work, description, size, plan);
 *   await loadWorkspace(space, checkpoint, (loader) => loadBlock(loader, spec, placed.block), work);
 *
 * What may be too large for one memory is given in parts, and there are as many workspaces as these need.
 */
import { type Description, widestInput } from "../../architecture/description.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { Work } from "../../host/work.ts";
import { type ChosenKernels, chooseKernels } from "../../kernels/choose-kernels.ts";
import { BOARD_BYTES } from "../../kernels/threads/job-board.ts";
import { type BuildName, kernelBuild } from "../../kernels/kernel-build.ts";
import type { KernelExports } from "../../kernels/kernel-table.ts";
import { kernelSizes } from "../../kernels/kernels.ts";
import { MemoryPlan } from "../../kernels/memory-plan.ts";
import { openMemories } from "../../kernels/open-kernels.ts";
import { offsetBy, type Pointer } from "../../kernels/pointer.ts";
import { divideParts } from "./divide-parts.ts";
import { BLOCK_TOKENS, paddedHead } from "../layers/attention.ts";
import { paddedInputs } from "../layers/linear.ts";
import { fillPositions, planPositions } from "../layers/positions.ts";
import { resolveThreads } from "../load-options.ts";
import { type PassSize, planBuffers } from "./plan-buffers.ts";
import { WeightLoader } from "../weights/weight-loader.ts";
import { planStaging } from "../weights/weight-packer.ts";
import { WeightReader } from "../weights/weight-reader.ts";
import type { Placed, Planner, Workspace } from "./workspace.ts";

/** How large a workspace is. */
export interface WorkspaceSize extends PassSize {
  /** Tokens of a sequence, at most. */
  readonly positions: number;
  /** Sequences that have a block table; by default one. */
  readonly sequences?: number;
  /** The build of the kernels, or "auto": the fastest that passes the self-test. */
  readonly build?: BuildName | "auto";
  /** How long threads poll before they sleep, as in `LoadOptions`. */
  readonly poll?: number;
  /** Bytes of a memory, as in `LoadOptions`. */
  readonly memoryLimit?: number;
  /** Bytes of scratch each thread needs at least, for kernels beside the forward pass. */
  readonly threadScratch?: number;
  /** Whether kernels are used that only quantizing needs: the second module is loaded then. */
  readonly quantizes?: boolean;
}

/** What lies in one memory, whichever it is. */
export interface Part<T> {
  /** For messages. */
  readonly name: string;
  /** Plans it; it may be asked several times, and says the same each time. */
  place(planner: Planner): T;
}

/** What all memories of a plan have in common. */
interface Setup {
  readonly description: Description;
  readonly size: WorkspaceSize;
  readonly chosen: ChosenKernels;
  readonly threads: number;
  readonly sizes: KernelExports;
}

/** A memory that is planned. */
interface PlannedWorkspace<T> {
  readonly plan: MemoryPlan;
  readonly own: ReturnType<typeof placeOwn>;
  readonly placed: readonly T[];
}

/**
 * Plans the memories of workspaces for all parts.
 *
 * @throws OptionError for a number of threads that cannot be; CapabilityError if a build is refused, or if a
 *   part does not fit a memory
 */
export async function planWorkspaces<T>(
  work: Work,
  description: Description,
  size: WorkspaceSize,
  parts: readonly Part<T>[],
): Promise<{ readonly setup: Setup; readonly planned: readonly PlannedWorkspace<T>[] }> {
  const { build = "auto", keepsWeights = false } = size;
  const threads = resolveThreads(work, work.host);
  const chosen = await chooseKernels(work.host, threads > 1, build, keepsWeights);
  const setup = { description, size, chosen, threads, sizes: kernelSizes(chosen.modules, threads > 1) };
  return { setup, planned: divided(setup, parts).map((own) => planWorkspace(setup, own)) };
}

/** The parts of each memory. A single part need not be measured: its own regions say what does not fit. */
function divided<T>(setup: Setup, parts: readonly Part<T>[]): readonly (readonly Part<T>[])[] {
  if (parts.length === 1) return [parts];
  const { plan } = planWorkspace(setup, []);
  const measured = parts.map((part) => ({ ...part, bytes: bytesOf(setup, part) }));
  return divideParts(measured, plan.free);
}

function planWorkspace<T>(setup: Setup, parts: readonly Part<T>[]): PlannedWorkspace<T> {
  const { description, sizes } = setup;
  const limit = setup.size.memoryLimit;
  const planner = { plan: new MemoryPlan(limit), sizes, description, config: description.config };
  return { plan: planner.plan, own: placeOwn(planner, setup), placed: parts.map(({ place }) => place(planner)) };
}

/** Bytes a part takes, wherever it lies. */
function bytesOf({ description, sizes }: Setup, { place }: Part<unknown>): number {
  const plan = new MemoryPlan(Infinity);
  place({ plan, sizes, description, config: description.config });
  const { weights, kvCache, scratch } = plan.bytes();
  return weights + kvCache + scratch;
}

/** Reserves what each workspace has of its own. The job board of the first one is used. */
function placeOwn(planner: Planner, { description, size, threads }: Setup) {
  const { plan, sizes } = planner;
  const { rows, positions, sequences = 1, threadScratch = 0 } = size;
  const maxK = paddedInputs(widestInput(description));
  const scratchBytes = Math.max(
    threadScratch,
    sizes.linear_scratch_bytes(rows, maxK) >>> 0,
    sizes.attention_scratch_bytes(rows, positions, paddedHead(description.config.headDim)) >>> 0,
  );
  const tableBytes = 4 * Math.ceil(positions / BLOCK_TOKENS);
  const reserveEach = (count: number, bytes: number, what: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => plan.reserve("scratch", bytes, what(i)));
  return {
    board: plan.reserve("scratch", BOARD_BYTES, "job board"),
    scratch: reserveEach(threads, scratchBytes, (thread) => `scratch of thread ${thread}`),
    parts: {
      tables: planPositions(planner, positions),
      blockTables: reserveEach(sequences, tableBytes, () => "block table"),
      staging: planStaging(plan, maxK),
      buffers: planBuffers(planner, size),
    },
  };
}

/**
 * Plans the memories, creates them, and starts the threads, which come while weights are loaded.
 *
 * @returns the workspaces, and where the parts lie, in their order
 * @throws OptionError for a number of threads that cannot be; CapabilityError if a build or memory is refused
 */
export async function openWorkspaces<T>(
  work: Work,
  description: Description,
  size: WorkspaceSize,
  parts: readonly Part<T>[],
): Promise<{ spaces: readonly Workspace[]; placed: readonly Placed<T>[] }> {
  const { positions, poll, quantizes = false } = size;
  const { setup, planned } = await planWorkspaces(work, description, size, parts);
  const { chosen, threads } = setup;
  const shared = threads > 1;
  const modules = quantizes
    ? [...chosen.modules, await work.host.kernelModule(kernelBuild("quantizer", shared))]
    : chosen.modules;
  const memories = planned.map(({ plan, own: { scratch } }) => ({ plan, scratch }));
  const opened = openMemories(work.host, memories, { modules, shared, board: planned[0]!.own.board, poll });
  const { config } = description;
  const blocks = Array.from({ length: Math.ceil(positions / BLOCK_TOKENS) }, (_, block) => block);
  const spaces = planned.map(({ plan, own }, i) => {
    const kernels = opened[i]!;
    fillPositions(kernels, config, own.parts.tables, positions);
    kernels.i32(own.parts.blockTables[0]!, blocks.length).set(blocks);
    return { description, config, kernels, ...own.parts, positions, build: chosen.build, regions: plan.bytes() };
  });
  const placed = planned.flatMap((memory, i) => memory.placed.map((item) => ({ space: spaces[i]!, item })));
  return { spaces, placed };
}

/** Opens one workspace for all that `place` plans. */
export async function openWorkspace<T>(
  work: Work,
  description: Description,
  size: WorkspaceSize,
  place: (planner: Planner) => T,
): Promise<{ space: Workspace; placed: T }> {
  const { placed } = await openWorkspaces(work, description, size, [{ name: "memory", place }]);
  const [{ space, item }] = placed as [Placed<T>];
  return { space, placed: item };
}

/**
 * Loads what `ask` asks for, in the order of the file, and waits for the threads. Nothing stays open or
 * running if that fails.
 *
 * @param ask given the loader of each workspace
 * @param onBytes told how many stored bytes each read consumed
 * @throws CheckpointError, UnsupportedModelError, CapabilityError, AbortError
 */
export async function loadWorkspaces(
  spaces: readonly Workspace[],
  checkpoint: Checkpoint,
  ask: (loaderOf: (space: Workspace) => WeightLoader) => void,
  { signal, onWarning }: Pick<Work, "signal" | "onWarning">,
  onBytes: (bytes: number) => void = () => {},
): Promise<void> {
  try {
    const reader = new WeightReader(checkpoint, signal, onBytes);
    const loaders = new Map(spaces.map((space) => [space, new WeightLoader(space.kernels, space.staging, reader)]));
    ask((space) => loaders.get(space)!);
    await reader.run();
    await spaces[0]!.kernels.threadsStarted({ signal, onWarning });
  } catch (error) {
    await disposeWorkspaces(spaces);
    throw error;
  }
}

/** The same for one workspace. */
export function loadWorkspace(
  space: Workspace,
  checkpoint: Checkpoint,
  ask: (loader: WeightLoader) => void,
  work: Pick<Work, "signal" | "onWarning">,
): Promise<void> {
  return loadWorkspaces([space], checkpoint, (loaderOf) => ask(loaderOf(space)), work);
}

/** Ends the threads and lets go of the memories. */
export async function disposeWorkspaces(spaces: readonly Workspace[]): Promise<void> {
  await Promise.all(spaces.map(({ kernels }) => kernels.dispose()));
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
