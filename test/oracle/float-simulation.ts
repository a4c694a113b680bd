/**
 * A forward pass in plain TypeScript and double precision, written from the definitions: the oracle for
 * logits.
 *
 * It reads a checkpoint and never packed kernel data. Float layers are multiplied as they are. Quantized
 * layers are simulated: activations are rounded to int8 or an 8-bit float, the head's to 14 bits, and scaled
 * back (DESIGN.md, numerics; docs/decisions/head-input.md); weights are scale * q. It shares no code with
 * `src/model` or `src/kernels`, processes one token after the other, and is as slow as that sounds.
 */
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../src/architecture/model-config.ts";
import type { StoredCachePrecision } from "../../src/model/precision.ts";
import { magnitudes, roundFloat8 } from "./float8.ts";
import { roundHalfEven } from "./round-half-even.ts";
import { type InputQuantization, type Layer, type Linear, loadSimulation, type Simulation } from "./simulated-model.ts";

export interface SimulationOptions {
  /**
   * The head's arithmetic: float, or int8 weights per row with 14-bit activations per token. Default "f32".
   */
  readonly head?: "f32" | "q8";
  /**
   * k and v in the cache: float, int8 with the checkpoint's `k_scale` and `v_scale`, or int8 with a scale for
   * each token and K/V head. Default "f32".
   */
  readonly kCache?: StoredCachePrecision;
  readonly vCache?: StoredCachePrecision;
  /** Tokens a sequence may have, which some kinds of RoPE follow; by default the model's context. */
  readonly contextSize?: number;
  /** Imitates references that stored rotary frequencies rounded. */
  readonly roundFrequency?: (exact: number) => number;
  /** Observes the input of each linear layer and k and v, one row at a time. */
  readonly observe?: (site: "qkv" | "o" | "up" | "down" | "k" | "v", layer: number, row: Float64Array) => void;
}

/** Logits f64[S, V] of every position. */
export async function simulate(
  checkpoint: Checkpoint,
  ids: ArrayLike<number>,
  options: SimulationOptions = {},
): Promise<Float64Array> {
  const model = await loadSimulation(checkpoint, options.head);
  return simulateLogits(model, ids, options);
}

// --- operations

/** x rounded to lowest..highest steps, int8 by default, and scaled back. */
function fakeQuantize(x: Float64Array, scale: number, [lowest, highest] = [-128, 127]): Float64Array {
  return x.map((value) => scale * Math.min(highest, Math.max(lowest, roundHalfEven(value / scale))));
}

/** One head of a token as the cache has it. */
function cached(head: Float64Array, precision: StoredCachePrecision | undefined, scale: number): Float64Array {
  if (precision === "q8") return fakeQuantize(head, scale);
  if (precision === "q4") return fakeQuantize(head, scale, [-8, 7]);
  return precision === "q8t" ? quantizeInput(head, { kind: "dynamic", largest: 127 }) : head;
}

function quantizeInput(x: Float64Array, input: InputQuantization): Float64Array {
  if (input.kind === "none") return x;
  if (input.kind === "function") return input.round(x);
  if (input.kind === "static") return fakeQuantize(x, input.scale, input.bits === 4 ? [-8, 7] : undefined);
  const absmax = x.reduce((high, value) => Math.max(high, Math.abs(value)), 0);
  if (absmax === 0) return x;
  if (input.kind === "dynamic") return fakeQuantize(x, absmax / input.largest, [-input.largest, input.largest]);
  const values = magnitudes(input.kind);
  const scale = absmax / values.at(-1)!;
  return x.map((value) => scale * roundFloat8(value / scale, values));
}

function multiply({ N, K, values, scale, bias, input, lowRank }: Linear, activation: Float64Array): Float64Array {
  const x = quantizeInput(activation, input);
  const groups = scale ? scale.length / N : 1;
  const G = K / groups;
  const y = new Float64Array(N);
  for (let n = 0; n < N; n++) {
    let sum = 0;
    for (let group = 0; group < groups; group++) {
      let dot = 0;
      for (let k = group * G; k < (group + 1) * G; k++) dot += values[n * K + k]! * x[k]!;
      sum += scale ? dot * scale[n * groups + group]! : dot;
    }
    y[n] = sum + (bias ? bias[n]! : 0);
  }
  if (lowRank) {
    const R = lowRank.b.length / N;
    for (let r = 0; r < R; r++) {
      let dot = 0;
      for (let k = 0; k < K; k++) dot += lowRank.a[r * K + k]! * activation[k]!;
      for (let n = 0; n < N; n++) y[n]! += lowRank.b[n * R + r]! * dot;
    }
  }
  return y;
}

function embed({ K, values, scale }: Linear, id: number): Float64Array {
  const row = Float64Array.from(values.subarray(id * K, (id + 1) * K));
  return scale ? row.map((value) => value * scale[id]!) : row;
}

function meanSquare(x: Float64Array): number {
  return x.reduce((sum, value) => sum + value * value, 0) / x.length;
}

function rmsNorm(x: Float64Array, weight: Float32Array, eps: number): Float64Array {
  const root = Math.sqrt(meanSquare(x) + eps);
  return x.map((value, i) => (value / root) * weight[i]!);
}

/** Blocks of `size` elements by the Hadamard matrix of signs (-1)^(bits i and j share), made orthogonal. */
function turned(x: Float64Array, size: number | undefined): Float64Array {
  if (size === undefined) return x;
  const shared = (bits: number): number => (bits === 0 ? 0 : (bits & 1) + shared(bits >> 1));
  return x.map((_, at) => {
    const [block, i] = [at - (at % size), at % size];
    let sum = 0;
    for (let j = 0; j < size; j++) sum += x[block + j]! * (shared(i & j) % 2 === 0 ? 1 : -1);
    return sum / Math.sqrt(size);
  });
}

/**
 * Angular frequency of each of the R/2 pairs, written from the papers: linear interpolation, NTK by length,
 * Llama 3, YaRN, LongRoPE.
 *
 * @param tokens a sequence may have at most
 */
function ropeFrequencies(
  { rotaryDim: R, ropeTheta, ropeScaling: scaling, contextLength }: ModelConfig,
  tokens: number,
): number[] {
  return Array.from({ length: R / 2 }, (_, i) => {
    const frequency = ropeTheta ** ((-2 * i) / R);
    switch (scaling.kind) {
      case "none":
        return frequency;
      case "linear":
        return frequency / scaling.factor;
      case "factors":
        return frequency / scaling.factors[i]!;
      case "longrope":
        return frequency / (tokens > scaling.originalContextLength ? scaling.longFactors : scaling.shortFactors)[i]!;
      case "dynamic": {
        const growth = Math.max(1, scaling.factor * (tokens / contextLength) - (scaling.factor - 1));
        return (ropeTheta * growth ** (R / (R - 2))) ** ((-2 * i) / R);
      }
      case "yarn": {
        // The channel that turns so often in the original context; between two of them a ramp.
        const { factor, originalContextLength, betaFast, betaSlow, truncate } = scaling;
        const channel = (turns: number) =>
          (R / 2) * (Math.log(originalContextLength / (2 * Math.PI * turns)) / Math.log(ropeTheta));
        const begin = Math.max(0, truncate ? Math.floor(channel(betaFast)) : channel(betaFast));
        const end = Math.min(R - 1, truncate ? Math.ceil(channel(betaSlow)) : channel(betaSlow));
        const along = (i - begin) / (end - begin || 0.001);
        const slowed = Math.min(1, Math.max(0, along));
        return frequency * (1 - slowed + slowed / factor);
      }
      case "llama3": {
        // Short waves stay, long waves are stretched, those between are blended.
        const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = scaling;
        const turns = (originalContextLength * frequency) / (2 * Math.PI);
        if (turns > highFreqFactor) return frequency;
        if (turns < lowFreqFactor) return frequency / factor;
        const blend = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
        return (1 - blend) * (frequency / factor) + blend * frequency;
      }
    }
  });
}

/** What turned queries and keys are multiplied by. */
function ropeMagnitude({ ropeScaling: scaling }: ModelConfig): number {
  if (scaling.kind !== "yarn" && scaling.kind !== "longrope") return 1;
  if ("factor" in scaling.attention) return scaling.attention.factor;
  if (scaling.kind === "longrope") {
    return Math.sqrt(1 + Math.max(0, Math.log(scaling.attention.extension)) / Math.log(scaling.originalContextLength));
  }
  const logFactor = Math.max(0, Math.log(scaling.factor));
  return (1 + 0.1 * scaling.attention.mscale * logFactor) / (1 + 0.1 * scaling.attention.mscaleAllDim * logFactor);
}

/** One head, f64[D]: element i and i + R/2 are a pair (Hugging Face order); what is behind R stays. */
function rotate(head: Float64Array, position: number, { frequencies, magnitude }: Rotation): Float64Array {
  const half = frequencies.length;
  const rotated = Float64Array.from(head);
  frequencies.forEach((frequency, i) => {
    const [cos, sin] = [Math.cos(position * frequency), Math.sin(position * frequency)];
    rotated[i] = magnitude * (head[i]! * cos - head[i + half]! * sin);
    rotated[i + half] = magnitude * (head[i + half]! * cos + head[i]! * sin);
  });
  return rotated;
}

interface Rotation {
  readonly frequencies: readonly number[];
  readonly magnitude: number;
}

function softmax(scores: readonly number[]): number[] {
  const largest = Math.max(...scores);
  const exponentials = scores.map((score) => Math.exp(score - largest));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((value) => value / sum);
}

function splitHeads(x: Float64Array, D: number): Float64Array[] {
  return Array.from({ length: x.length / D }, (_, head) => x.slice(head * D, (head + 1) * D));
}

function joinHeads(heads: readonly Float64Array[]): Float64Array {
  return Float64Array.from(heads.flatMap((head) => Array.from(head)));
}

// --- the forward pass

/** Keys and values of one layer: [position][kv head] f64[D]. */
interface Cache {
  readonly k: Float64Array[][];
  readonly v: Float64Array[][];
}

/** Logits f64[S, V] of every position of `ids`. */
export function simulateLogits(model: Simulation, ids: ArrayLike<number>, options: SimulationOptions = {}): Float64Array {
  const { config } = model;
  const exact = ropeFrequencies(config, options.contextSize ?? config.contextLength);
  const rotation = {
    frequencies: exact.map(options.roundFrequency ?? ((frequency) => frequency)),
    magnitude: ropeMagnitude(config),
  };
  const caches = model.layers.map((): Cache => ({ k: [], v: [] }));
  const logits = new Float64Array(ids.length * config.vocabSize);
  for (let position = 0; position < ids.length; position++) {
    const { residualHadamard, downHadamard, residualScaling } = config.online ?? {};
    const unitOf = (x: Float64Array) => (residualScaling ? Math.sqrt(meanSquare(x) + config.rmsNormEps) : 1);
    let hidden = turned(embed(model.embedding, ids[position]!), residualHadamard);
    model.layers.forEach((layer, index) => {
      const unit = unitOf(hidden);
      const attended = attention(config, layer, index, rmsNorm(hidden, layer.attentionNorm, config.rmsNormEps), caches[index]!, position, rotation, { ...options, unit }); // prettier-ignore
      hidden = hidden.map((value, i) => value + attended[i]!);
      const online = { unit: unitOf(hidden), downHadamard };
      const fed = feedForward(layer, index, rmsNorm(hidden, layer.mlpNorm, config.rmsNormEps), { ...options, ...online });
      hidden = hidden.map((value, i) => value + fed[i]!);
    });
    hidden = turned(hidden, residualHadamard);
    logits.set(multiply(model.head, rmsNorm(hidden, model.finalNorm, config.rmsNormEps)), position * config.vocabSize);
  }
  return logits;
}

function attention(
  config: ModelConfig,
  layer: Layer,
  index: number,
  x: Float64Array,
  cache: Cache,
  position: number,
  rotation: Rotation,
  { observe, kCache, vCache, unit }: SimulationOptions & { readonly unit: number },
): Float64Array {
  const { headDim: D, heads, kvHeads, rmsNormEps } = config;
  const normed = (head: Float64Array, norm: Float32Array | undefined) => (norm ? rmsNorm(head, norm, rmsNormEps) : head);
  observe?.("qkv", index, x);
  const q = splitHeads(multiply(layer.q, x), D).map((head) => rotate(normed(head, layer.qNorm), position, rotation));
  const k = splitHeads(multiply(layer.k, x), D).map((head) => rotate(normed(head, layer.kNorm), position, rotation));
  const v = splitHeads(multiply(layer.v, x), D);
  observe?.("k", index, joinHeads(k));
  observe?.("v", index, joinHeads(v));
  cache.k.push(k.map(layer.roundKey ?? ((head) => cached(head, kCache, layer.kScale))));
  cache.v.push(v.map(layer.roundValue ?? ((head) => cached(head, vCache, layer.vScale))));

  const window = config.attentionWindows[index]!;
  const first = window === 0 ? 0 : Math.max(0, position - window + 1);
  const mixed = q.map((query, head) => {
    const kvHead = Math.floor(head / (heads / kvHeads));
    const keys = cache.k.slice(first).map((token) => token[kvHead]!);
    const values = cache.v.slice(first).map((token) => token[kvHead]!);
    const weights = softmax(keys.map((key) => key.reduce((dot, value, d) => dot + value * query[d]!, 0) / Math.sqrt(D)));
    const sum = new Float64Array(D);
    values.forEach((value, token) => value.forEach((element, d) => (sum[d]! += weights[token]! * element)));
    return sum;
  });
  const joined = joinHeads(mixed).map((value) => value / unit);
  observe?.("o", index, joined);
  return multiply(layer.o, joined).map((value) => value * unit);
}

function feedForward(
  layer: Layer,
  index: number,
  x: Float64Array,
  { observe, unit, downHadamard }: SimulationOptions & { readonly unit: number; readonly downHadamard: number | undefined },
): Float64Array {
  observe?.("up", index, x);
  const up = multiply(layer.up, x);
  const activated = multiply(layer.gate, x).map((gate, i) => (gate / (1 + Math.exp(-gate))) * up[i]!);
  const input = turned(activated, downHadamard).map((value) => value / unit);
  observe?.("down", index, input);
  return multiply(layer.down, input).map((value) => value * unit);
}
