/**
 * A tiny model whose linear layers are stored as GPTQ, AWQ or compressed-tensors store integers, written here
 * code by code from what those formats say of each, and the weights that they stand for.
 */
import { encodeBF16, encodeF16 } from "../../../src/checkpoint/formats/float-formats.ts";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { encodeSafetensors, type TensorPlan } from "../../../src/checkpoint/safetensors/safetensors-layout.ts";
import { linearModules } from "../../linear-modules.ts";
import type { MemoryFolder } from "../../memory-folder.ts";
import { mulberry32 } from "../../random.ts";
import { tinyModel, type TinyModelOptions } from "../../tiny-model.ts";

export interface IntegerKind {
  readonly method: "gptq" | "gptq_v2" | "awq" | "pack-quantized" | "int-quantized";
  readonly bits: 4 | 8;
  /** Columns of a group; "channel", "tensor". */
  readonly groupSize: number | "channel" | "tensor";
  readonly symmetric: boolean;
  /** Whether columns belong to groups in no order. */
  readonly anyOrder?: boolean;
  readonly scaleType?: "F16" | "BF16" | "F32";
  readonly activations?: "none" | "dynamic" | "static";
}

/** w[n, k] = scales[n, groupOf[k]] * (codes[n, k] - zeros[n, groupOf[k]]), codes and zeros from 0 up. */
export interface IntegerWeights {
  readonly N: number;
  readonly K: number;
  readonly groups: number;
  readonly codes: Uint8Array;
  readonly zeros: Uint8Array;
  readonly scales: Float32Array;
  readonly groupOf: Int32Array;
  /** [N, K] */
  readonly values: Float32Array;
}

export interface StoredTensor {
  readonly plan: TensorPlan;
  readonly data: ArrayBufferView;
}

/** Changes a folder's tensors before they are written. */
type Change = (tensors: Map<string, StoredTensor>) => void;

/** Short for what a test is about. */
export function kindName({
  method,
  bits,
  groupSize,
  symmetric,
  anyOrder = false,
  scaleType = "F16",
  activations,
}: IntegerKind): string {
  const parts = [method, `${bits} bits`, `groups ${groupSize}`, symmetric ? "symmetric" : "zero points", scaleType];
  return [...parts, ...(anyOrder ? ["any order"] : []), ...(activations ? [`${activations} activations`] : [])].join(", ");
}

export async function integerFolder(kind: IntegerKind, seed: number, options: TinyModelOptions = {}, change?: Change) {
  const random = mulberry32(seed);
  const folder = tinyModel(seed, options);
  const source = await openSafetensorsCheckpoint(folder);
  const names = new Set(linearModules(source.config).map(({ name }) => name));
  const tensors = new Map<string, StoredTensor>();
  const weights = new Map<string, IntegerWeights>();
  const set = (name: string, type: TensorPlan["type"], shape: readonly number[], data: ArrayBufferView) =>
    tensors.set(name, { plan: { name, type, shape }, data });
  for (const { name, shape } of source.tensors.values()) {
    const module = name.replace(/\.weight$/, "");
    if (!names.has(module)) {
      set(name, "F32", shape, await source.readF32(name));
      continue;
    }
    const drawn = drawWeights(kind, shape as [number, number], random);
    weights.set(module, drawn);
    store(kind, module, drawn, set);
  }
  change?.(tensors);
  const stored = [...tensors.values()];
  folder.set("model.safetensors", encodeSafetensors(stored.map(({ plan }) => plan), stored.map(({ data }) => data))); // prettier-ignore
  const json = { ...folder.json("config.json"), quantization_config: configOf(kind) };
  folder.set("config.json", JSON.stringify(json));
  await source.close();
  return { folder: folder as MemoryFolder, weights };
}

/** Codes of all values; zero points near the middle, some at an end. Weights are about 1/sqrt(K). */
function drawWeights(kind: IntegerKind, [N, K]: [number, number], random: () => number): IntegerWeights {
  const { bits, groupSize, symmetric, scaleType = "F16" } = kind;
  const isTensor = groupSize === "tensor";
  const G = typeof groupSize === "number" ? groupSize : K;
  const groups = K / G;
  const [count, middle] = [2 ** bits, 2 ** (bits - 1)];
  const codes = Uint8Array.from({ length: N * K }, () => count * random());
  const perScale = isTensor ? 1 : N * groups;
  const round = { F32: (v: Float32Array) => v, F16: roundTo(encodeF16, 16), BF16: roundTo(encodeBF16, 16) }[scaleType];
  const drawn = round(
    Float32Array.from({ length: perScale }, () => (0.5 + random()) / (middle * Math.sqrt(K))),
    scaleType,
  );
  const zero = () =>
    symmetric ? middle : !isTensor && random() < 0.1 ? (random() < 0.5 ? 0 : count - 1) : middle - 3 + Math.floor(7 * random());
  const drawnZeros = Uint8Array.from({ length: perScale }, zero);
  const at = (i: number) => (isTensor ? 0 : i);
  const scales = Float32Array.from({ length: N * groups }, (_, i) => drawn[at(i)]!);
  const zeros = Uint8Array.from({ length: N * groups }, (_, i) => drawnZeros[at(i)]!);
  const groupOf = Int32Array.from({ length: K }, (_, k) => Math.floor(k / G));
  if (kind.anyOrder) for (let k = K - 1; k > 0; k--) swap(groupOf, k, Math.floor((k + 1) * random()));
  const values = Float32Array.from({ length: N * K }, (_, i) => {
    const group = Math.floor(i / K) * groups + groupOf[i % K]!;
    return scales[group]! * (codes[i]! - zeros[group]!);
  });
  return { N, K, groups, codes, zeros, scales, groupOf, values };
}

function swap(values: Int32Array, a: number, b: number): void {
  [values[a], values[b]] = [values[b]!, values[a]!];
}

/** What is left of floats in 16 bits. */
function roundTo(encode: (values: Float32Array) => Uint8Array, _bits: 16) {
  return (values: Float32Array, type: string) => {
    const bits = new Uint16Array(encode(values).buffer);
    return Float32Array.from(bits, (half) => (type === "F16" ? f16(half) : bf16(half)));
  };
}

const f16 = (half: number) => (1024 + (half & 1023)) * 2 ** (((half >> 10) & 31) - 25); // positive and normal
const bf16 = (half: number) => new Float32Array(new Uint32Array([half << 16]).buffer)[0]!;

type Set = (name: string, type: TensorPlan["type"], shape: readonly number[], data: ArrayBufferView) => void;

function store(kind: IntegerKind, module: string, weights: IntegerWeights, set: Set): void {
  const { method, bits, scaleType = "F16" } = kind;
  const { N, K, groups, codes, zeros, scales, groupOf } = weights;
  const inWord = 32 / bits;
  const encoded = (values: Float32Array) =>
    scaleType === "F32" ? values : scaleType === "F16" ? encodeF16(values) : encodeBF16(values);
  const mask = 2 ** bits - 1;
  if (method === "awq") {
    // Output 8c + order[i] is in nibble i of word c.
    const order = [0, 2, 4, 6, 1, 3, 5, 7];
    const words = (rows: number, value: (row: number, n: number) => number) => {
      const packed = new Uint32Array((rows * N) / 8);
      for (let i = 0; i < packed.length; i++) {
        const [row, c] = [Math.floor(i / (N / 8)), i % (N / 8)];
        packed[i] = order.reduce((word, output, nibble) => word + value(row, 8 * c + output) * 16 ** nibble, 0);
      }
      return packed;
    };
    set(`${module}.qweight`, "I32", [K, N / 8], words(K, (k, n) => codes[n * K + k]!)); // prettier-ignore
    set(`${module}.qzeros`, "I32", [groups, N / 8], words(groups, (g, n) => zeros[n * groups + g]!)); // prettier-ignore
    set(`${module}.scales`, scaleType, [groups, N], encoded(transposed(scales, N, groups)));
    return;
  }
  if (method === "gptq" || method === "gptq_v2") {
    const word = (values: number[]) => values.reduce((sum, value, i) => sum + value * 2 ** (bits * i), 0);
    const rows = K / inWord;
    const qweight = Uint32Array.from({ length: rows * N }, (_, i) => {
      const [row, n] = [Math.floor(i / N), i % N];
      return word(Array.from({ length: inWord }, (_unused, j) => codes[n * K + row * inWord + j]!));
    });
    const less = method === "gptq" ? 1 : 0;
    const qzeros = Uint32Array.from({ length: (groups * N) / inWord }, (_, i) => {
      const [g, c] = [Math.floor(i / (N / inWord)), i % (N / inWord)];
      return word(Array.from({ length: inWord }, (_unused, j) => (zeros[(inWord * c + j) * groups + g]! - less) & mask));
    });
    set(`${module}.qweight`, "I32", [rows, N], qweight);
    set(`${module}.qzeros`, "I32", [groups, N / inWord], qzeros);
    set(`${module}.scales`, scaleType, [groups, N], encoded(transposed(scales, N, groups)));
    set(`${module}.g_idx`, "I32", [K], groupOf);
    return;
  }
  const isTensor = kind.groupSize === "tensor";
  const scaleShape = isTensor ? [1] : [N, groups];
  const storedScales = isTensor ? scales.slice(0, 1) : scales;
  const middle = 2 ** (bits - 1);
  if (method === "int-quantized") {
    set(`${module}.weight`, "I8", [N, K], Int8Array.from(codes, (code) => code - middle)); // prettier-ignore
    const zeroPoints = Int8Array.from(isTensor ? zeros.slice(0, 1) : zeros, (zero) => zero - middle);
    if (!kind.symmetric) set(`${module}.weight_zero_point`, "I8", scaleShape, zeroPoints);
  } else {
    const rowWords = Math.ceil(K / inWord);
    const packed = new Uint32Array(N * rowWords);
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++)
        packed[n * rowWords + Math.floor(k / inWord)]! += codes[n * K + k]! * 2 ** (bits * (k % inWord));
    }
    set(`${module}.weight_packed`, "I32", [N, rowWords], packed);
    set(`${module}.weight_shape`, "I64", [2], BigInt64Array.of(BigInt(N), BigInt(K)));
    if (!kind.symmetric && isTensor) set(`${module}.weight_zero_point`, "I8", [1], Int8Array.of(zeros[0]! - middle));
    if (!kind.symmetric && !isTensor) {
      const zeroRows = Math.ceil(N / inWord);
      const zeroWords = new Uint32Array(zeroRows * groups);
      for (let n = 0; n < N; n++) {
        for (let g = 0; g < groups; g++)
          zeroWords[Math.floor(n / inWord) * groups + g]! += zeros[n * groups + g]! * 2 ** (bits * (n % inWord));
      }
      set(`${module}.weight_zero_point`, "I32", [zeroRows, groups], zeroWords);
    }
  }
  set(`${module}.weight_scale`, scaleType, scaleShape, encoded(storedScales));
  if (kind.anyOrder) set(`${module}.weight_g_idx`, "I32", [K], groupOf);
  if (kind.activations === "static") set(`${module}.input_scale`, "F32", [1], Float32Array.of(0.05));
}

/** [N, groups] to [groups, N]. */
function transposed(values: Float32Array, N: number, groups: number): Float32Array {
  return Float32Array.from(values, (_, i) => values[(i % N) * groups + Math.floor(i / N)]!);
}

function configOf({ method, bits, groupSize, symmetric, anyOrder = false, activations = "none" }: IntegerKind): object {
  const stored = typeof groupSize === "number" ? groupSize : -1;
  if (method === "awq") return { quant_method: "awq", bits, group_size: stored, zero_point: true, version: "GEMM" };
  if (method === "gptq" || method === "gptq_v2") {
    return { quant_method: "gptq", bits, group_size: stored, desc_act: anyOrder, sym: symmetric, checkpoint_format: method };
  }
  const strategy = typeof groupSize === "number" ? "group" : groupSize;
  const group_size = typeof groupSize === "number" ? groupSize : null;
  const actorder = anyOrder ? "group" : null;
  const input = { num_bits: 8, type: "int", symmetric: true };
  const inputs = {
    none: null,
    dynamic: { ...input, strategy: "token", dynamic: true },
    static: { ...input, strategy: "tensor", dynamic: false },
  };
  return {
    quant_method: "compressed-tensors",
    format: method,
    quantization_status: "compressed",
    ignore: ["lm_head"],
    config_groups: {
      group_0: {
        targets: ["Linear"],
        weights: { num_bits: bits, type: "int", symmetric, strategy, group_size, dynamic: false, actorder },
        input_activations: inputs[activations],
        output_activations: null,
        format: method,
      },
    },
  };
}
