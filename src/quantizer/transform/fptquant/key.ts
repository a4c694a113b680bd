/**
 * T_k, a scale and a rotation of each pair of key channels that RoPE turns together (FPTQuant): read as
 * complex numbers, keys are multiplied by s e^(i phi), queries by e^(i phi) / s, and both commute with RoPE.
 *
 *   a' = s (cos a - sin b)    b' = s (sin a + cos b)     rows of a pair of k: c and c + R/2, or 2c and 2c + 1
 *   the same with 1/s                                    in q, for every query head of the key head
 *
 * and their biases. Pairs of different frequency cannot mix. Channels that do not turn have a scale each.
 * Where norms lie between, rows cannot carry it. The gains of the norms can carry scales: one for all heads
 * (Qwen3), or one for each (OLMo 2).
 *
 *   tau = tan(phi / 2): cos = (1 - tau^2) / (1 + tau^2), sin = 2 tau / (1 + tau^2)
 *   dL/dlog s = (g_a . a' + g_b . b') of k - the same of q
 *   dL/dphi   = (g_b . a' - g_a . b') of k + the same of q
 */
import type { Block } from "../../../architecture/description.ts";
import type { ModelConfig } from "../../../architecture/model-config.ts";
import { inputOf, partsOfRows } from "../block-modules.ts";
import { denseBlocks, type SideMatrix } from "../side-matrix.ts";
import type { ModuleTransform, Transform } from "../transform.ts";
import { boundedScale, boundedScaleArgument, boundedScaleSlope, centered, type Sides, type TunableTransform } from "./tunable.ts";

/** What a transform of keys is made of, for each key head: one for all of them where gains carry it. */
export interface KeyTurns {
  readonly scales: Float32Array; // f32[heads, D], alike in both halves of a pair
  /** cos and sin of phi, f64[heads, R/2]; undefined for no rotation. */
  readonly turns?: { readonly cos: Float64Array; readonly sin: Float64Array } | undefined;
}

/** Which channels of a head of D are a pair: the first R of them, 0 where none turn. */
interface Shape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number; // D
  readonly rotaryDim: number; // R
  readonly rotaryPairs: ModelConfig["rotaryPairs"];
}

/** As a layer has it; heads are one of each where gains carry scales of all heads. */
function shapeOf({ heads, kvHeads, headDim, rotaryDim: R, rotaryPairs, qkNorm }: ModelConfig, { rope }: Block): Shape {
  const rotaryDim = rope === undefined ? 0 : R;
  return { ...(qkNorm === "head" ? { heads: 1, kvHeads: 1 } : { heads, kvHeads }), headDim, rotaryDim, rotaryPairs };
}

/** Channels of a pair. */
function channelsOf({ rotaryDim, rotaryPairs }: Shape, pair: number): readonly [number, number] {
  return rotaryPairs === "neighbours" ? [2 * pair, 2 * pair + 1] : [pair, pair + rotaryDim / 2];
}

/** Which scale of a head a channel has: pairs first, then channels that do not turn. */
function slotOf({ rotaryDim, rotaryPairs }: Shape, channel: number): number {
  if (channel >= rotaryDim) return channel - rotaryDim / 2;
  return rotaryPairs === "neighbours" ? channel >> 1 : channel % (rotaryDim / 2);
}

/** The transform of one layer. */
export function keyTransform(config: ModelConfig, block: Block, { scales, turns }: KeyTurns): Transform {
  if (config.qkNorm !== "none") return gainTransform(config, block, scales);
  const shape = shapeOf(config, block);
  const { heads: H, kvHeads: Hkv, headDim: D } = config;
  const { modules } = inputOf(block, "qkv");
  const changed = new Map<string, ModuleTransform>();
  for (const [firstHead, heads] of [
    [0, H],
    [H, Hkv],
  ] as const) {
    const isKey = firstHead > 0;
    const keyHead = (head: number) => (isKey ? head : Math.floor(head / (H / Hkv)));
    for (const { module, row, from, to } of partsOfRows(modules, firstHead * D, heads * D)) {
      const before = changed.get(module.name);
      const rows = before?.rows ?? new Float32Array(module.outFeatures).fill(1);
      for (let c = from; c < to; c++) {
        const scale = scales[keyHead(Math.floor(c / D)) * D + (c % D)]!;
        rows[row + c - from] = isKey ? scale : 1 / scale;
      }
      const ofHead = (_: unknown, i: number) => rotation(shape, turns!, keyHead(from / D + i));
      const matrices = turns && [denseBlocks(row, D, Array.from({ length: (to - from) / D }, ofHead))];
      const rowMatrices: SideMatrix[] = [...(before?.rowMatrices ?? []), ...(matrices ?? [])];
      changed.set(module.name, { rows, ...(rowMatrices.length > 0 && { rowMatrices }) });
    }
  }
  return { modules: changed, norms: new Map() };
}

/** Gains have as many elements as there are scales, of queries as many as their heads need. */
function gainTransform({ headDim: D }: ModelConfig, { queryNorm, keyNorm }: Block, scales: Float32Array): Transform {
  const group = queryNorm!.width / scales.length;
  const ofQueries = Float32Array.from({ length: queryNorm!.width }, (_, c) => scales[Math.floor(c / D / group) * D + (c % D)]!);
  const norms = new Map([
    [queryNorm!.weights[0]!.tensor, ofQueries],
    [keyNorm!.weights[0]!.tensor, scales.map((scale) => 1 / scale)],
  ]);
  return { modules: new Map(), norms };
}

/** A head's rotation as v M, M = f64[D, D]. */
function rotation(shape: Shape, { cos, sin }: NonNullable<KeyTurns["turns"]>, head: number): Float64Array {
  const { headDim: D, rotaryDim } = shape;
  const half = rotaryDim / 2;
  const M = new Float64Array(D * D);
  for (let c = 0; c < D; c++) M[c * D + c] = 1;
  for (let pair = 0; pair < half; pair++) {
    const [[a, b], at] = [channelsOf(shape, pair), head * half + pair];
    M[a * D + a] = M[b * D + b] = cos[at]!;
    M[a * D + b] = sin[at]!;
    M[b * D + a] = -sin[at]!;
  }
  return M;
}

/**
 * Parameters: for each head R/2 scales of pairs and D - R of single channels, then for each head R/2 tangents
 * of half the angle, none where gains carry the scales.
 */
export class KeyTurn implements TunableTransform {
  readonly name: string;
  readonly N: number;
  readonly K = 0;
  readonly parameters: Float64Array;
  readonly #config: ModelConfig;
  readonly #block: Block;
  /** As the sides have them: one head of gains each where norms carry the scales. */
  readonly #shape: Shape;
  readonly #scales: number;

  /**
   * @param absmax of keys as they enter the cache, f32[Hkv * D]; that all fill its range alike is where it
   *   starts
   */
  constructor(config: ModelConfig, block: Block, absmax: Float32Array) {
    this.name = `${block.name}: transform "key"`;
    this.#config = config;
    this.#block = block;
    this.#shape = shapeOf(config, block);
    const { heads, kvHeads, headDim: D, rotaryDim } = this.#shape;
    this.N = (heads + kvHeads) * D;
    const own = D - rotaryDim / 2;
    this.#scales = kvHeads * own;
    this.parameters = new Float64Array(this.#scales + (config.qkNorm === "none" ? (kvHeads * rotaryDim) / 2 : 0));
    const peaks = new Float64Array(this.#scales);
    for (const [c, value] of absmax.entries()) {
      const at = (Math.floor(c / D) % kvHeads) * own + slotOf(this.#shape, c % D);
      peaks[at] = Math.max(peaks[at]!, value);
    }
    this.parameters.set(centered(peaks).map((peak) => boundedScaleArgument(1 / peak)));
  }

  #scale(head: number, channel: number): number {
    const { headDim: D, rotaryDim } = this.#shape;
    return boundedScale(this.parameters[head * (D - rotaryDim / 2) + slotOf(this.#shape, channel)]!);
  }

  /** cos and sin of a head's pair. */
  #turn(head: number, pair: number): readonly [number, number] {
    if (this.parameters.length === this.#scales) return [1, 0];
    const tau = this.parameters[this.#scales + (head * this.#shape.rotaryDim) / 2 + pair]!;
    const square = tau * tau;
    return [(1 - square) / (1 + square), (2 * tau) / (1 + square)];
  }

  merge({ rows, columns }: Sides): Sides {
    const { heads: H, kvHeads: Hkv, headDim: D, rotaryDim } = this.#shape;
    const [n, half] = [rows.length / this.N, rotaryDim / 2];
    const merged = rows.slice();
    for (let head = 0; head < H + Hkv; head++) {
      const keyHead = head < H ? Math.floor(head / (H / Hkv)) : head - H;
      const scaleOf = (c: number) => (head < H ? 1 / this.#scale(keyHead, c) : this.#scale(keyHead, c));
      for (let pair = 0; pair < half; pair++) {
        const [a, b] = channelsOf(this.#shape, pair).map((c) => (head * D + c) * n) as [number, number];
        const [cos, sin] = this.#turn(keyHead, pair);
        const scale = scaleOf(channelsOf(this.#shape, pair)[0]);
        for (let i = 0; i < n; i++) {
          merged[a + i] = scale * (cos * rows[a + i]! - sin * rows[b + i]!);
          merged[b + i] = scale * (sin * rows[a + i]! + cos * rows[b + i]!);
        }
      }
      for (let c = rotaryDim; c < D; c++) {
        const [at, scale] = [(head * D + c) * n, scaleOf(c)];
        for (let i = at; i < at + n; i++) merged[i] = scale * rows[i]!;
      }
    }
    return { rows: merged, columns };
  }

  gradient(_: Sides, { rows }: Sides, { rows: g }: Sides): Float64Array {
    const { heads: H, kvHeads: Hkv, headDim: D, rotaryDim } = this.#shape;
    const [n, half, own] = [rows.length / this.N, rotaryDim / 2, D - rotaryDim / 2];
    const result = new Float64Array(this.parameters.length);
    const turns = this.parameters.length > this.#scales;
    for (let head = 0; head < H + Hkv; head++) {
      const keyHead = head < H ? Math.floor(head / (H / Hkv)) : head - H;
      const sign = head < H ? -1 : 1;
      for (let c = 0; c < D; c++) {
        const at = (head * D + c) * n;
        let sum = 0;
        for (let i = at; i < at + n; i++) sum += g[i]! * rows[i]!;
        result[keyHead * own + slotOf(this.#shape, c)]! += sign * sum;
      }
      for (let pair = 0; pair < (turns ? half : 0); pair++) {
        const [a, b] = channelsOf(this.#shape, pair).map((c) => (head * D + c) * n) as [number, number];
        let sum = 0;
        for (let i = 0; i < n; i++) sum += g[b + i]! * rows[a + i]! - g[a + i]! * rows[b + i]!;
        result[this.#scales + keyHead * half + pair]! += sum;
      }
    }
    return result.map((value, i) => {
      const x = this.parameters[i]!;
      return value * (i < this.#scales ? boundedScaleSlope(x) : 2 / (1 + x * x));
    });
  }

  transform(): Transform {
    const { kvHeads: Hkv, headDim: D, rotaryDim } = this.#shape;
    const half = rotaryDim / 2;
    const scales = Float32Array.from({ length: Hkv * D }, (_, c) => this.#scale(Math.floor(c / D), c % D));
    const turned = this.parameters.subarray(this.#scales).some((tau) => tau !== 0);
    const turn = (part: 0 | 1) =>
      Float64Array.from({ length: Hkv * half }, (_, i) => this.#turn(Math.floor(i / half), i % half)[part]);
    return keyTransform(this.#config, this.#block, { scales, turns: turned ? { cos: turn(0), sin: turn(1) } : undefined });
  }
}
