/** What is tuned, as numbers of full precision beside the rounded ones that kernels read. */
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { STORED_SCALES } from "../checkpoint/quantization/pack-quantized.ts";
import { describeModel, type InputName } from "../architecture/description.ts";
import type { Pointer } from "../kernels/pointer.ts";
import type { Kernels } from "../kernels/kernels.ts";
import { RelativeAdam } from "./adam.ts";
import type { GroupedLinear } from "../model/layers/linear-gradient.ts";
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

  /**
   * Into the packed panels, where each group begins with the scales of its eight channels
   * (`assembly/layouts/layout.ts`).
   */
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

interface LayerParameters {
  /** Norms before the linear inputs that have one. */
  readonly norms: ReadonlyMap<"qkv" | "up", Norm>;
  readonly scales: ReadonlyMap<InputName, Scales>;
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
    const { blocks, finalNorm } = describeModel(checkpoint.config);
    const norm = async (tensor: string, pointer: Pointer) => new Norm(tensor, await checkpoint.readF32(tensor), pointer);
    const layers: LayerParameters[] = [];
    for (const [l, { inputs }] of blocks.entries()) {
      const loaded = student.blocks[l]!.inputs;
      const norms = new Map<"qkv" | "up", Norm>();
      const scales = new Map<InputName, Scales>();
      for (const { name, modules, from } of inputs) {
        const { linear, norm: loadedNorm } = loaded[name]!;
        const values = new Float32Array(linear.N * (linear.K / linear.groupSize));
        let end = 0;
        for (const module of modules) {
          const own = await checkpoint.readF32(`${module.name}.weight_scale`);
          values.set(own, end);
          end += own.length;
        }
        scales.set(name, new Scales(linear, modules, values, round));
        if (typeof from !== "string") norms.set(name as "qkv" | "up", await norm(from.weight, loadedNorm!.weight));
      }
      layers.push({ norms, scales });
    }
    return new Parameters(student, layers, await norm(finalNorm.weight, student.finalNorm));
  }

  /** From the gradients that `backwardHead` has left. */
  stepFinalNorm(rate: number): void {
    const { kernels, gradients } = this.#student;
    this.#final.step(kernels, gradients.norms.final, rate);
  }

  /** From the gradients that `backwardLayer` has left of layer `l`. */
  stepLayer(l: number, rate: number): void {
    const { kernels, gradients } = this.#student;
    const { norms, scales } = this.#layers[l]!;
    for (const [name, norm] of norms) norm.step(kernels, gradients.norms[name], rate);
    for (const [name, own] of scales) own.step(kernels, gradients.scales[name]!, rate);
  }

  tuned(): TunedTensors {
    const norms = new Map<string, Float32Array>();
    const scales = new Map<string, Float32Array>();
    const keep = ({ tensor, values }: Norm) => norms.set(tensor, values);
    for (const layer of this.#layers) {
      for (const norm of layer.norms.values()) keep(norm);
      for (const own of layer.scales.values()) for (const [name, stored] of own.stored()) scales.set(name, stored);
    }
    keep(this.#final);
    return { norms, scales };
  }
}
