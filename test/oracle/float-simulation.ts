/**
 * A forward pass in plain TypeScript and double precision, written from the definitions: the oracle for logits.
 *
 * It reads a checkpoint and never packed kernel data. Float layers are multiplied as they are. Quantized layers are simulated:
 * activations are rounded to int8 and scaled back (DESIGN.md, numerics), weights are scale * q.
 * It shares no code with `src/model` or `src/kernels`, processes one token after the other, and is as slow as that sounds.
 */
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";

export interface SimulationOptions {
  /** The head's arithmetic: float, or int8 weights per row with int8 activations per token. Default "f32". */
  readonly head?: "f32" | "q8";
  /** k and v in the cache: float, or int8 with the checkpoint's `k_scale` and `v_scale`. Default "f32". */
  readonly kCache?: "f32" | "q8";
  readonly vCache?: "f32" | "q8";
  /** Imitates references that stored rotary frequencies rounded. */
  readonly roundFrequency?: (exact: number) => number;
  /** Observes the input of each linear layer and k and v, one row at a time. */
  readonly observe?: (site: "qkv" | "o" | "gate_up" | "down" | "k" | "v", layer: number, row: Float64Array) => void;
}

/** Logits f64[S, V] of every position. */
export async function simulate(
  checkpoint: Checkpoint,
  ids: ArrayLike<number>,
  options: SimulationOptions = {},
): Promise<Float64Array> {
  const model = await loadSimulation(checkpoint, options);
  return simulateLogits(model, ids, options);
}

// --- the model as it is stored ---------------------------------------------------------------------------------------------

/** y[n] = sum_k w[n, k] x[k] + bias[n], with w[n, k] = values[n * K + k] * scale[n, k / G]. */
interface Linear {
  readonly N: number;
  readonly K: number;
  readonly values: Float32Array | Int8Array;
  /** Absent for float weights. */
  readonly scale: Float32Array | undefined;
  readonly bias: Float32Array | undefined;
  readonly input: InputQuantization;
}

type InputQuantization = { kind: "none" } | { kind: "dynamic" } | { kind: "static"; scale: number };

interface Layer {
  readonly attentionNorm: Float32Array;
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly qNorm: Float32Array | undefined;
  readonly kNorm: Float32Array | undefined;
  readonly o: Linear;
  readonly mlpNorm: Float32Array;
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;
  readonly kScale: number;
  readonly vScale: number;
}

export interface Simulation {
  readonly config: ModelConfig;
  readonly embedding: Linear;
  readonly layers: readonly Layer[];
  readonly finalNorm: Float32Array;
  readonly head: Linear;
}

export async function loadSimulation(checkpoint: Checkpoint, { head = "f32" }: SimulationOptions = {}): Promise<Simulation> {
  const { config, tensors } = checkpoint;
  const optional = async (name: string) => (tensors.has(name) ? await checkpoint.readF32(name) : undefined);
  const scalar = async (name: string) => (await optional(name))?.[0] ?? Number.NaN;

  const linear = async (module: string): Promise<Linear> => {
    const bias = await optional(`${module}.bias`);
    const scheme = checkpoint.quantization?.linear(module);
    if (!tensors.has(`${module}.weight_packed`)) {
      const [N, K] = tensors.get(`${module}.weight`)!.shape as [number, number];
      return { N, K, values: await checkpoint.readF32(`${module}.weight`), scale: undefined, bias, input: { kind: "none" } };
    }
    const [N, K] = readShape(await checkpoint.readRaw(`${module}.weight_shape`));
    const values = decodePacked(await checkpoint.readRaw(`${module}.weight_packed`), scheme!.numBits);
    const scale = await checkpoint.readF32(`${module}.weight_scale`);
    const { kind } = scheme!.activations;
    const input = kind === "static" ? { kind, scale: await scalar(`${module}.input_scale`) } : { kind };
    return { N, K, values, scale, bias, input };
  };

  const layers: Layer[] = [];
  for (let index = 0; index < config.layers; index++) {
    const block = `model.layers.${index}`;
    layers.push({
      attentionNorm: await checkpoint.readF32(`${block}.input_layernorm.weight`),
      q: await linear(`${block}.self_attn.q_proj`),
      k: await linear(`${block}.self_attn.k_proj`),
      v: await linear(`${block}.self_attn.v_proj`),
      qNorm: await optional(`${block}.self_attn.q_norm.weight`),
      kNorm: await optional(`${block}.self_attn.k_norm.weight`),
      o: await linear(`${block}.self_attn.o_proj`),
      mlpNorm: await checkpoint.readF32(`${block}.post_attention_layernorm.weight`),
      gate: await linear(`${block}.mlp.gate_proj`),
      up: await linear(`${block}.mlp.up_proj`),
      down: await linear(`${block}.mlp.down_proj`),
      kScale: await scalar(`${block}.self_attn.k_scale`),
      vScale: await scalar(`${block}.self_attn.v_scale`),
    });
  }
  const embedding = await linear("model.embed_tokens");
  const headWeight = config.tiedEmbedding ? embedding : await linear("lm_head");
  return {
    config,
    embedding,
    layers,
    finalNorm: await checkpoint.readF32("model.norm.weight"),
    head: head === "q8" ? { ...int8Rows(headWeight), input: { kind: "dynamic" } } : { ...headWeight, input: { kind: "none" } },
  };
}

/** `weight_shape`: two little-endian int64. */
function readShape(bytes: Uint8Array): [number, number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return [Number(view.getBigInt64(0, true)), Number(view.getBigInt64(8, true))];
}

/** `weight_packed` by the rule of compressed-tensors: code u = q + 2^(b-1), element i of the tensor at bit i * b. */
function decodePacked(bytes: Uint8Array, bits: 4 | 8): Int8Array {
  if (bits === 8) return Int8Array.from(bytes, (u) => u - 128);
  return Int8Array.from({ length: bytes.length * 2 }, (_, i) => ((bytes[i >> 1]! >> (4 * (i & 1))) & 15) - 8);
}

/** int8 per row, scale = absmax / 127; as it is if it is stored so already. */
function int8Rows(weight: Linear): Linear {
  if (weight.scale) return weight;
  const { N, K, values } = weight;
  const scale = new Float32Array(N);
  const codes = new Int8Array(N * K);
  for (let n = 0; n < N; n++) {
    const row = values.subarray(n * K, (n + 1) * K);
    const absmax = Math.max(...row.map(Math.abs));
    scale[n] = absmax / 127 || 1;
    row.forEach((value, k) => (codes[n * K + k] = roundHalfEven(Math.fround(value / scale[n]!))));
  }
  return { ...weight, values: codes, scale };
}

// --- operations ------------------------------------------------------------------------------------------------------------

export function roundHalfEven(x: number): number {
  const below = Math.floor(x);
  const fraction = x - below;
  if (fraction === 0.5) return below % 2 === 0 ? below : below + 1;
  return fraction < 0.5 ? below : below + 1;
}

/** x rounded to int8 and scaled back. */
function fakeQuantize(x: Float64Array, scale: number): Float64Array {
  return x.map((value) => scale * Math.min(127, Math.max(-127, roundHalfEven(value / scale))));
}

function quantizeInput(x: Float64Array, input: InputQuantization): Float64Array {
  if (input.kind === "none") return x;
  if (input.kind === "static") return fakeQuantize(x, input.scale);
  const absmax = x.reduce((high, value) => Math.max(high, Math.abs(value)), 0);
  return absmax === 0 ? x : fakeQuantize(x, absmax / 127);
}

function multiply({ N, K, values, scale, bias, input }: Linear, activation: Float64Array): Float64Array {
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
  return y;
}

function embed({ K, values, scale }: Linear, id: number): Float64Array {
  const row = Float64Array.from(values.subarray(id * K, (id + 1) * K));
  return scale ? row.map((value) => value * scale[id]!) : row;
}

function rmsNorm(x: Float64Array, weight: Float32Array, eps: number): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / x.length;
  return x.map((value, i) => (value / Math.sqrt(meanSquare + eps)) * weight[i]!);
}

/** Angular frequency of each of the D/2 pairs. */
function ropeFrequencies({ headDim, ropeTheta, ropeScaling }: ModelConfig): number[] {
  return Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = ropeTheta ** ((-2 * i) / headDim);
    switch (ropeScaling.kind) {
      case "none":
        return frequency;
      case "linear":
        return frequency / ropeScaling.factor;
      case "factors":
        return frequency / ropeScaling.factors[i]!;
      case "llama3": {
        // Short waves stay, long waves are stretched, those between are blended.
        const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = ropeScaling;
        const turns = (originalContextLength * frequency) / (2 * Math.PI);
        if (turns > highFreqFactor) return frequency;
        if (turns < lowFreqFactor) return frequency / factor;
        const blend = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
        return (1 - blend) * (frequency / factor) + blend * frequency;
      }
    }
  });
}

/** One head, f64[D]: element i and i + D/2 are a pair (Hugging Face order). */
function rotate(head: Float64Array, position: number, frequencies: readonly number[]): Float64Array {
  const half = frequencies.length;
  const rotated = new Float64Array(2 * half);
  frequencies.forEach((frequency, i) => {
    const [cos, sin] = [Math.cos(position * frequency), Math.sin(position * frequency)];
    rotated[i] = head[i]! * cos - head[i + half]! * sin;
    rotated[i + half] = head[i + half]! * cos + head[i]! * sin;
  });
  return rotated;
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

// --- the forward pass ------------------------------------------------------------------------------------------------------

/** Keys and values of one layer: [position][kv head] f64[D]. */
interface Cache {
  readonly k: Float64Array[][];
  readonly v: Float64Array[][];
}

/** Logits f64[S, V] of every position of `ids`. */
export function simulateLogits(model: Simulation, ids: ArrayLike<number>, options: SimulationOptions = {}): Float64Array {
  const { config } = model;
  const frequencies = ropeFrequencies(config).map(options.roundFrequency ?? ((exact) => exact));
  const caches = model.layers.map((): Cache => ({ k: [], v: [] }));
  const logits = new Float64Array(ids.length * config.vocabSize);
  for (let position = 0; position < ids.length; position++) {
    let hidden = embed(model.embedding, ids[position]!);
    model.layers.forEach((layer, index) => {
      const attended = attention(config, layer, index, rmsNorm(hidden, layer.attentionNorm, config.rmsNormEps), caches[index]!, position, frequencies, options); // prettier-ignore
      hidden = hidden.map((value, i) => value + attended[i]!);
      const fed = feedForward(layer, index, rmsNorm(hidden, layer.mlpNorm, config.rmsNormEps), options);
      hidden = hidden.map((value, i) => value + fed[i]!);
    });
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
  frequencies: readonly number[],
  { observe, kCache, vCache }: SimulationOptions,
): Float64Array {
  const { headDim: D, heads, kvHeads, rmsNormEps } = config;
  const normed = (head: Float64Array, norm: Float32Array | undefined) => (norm ? rmsNorm(head, norm, rmsNormEps) : head);
  observe?.("qkv", index, x);
  const q = splitHeads(multiply(layer.q, x), D).map((head) => rotate(normed(head, layer.qNorm), position, frequencies));
  const k = splitHeads(multiply(layer.k, x), D).map((head) => rotate(normed(head, layer.kNorm), position, frequencies));
  const v = splitHeads(multiply(layer.v, x), D);
  observe?.("k", index, joinHeads(k));
  observe?.("v", index, joinHeads(v));
  cache.k.push(kCache === "q8" ? k.map((head) => fakeQuantize(head, layer.kScale)) : k);
  cache.v.push(vCache === "q8" ? v.map((head) => fakeQuantize(head, layer.vScale)) : v);

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
  const joined = joinHeads(mixed);
  observe?.("o", index, joined);
  return multiply(layer.o, joined);
}

function feedForward(layer: Layer, index: number, x: Float64Array, { observe }: SimulationOptions): Float64Array {
  observe?.("gate_up", index, x);
  const up = multiply(layer.up, x);
  const activated = multiply(layer.gate, x).map((gate, i) => (gate / (1 + Math.exp(-gate))) * up[i]!);
  observe?.("down", index, activated);
  return multiply(layer.down, activated);
}
