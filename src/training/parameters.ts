/** What is tuned, as numbers of full precision beside the rounded ones that kernels read. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { STORED_SCALES } from "../checkpoint/quantization/pack-quantized.ts";
import { FINAL_NORM, layerNorms, type LinearInput, linearModules } from "../architecture/tensor-names.ts";
import type { Pointer } from "../kernels/kernel-exports.ts";
import type { Kernels } from "../kernels/kernels.ts";
import { RelativeAdam } from "./adam.ts";
import type { GroupedLinear } from "./gradient-buffers.ts";
import type { Student } from "./student.ts";

export interface TunedTensors {
  /** By tensor name, f32[E]. */
  readonly norms: ReadonlyMap<string, Float32Array>;
  /** `weight_scale` by module name, f32[N, K/G], as it is to be stored. */
  readonly scales: ReadonlyMap<string, Float32Array>;
}

/** One norm's weight. */
class Norm {
  readonly tensor: string;
  readonly values: Float32Array;
  readonly #pointer: Pointer;
  readonly #adam: RelativeAdam;

  constructor(tensor: string, values: Float32Array, pointer: Pointer) {
    this.tensor = tensor;
    this.values = values;
    this.#pointer = pointer;
    this.#adam = new RelativeAdam(values.length);
  }

  /** @param gradient f32[E] of the weight itself */
  step(kernels: Kernels, gradient: Pointer, rate: number): void {
    const E = this.values.length;
    const relative = kernels.f32(gradient, E).map((value, i) => value * this.values[i]!);
    this.#adam.step(this.values, relative, rate);
    kernels.f32(this.#pointer, E).set(this.values);
  }
}

/** All scales of a fused linear layer. */
class Scales {
  readonly #linear: GroupedLinear;
  readonly #parts: readonly { readonly name: string; readonly outFeatures: number }[];
  readonly #values: Float32Array; // f32[N, K/G], not rounded
  readonly #adam: RelativeAdam;
  readonly #round: (scale: number) => number;

  constructor(
    linear: GroupedLinear,
    parts: readonly { readonly name: string; readonly outFeatures: number }[],
    values: Float32Array,
    round: (scale: number) => number,
  ) {
    this.#linear = linear;
    this.#parts = parts;
    this.#values = values;
    this.#adam = new RelativeAdam(values.length);
    this.#round = round;
  }

  step(kernels: Kernels, gradient: Pointer, rate: number): void {
    this.#adam.step(this.#values, kernels.f32(gradient, this.#values.length), rate);
    this.#write(kernels);
  }

  /** As they are to be stored, by module. */
  *stored(): Generator<[string, Float32Array]> {
    const columns = this.#linear.K / this.#linear.groupSize;
    let row = 0;
    for (const { name, outFeatures } of this.#parts) {
      yield [name, this.#values.subarray(row * columns, (row + outFeatures) * columns).map(this.#round)];
      row += outFeatures;
    }
  }

  /** Into the packed panels, where each group begins with the scales of its eight channels (`assembly/layout.ts`). */
  #write(kernels: Kernels): void {
    const { N, K, groupSize: G, weights, codes } = this.#linear;
    const columns = K / G;
    const group = kernels.run.packed_bytes_qb4w(8, G, G) / 4;
    const panels = kernels.f32(weights, Math.ceil(N / 8) * columns * group);
    const unit = 1 / STORED_SCALES[codes];
    for (let n = 0; n < N; n++) {
      let at = (n >> 3) * columns * group + (n & 7);
      for (let g = 0; g < columns; g++, at += group) panels[at] = this.#round(this.#values[n * columns + g]!) * unit;
    }
  }
}

const SITES = [["qkv", "qkv"], ["o", "o"], ["gate_up", "gateUp"], ["down", "down"]] as const satisfies readonly [LinearInput, string][]; // prettier-ignore

interface LayerParameters {
  readonly attention: Norm;
  readonly ffn: Norm;
  readonly scales: readonly { readonly key: (typeof SITES)[number][1]; readonly values: Scales }[];
}

export class Parameters {
  readonly #student: Student;
  readonly #layers: readonly LayerParameters[];
  readonly #final: Norm;

  private constructor(student: Student, layers: readonly LayerParameters[], final: Norm) {
    this.#student = student;
    this.#layers = layers;
    this.#final = final;
  }

  /**
   * @param checkpoint what the student was loaded from
   * @param round a scale to one that can be stored
   */
  static async read(checkpoint: Checkpoint, student: Student, round: (scale: number) => number): Promise<Parameters> {
    const { config } = checkpoint;
    const norm = async (tensor: string, pointer: Pointer) => new Norm(tensor, await checkpoint.readF32(tensor), pointer);
    const layers: LayerParameters[] = [];
    for (const [l, weights] of student.layers.entries()) {
      const names = layerNorms(config, l);
      const scales: { key: (typeof SITES)[number][1]; values: Scales }[] = [];
      for (const [input, key] of SITES) {
        const parts = linearModules(config, l, input);
        const linear = weights[key];
        const values = new Float32Array(linear.N * (linear.K / linear.groupSize));
        let end = 0;
        for (const { name } of parts) {
          const own = await checkpoint.readF32(`${name}.weight_scale`);
          values.set(own, end);
          end += own.length;
        }
        scales.push({ key, values: new Scales(linear, parts, values, round) });
      }
      const attention = await norm(names.attention, weights.attentionNorm);
      layers.push({ attention, ffn: await norm(names.mlp, weights.ffnNorm), scales });
    }
    return new Parameters(student, layers, await norm(FINAL_NORM, student.finalNorm));
  }

  /** From the gradients that `backwardHead` has left. */
  stepFinalNorm(rate: number): void {
    const { kernels, gradients } = this.#student;
    this.#final.step(kernels, gradients.norms.final, rate);
  }

  /** From the gradients that `backwardLayer` has left of layer `l`. */
  stepLayer(l: number, rate: number): void {
    const { kernels, gradients } = this.#student;
    const { attention, ffn, scales } = this.#layers[l]!;
    attention.step(kernels, gradients.norms.attention, rate);
    ffn.step(kernels, gradients.norms.ffn, rate);
    for (const { key, values } of scales) values.step(kernels, gradients.scales[key], rate);
  }

  tuned(): TunedTensors {
    const norms = new Map<string, Float32Array>();
    const scales = new Map<string, Float32Array>();
    const keep = ({ tensor, values }: Norm) => norms.set(tensor, values);
    for (const layer of this.#layers) {
      keep(layer.attention);
      keep(layer.ffn);
      for (const { values } of layer.scales) for (const [name, stored] of values.stored()) scales.set(name, stored);
    }
    keep(this.#final);
    return { norms, scales };
  }
}
