/**
 * One transformer block over M rows, the only forward pass there is: calibration, evaluation and generation
 * run this function.
 *
 *   sequential   hidden += o(attention(qkv(norm(hidden))));  hidden += down(activation(up(norm(hidden))))
 *   parallel     hidden += o(attention(qkv(norm(hidden)))) + down(activation(up(norm(hidden))))
 *
 * In some layers of LFM2 a short convolution stands in place of attention. Each norm may be missing; what o
 * and down give may have norms of its own, and be multiplied by a number, before it is added, or the stream
 * may have a norm once it is.
 */
import { NULL, offsetBy, type Pointer } from "../kernels/pointer.ts";
import { type Block, type ByInput, type InputName, type LinearInput, mapInputs } from "../architecture/description.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Batch } from "./batch.ts";
import { append, attend, type CacheScales, type LayerCache, planCache } from "./layers/attention.ts";
import {
  convolve,
  loadConvolution,
  type LoadedConvolution,
  planConvolution,
  planConvolutionCache,
} from "./layers/convolution.ts";
import { type LinearSpec, readLinearSpec, totalRank } from "./layers/linear-spec.ts";
import { type Linear, multiply, quantizeInput } from "./layers/linear.ts";
import { activate } from "./layers/mlp.ts";
import { applyNorm, type LoadedNorm, loadNorm, normInput, type NormRows, planNorm, streamInput } from "./layers/norm.ts";
import { measureResidual, scaleInput, scaleOutput } from "./layers/online-transforms.ts";
import { planLinear } from "./layers/plan-linear.ts";
import type { WeightPrecision } from "./precision.ts";
import { turn } from "./layers/positions.ts";
import { loadHeadNorm, normalizeHeads, planHeadNorm } from "./layers/head-norms.ts";
import type { KvPrecision } from "./precision.ts";
import type { WeightLoader } from "./weights/weight-loader.ts";
import type { Planner, Workspace } from "./workspace/workspace.ts";

/** How a block's linear layers are stored and will run. */
export interface BlockSpec {
  readonly block: Block;
  readonly linears: ByInput<LinearSpec>;
}

/**
 * @param weights how they run where the checkpoint does not say it; as floats by default
 * @throws CheckpointError for missing tensors or wrong shapes; UnsupportedModelError for forms the kernels do
 *   not run
 */
export async function readBlockSpec(checkpoint: Checkpoint, block: Block, weights?: WeightPrecision): Promise<BlockSpec> {
  const specs = new Map<InputName, LinearSpec>();
  // One after another, in the order of the files, as a network has them fastest.
  for (const { name, modules, from } of block.inputs) {
    // What an activation gives has a few elements far beyond the others (docs/decisions/kept-weights.md).
    specs.set(name, await readLinearSpec(checkpoint, modules, { weights, refines: from === "activation" }));
  }
  return { block, linears: mapInputs(block, ({ name }) => specs.get(name)!) };
}

/** The largest rank of a block's low-rank terms. */
export function largestRank({ linears }: BlockSpec): number {
  return Math.max(...Object.values(linears).map(totalRank));
}

/** An input's linear layers, fused, the norm that makes it, and the norm of what they give. */
export interface LoadedInput {
  readonly input: LinearInput;
  readonly linear: Linear;
  readonly norm: LoadedNorm | undefined;
  readonly outputNorm: LoadedNorm | undefined;
  readonly streamNorm: LoadedNorm | undefined;
}

/** A block in memory. */
export interface LoadedBlock {
  readonly block: Block;
  readonly inputs: ByInput<LoadedInput>;
  /** Weights of the norms of q and k; NULL for none. */
  readonly queryNorm: Pointer;
  readonly keyNorm: Pointer;
  /** In place of attention. */
  readonly convolution: LoadedConvolution | undefined;
  readonly cache: LayerCache;
}

export function planBlock(planner: Planner, { block, linears }: BlockSpec, cache: LayerCache): LoadedBlock {
  const { config } = planner;
  return {
    block,
    inputs: mapInputs(block, (input) => ({
      input,
      norm: typeof input.from === "string" ? undefined : planNorm(planner, input.from, input.width),
      linear: planLinear(planner, linears[input.name]!),
      outputNorm: input.outputNorm && planNorm(planner, input.outputNorm, config.hiddenSize),
      streamNorm: input.streamNorm && planNorm(planner, input.streamNorm, config.hiddenSize),
    })),
    queryNorm: planHeadNorm(planner, block.queryNorm),
    keyNorm: planHeadNorm(planner, block.keyNorm),
    convolution: block.convolution && planConvolution(planner, block.convolution),
    cache,
  };
}

/** Reserves a block's cache. @param scales of keys and values, in static int8 */
export function planBlockCache(
  planner: Planner,
  block: Block,
  blocks: number,
  precision: KvPrecision,
  scales: CacheScales,
): LayerCache {
  if (block.convolution) return planConvolutionCache(planner, blocks, precision);
  return planCache(planner, blocks, precision, scales);
}

/** Asks the loader for all weights of a block of this spec, into the memory of `loaded`. */
export function loadBlock(
  loader: WeightLoader,
  { hiddenSize: E }: ModelConfig,
  { block, linears }: BlockSpec,
  loaded: LoadedBlock,
): void {
  for (const input of block.inputs) {
    const { norm, linear, outputNorm, streamNorm } = loaded.inputs[input.name]!;
    if (norm) loadNorm(loader, { ...norm, norm: input.from as LoadedNorm["norm"] }, input.width);
    loader.linear(linears[input.name]!, linear);
    if (outputNorm) loadNorm(loader, { ...outputNorm, norm: input.outputNorm! }, E);
    if (streamNorm) loadNorm(loader, { ...streamNorm, norm: input.streamNorm! }, E);
  }
  const { queryNorm, keyNorm } = block;
  if (queryNorm) loadHeadNorm(loader, queryNorm, loaded.queryNorm);
  if (keyNorm) loadHeadNorm(loader, keyNorm, loaded.keyNorm);
  if (block.convolution) loadConvolution(loader, block.convolution, loaded.convolution!, E);
}

/**
 * Places calibration looks at: the inputs of the fused linear layers, and keys (after RoPE) and values
 * entering the cache.
 */
export type Site = InputName | "k" | "v";

/** Sees f32[M, K] at `x`, rows `stride` elements apart, before it is used. "stop" ends the block there. */
export type Observe = (site: Site, x: Pointer, M: number, K: number, stride: number) => "stop" | void;

/**
 * Multiply-accumulates of one block over M rows that follow `position` others: its linear layers, and
 * attention over what is cached.
 */
export function blockWork({ inputs }: Block, { heads: H, headDim: D }: ModelConfig, M: number, position: number): number {
  const linear = inputs.reduce(
    (sum, { width, modules }) => sum + width * modules.reduce((rows, { outFeatures }) => rows + outFeatures, 0),
    0,
  );
  return M * (linear + 2 * H * D * (position + M));
}

/** Runs a block over the rows of `batch`, f32[M, E] at `buffers.hidden`, updated in place. */
export function forwardBlock(space: Workspace, loaded: LoadedBlock, { rows: M }: Batch, observe?: Observe): void {
  const { kernels, buffers, config } = space;
  const { hidden, normed, projected, attended, activated } = buffers;
  const { hiddenSize: E, parallelResidual } = config;
  const { qkv, o, up, down } = loaded.inputs;
  // Floats that only an int8 layer would read are quantized as they are made, unless somebody looks at them.
  const floats = observe !== undefined;
  const stops = (site: InputName, x: Pointer, K: number) => observe?.(site, x, M, K, K) === "stop";

  makeInput(space, qkv, { hidden, residual: NULL, M, floats });
  measureResidual(space, M);
  if (stops("qkv", normed, E)) return;
  multiply(space, qkv.linear, normed, buffers.qkv, M);
  if (loaded.convolution) convolve(space, loaded.convolution, loaded.cache, M);
  else attendHeads(space, loaded, M, observe);
  scaleInput(space, attended, M, o.linear.inFeatures);
  if (stops("o", attended, o.linear.inFeatures)) return;
  quantizeInput(space, o.linear, attended, M);
  multiply(space, o.linear, attended, projected, M);
  finishBranch(space, o, M);
  if (o.streamNorm) addNormed(space, o.streamNorm, M);

  const isAdded = parallelResidual || o.streamNorm !== undefined;
  if (up) {
    makeInput(space, up, { hidden, residual: isAdded ? NULL : projected, M, floats });
    measureResidual(space, M);
  }
  // The MLP of a parallel block has read what attention read; now the stream may have attention's part.
  if (parallelResidual) kernels.split("add_f32", M, hidden, projected, E);
  if (up) {
    if (stops("up", normed, E)) return;
    multiply(space, up.linear, normed, buffers.up, M);
  }
  activate(space, down.linear, { x: buffers.up, stride: buffers.upStride, M, floats });
  if (stops("down", activated, down.linear.inFeatures)) return;
  multiply(space, down.linear, activated, projected, M);
  finishBranch(space, down, M);
  if (down.streamNorm) addNormed(space, down.streamNorm, M);
  else kernels.split("add_f32", M, hidden, projected, E);
}

/** Makes `buffers.attended` of queries, keys and values in `buffers.qkv`. */
function attendHeads(space: Workspace, loaded: LoadedBlock, M: number, observe: Observe | undefined): void {
  const { block, cache } = loaded;
  normalizeHeads(space, block, loaded, M);
  turn(space, block, M);
  if (observe) observeCache(space, observe, M);
  append(space, cache, M);
  attend(space, cache, block.window, M);
}

/** Hidden = norm(hidden + projected). */
function addNormed(space: Workspace, norm: LoadedNorm, M: number): void {
  const { kernels, buffers, config } = space;
  const { hidden, projected } = buffers;
  kernels.split("add_f32", M, hidden, projected, config.hiddenSize);
  applyNorm(space, norm, hidden, hidden, M);
}

/** Makes what the first linears of attention or MLP read. */
function makeInput(space: Workspace, { norm, linear }: LoadedInput, rows: NormRows): void {
  if (norm) normInput(space, norm, linear, rows);
  else streamInput(space, linear, rows);
}

/** Finishes what attention or MLP gave, `buffers.projected`, before it is added to the residual stream. */
function finishBranch(space: Workspace, { outputNorm }: LoadedInput, M: number): void {
  const { kernels, buffers, config } = space;
  const { projected } = buffers;
  scaleOutput(space, projected, M);
  if (outputNorm) applyNorm(space, outputNorm, projected, projected, M);
  if (config.residualScale !== 1) kernels.split("scale_f32", M, projected, config.hiddenSize, Math.fround(config.residualScale));
}

function observeCache({ buffers, config }: Workspace, observe: Observe, M: number): void {
  const { heads: H, kvHeads: Hkv, headDim: D } = config;
  const k = offsetBy(buffers.qkv, 4 * H * D);
  observe("k", k, M, Hkv * D, buffers.qkvStride);
  observe("v", offsetBy(k, 4 * Hkv * D), M, Hkv * D, buffers.qkvStride);
}
