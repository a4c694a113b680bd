/** Memory for what a forward pass reads and writes beside weights and caches. */
import { type Block, embeddingChannels, INPUT_NAMES, type InputName, widestInput } from "../../architecture/description.ts";
import { NULL, offsetBy } from "../../kernels/pointer.ts";
import { ROW_WORDS } from "../batch.ts";
import type { Buffers } from "./buffers.ts";
import { planHeads } from "../layers/attention.ts";
import { paddedInputs } from "../layers/linear.ts";
import { planLowRankBuffers } from "../layers/low-rank.ts";
import type { Planner } from "./workspace.ts";

/** Smallest group of in_features that shares a scale: 16 elements fill one vector of int8. */
const MIN_GROUP_SIZE = 16;

/** What makes a pass large. */
export interface PassSize {
  /** Rows (tokens) of a pass, at most. */
  readonly rows: number;
  /** The largest rank of any layer's low-rank terms; 0 for none. */
  readonly rank?: number;
  /** Whether weights run in forms that only files of other programs have: the third module is loaded then. */
  readonly keepsWeights?: boolean;
  /** The most out_features of a layer whose input is refined; 0 for none. */
  readonly refined?: number;
}

export function planBuffers(planner: Planner, { rows: maxRows, rank = 0, keepsWeights = false, refined = 0 }: PassSize): Buffers {
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
    rows: f32("row table", ROW_WORDS),
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
