/**
 * A checkpoint in memory for the oracle: weights as they are stored, decoded by the rules of the format and
 * nothing else.
 */
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import type { ActivationQuantization } from "../../src/checkpoint/quantization/quantization-config.ts";
import type { ModelConfig } from "../../src/architecture/model-config.ts";
import { roundHalfEven } from "./round-half-even.ts";

/** y[n] = sum_k w[n, k] x[k] + bias[n], with w[n, k] = values[n * K + k] * scale[n, k / G]. */
export interface Linear {
  readonly N: number;
  readonly K: number;
  readonly values: Float32Array | Int8Array;
  /** Absent for float weights. */
  readonly scale: Float32Array | undefined;
  readonly bias: Float32Array | undefined;
  readonly input: InputQuantization;
  /** Adds B (A x) of the input as it was before it was quantized: A f32[R, K], B f32[N, R]. */
  readonly lowRank?: { readonly a: Float32Array; readonly b: Float32Array } | undefined;
}

/** "dynamic": per token, to -largest..largest; "static": to -128..127, or -8..7 where bits are 4. */
export type InputQuantization =
  | { kind: "none" | "fp8" | "fp8-e5m2" }
  /** Whatever a test wants of it. */
  | { kind: "function"; round: (x: Float64Array) => Float64Array }
  | { kind: "dynamic"; largest: 127 | 8191 }
  | { kind: "static"; scale: number; bits?: 4 | 8 };

export interface Layer {
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
  /** In place of what the cache's precision does to a head. */
  readonly roundKey?: (head: Float64Array) => Float64Array;
  readonly roundValue?: (head: Float64Array) => Float64Array;
}

export interface Simulation {
  readonly config: ModelConfig;
  readonly embedding: Linear;
  readonly layers: readonly Layer[];
  readonly finalNorm: Float32Array;
  readonly head: Linear;
}

/** @param head "q8": int8 rows, which quantize their input per token, to 14 bits */
export async function loadSimulation(checkpoint: Checkpoint, head: "f32" | "q8" = "f32"): Promise<Simulation> {
  const { config, tensors } = checkpoint;
  const optional = async (name: string) => (tensors.has(name) ? await checkpoint.readF32(name) : undefined);
  const scalar = async (name: string) => (await optional(name))?.[0] ?? Number.NaN;

  const inputOf = async (module: string, activations: ActivationQuantization): Promise<InputQuantization> => {
    const { kind } = activations;
    if (kind === "static") return { kind, scale: await scalar(`${module}.input_scale`), bits: activations.bits ?? 8 };
    return kind === "dynamic" ? { kind, largest: 127 } : { kind };
  };
  const linear = async (module: string): Promise<Linear> => {
    const bias = await optional(`${module}.bias`);
    const scheme = checkpoint.quantization?.linear(module);
    if (!tensors.has(`${module}.weight_packed`)) {
      const [N, K] = tensors.get(`${module}.weight`)!.shape as [number, number];
      const input = await inputOf(module, checkpoint.quantization?.floatLinearInput?.(module) ?? { kind: "none" });
      return { N, K, values: await checkpoint.readF32(`${module}.weight`), scale: undefined, bias, input };
    }
    const [N, K] = readShape(await checkpoint.readRaw(`${module}.weight_shape`));
    const words = await checkpoint.readRaw(`${module}.weight_packed`);
    if (scheme!.weights === "int4m") {
      const levels = {
        scales: await checkpoint.readRaw(`${module}.weight_scale`),
        minima: await checkpoint.readRaw(`${module}.weight_minimum`),
        multipliers: await checkpoint.readF32(`${module}.weight_multiplier`),
      };
      const input = await inputOf(module, scheme!.activations);
      return { N, K, values: decodeTwoLevels(words, levels, K), scale: undefined, bias, input };
    }
    const values = rowsOf(decodePacked(words, scheme!.weights), N, K);
    const scale = await checkpoint.readF32(`${module}.weight_scale`);
    const input = await inputOf(module, scheme!.activations);
    const [a, b] = [await optional(`${module}.lora_A.weight`), await optional(`${module}.lora_B.weight`)];
    return { N, K, values, scale, bias, input, lowRank: a && b && { a, b } };
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
    head:
      head === "q8"
        ? { ...int8Rows(headWeight), input: { kind: "dynamic", largest: 8191 } }
        : { ...headWeight, input: { kind: "none" } },
  };
}

/** `weight_shape`: two little-endian int64. */
function readShape(bytes: Uint8Array): [number, number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return [Number(view.getBigInt64(0, true)), Number(view.getBigInt64(8, true))];
}

/** Each row without what its last word has too many. */
function rowsOf<T extends Int8Array | Float32Array>(values: T, N: number, K: number): T {
  const padded = values.length / N;
  return padded === K ? values : (values.filter((_, i) => i % padded < K) as T);
}

/**
 * `weight_packed` by the rule of compressed-tensors: code u = q + 2^(b-1), or E2M1, element i of the tensor
 * at bit i * b.
 */
export function decodePacked(bytes: Uint8Array, type: "int4" | "fp4" | "int8"): Int8Array | Float32Array {
  if (type === "int8") return Int8Array.from(bytes, (u) => u - 128);
  const codes = Int8Array.from({ length: bytes.length * 2 }, (_, i) => (bytes[i >> 1]! >> (4 * (i & 1))) & 15);
  return type === "int4" ? codes.map((u) => u - 8) : Float32Array.from(codes, decodeE2m1);
}

/** w = d sc u - dmin mn, by the drawing of the format: groups of 32, multipliers in equal parts of a row. */
export function decodeTwoLevels(
  bytes: Uint8Array,
  levels: { readonly scales: Uint8Array; readonly minima: Uint8Array; readonly multipliers: Float32Array },
  K: number,
): Float32Array {
  const rows = (bytes.length * 2) / K;
  const B = (2 * rows * K) / levels.multipliers.length;
  return Float32Array.from({ length: rows * K }, (_, i) => {
    const u = (bytes[i >> 1]! >> (4 * (i & 1))) & 15;
    const [group, block] = [Math.floor(i / 32), Math.floor(i / B)];
    const [d, dmin] = [levels.multipliers[2 * block]!, levels.multipliers[2 * block + 1]!];
    return d * levels.scales[group]! * u - dmin * levels.minima[group]!;
  });
}

/** Sign, two bits of exponent with bias 1, one of mantissa; no implicit one where the exponent is 0. */
function decodeE2m1(code: number): number {
  const [exponent, mantissa] = [(code >> 1) & 3, code & 1];
  const magnitude = exponent === 0 ? mantissa / 2 : 2 ** (exponent - 1) * (1 + mantissa / 2);
  return code & 8 ? -magnitude : magnitude;
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
