/**
 * The fused linear layer behind one input while its rounding is learned (`assembly/rounding/learned-
 * rounding.ts`).
 */
import type { LinearInput } from "../../architecture/description.ts";
import { STORED_SCALES } from "../../checkpoint/quantization/pack-quantized.ts";
import type { Pointer } from "../../kernels/pointer.ts";
import type { LayerStream } from "../../model/layer-stream.ts";
import type { Planner } from "../../model/workspace/workspace.ts";
import { SCALE_STORAGE } from "../recipe/scale-type.ts";
import { measureErrors, type ModuleErrors } from "./error-stats.ts";
import { dequantizeRows, largestCode, type QuantizedRows, quantizeRows, type RowFormat } from "./quantize-weights.ts";
import type { RoundingRegions } from "./rounding-memory.ts";
import { searchRows } from "./scale-search.ts";

export interface LearnedRegions {
  readonly weights: Pointer; // f32[N, K]
  readonly offsets: Pointer; // f32[N, K]
  readonly scales: Pointer; // f32[N, K/G]
  readonly clips: Pointer; // f32[N, K/G]
}

/** @param groupSize of its weights */
export function placeLearned({ plan }: Planner, { path, width: K, modules }: LinearInput, groupSize: number): LearnedRegions {
  const N = modules.reduce((sum, { outFeatures }) => sum + outFeatures, 0);
  const f32 = (elements: number, what: string) => plan.reserve("scratch", 4 * elements, `${what} of ${path}`);
  return {
    weights: f32(N * K, "weights"),
    offsets: f32(N * K, "offsets"),
    scales: f32(N * (K / groupSize), "scales"),
    clips: f32(N * (K / groupSize), "clips"),
  };
}

/** What is learned: where each weight is rounded, and what the scales of a search are multiplied by. */
export interface Learned {
  readonly offsets: Float32Array;
  readonly clips: Float32Array;
}

/** Where learning happens, one layer after another. */
export interface LearningMemory {
  readonly stream: LayerStream;
  readonly rounding: RoundingRegions;
  readonly rounded: Pointer; // f32[N, K] of the largest layer
}

export interface RoundedModule {
  readonly name: string;
  readonly rows: QuantizedRows;
  readonly errors: ModuleErrors;
}

export class LearnedLinear {
  readonly #memory: LearningMemory;
  readonly #regions: LearnedRegions;
  readonly #input: LinearInput;
  readonly #format: RowFormat;
  readonly #weights: readonly Float32Array[];
  readonly #start: Float32Array;

  /**
   * Begins with the scales of a search and the codes nearest under them.
   *
   * @param weights of the input's modules, f32[N, K] each, of finite values
   * @param importance of an error in each channel, f32[K]
   */
  constructor(
    memory: LearningMemory,
    regions: LearnedRegions,
    { input, format }: { readonly input: LinearInput; readonly format: RowFormat },
    weights: readonly Float32Array[],
    importance: Float32Array,
  ) {
    const { kernels } = memory.stream;
    this.#memory = memory;
    this.#regions = regions;
    this.#input = input;
    this.#format = format;
    this.#weights = weights;
    const found = weights.map((weight) => searchRows({ kernels, regions: memory.rounding }, weight, importance, format));
    this.#start = joined(found.map(({ scale }) => scale));
    const all = joined(weights);
    kernels.f32(regions.weights, all.length).set(all);
    this.restore({ offsets: new Float32Array(all.length), clips: new Float32Array(this.#start.length).fill(1) });
  }

  get #rows(): number {
    return this.#start.length / (this.#format.K / this.#format.G);
  }

  /** Puts the weights into the layer as nearest rounding would leave them. */
  applyNearest(): void {
    const { kernels } = this.#memory.stream;
    const nearest = joined(this.#weights.map((weight, i) => dequantizeRows(quantizeRows(weight, this.#format, this.#origin(i))))); // prettier-ignore
    kernels.f32(this.#memory.rounded, nearest.length).set(nearest);
    this.#pack();
  }

  /** Puts the weights into the layer as they are rounded by now. */
  apply(): void {
    const { kernels } = this.#memory.stream;
    const { weights, offsets, scales } = this.#regions;
    const { K, G, type } = this.#format;
    this.#writeScales();
    kernels.split("round_learned_f32", this.#rows, weights, offsets, scales, this.#memory.rounded, K, G, largestCode(type));
    this.#pack();
  }

  #pack(): void {
    const { stream, rounded } = this.#memory;
    stream.kernels.run.pack_f32w(rounded, stream.weights(this.#input.name), 0, this.#rows, this.#rows, this.#format.K);
  }

  /** Clips times the scales it began with, as they are stored. */
  #writeScales(): void {
    const { kernels } = this.#memory.stream;
    const { type, scaleType } = this.#format;
    const [ratio, { round }] = [STORED_SCALES[type], SCALE_STORAGE[scaleType]];
    const clips = kernels.f32(this.#regions.clips, this.#start.length);
    const scales = kernels.f32(this.#regions.scales, this.#start.length);
    // A step is to move the largest code as far in every format, as the paper's are for codes up to 7.
    const share = type === "int8" ? 7 / largestCode(type) : 1;
    for (const [i, start] of this.#start.entries()) {
      const clip = 1 + share * (clips[i]! - 1);
      scales[i] = round(clip * start * ratio) / ratio || start; // one too small to be stored stays what it was
    }
  }

  /** @param gradients f32[N, K], of the block's error with respect to the rounded weights */
  step(gradients: Pointer, rate: number): void {
    const { weights, offsets, scales, clips } = this.#regions;
    const { K, G, type } = this.#format;
    const { kernels } = this.#memory.stream;
    const top = largestCode(type);
    kernels.split("step_learned_f32", this.#rows, weights, offsets, scales, gradients, clips, K, G, top, rate);
  }

  learned(): Learned {
    const { kernels } = this.#memory.stream;
    const { offsets, clips } = this.#regions;
    const [elements, groups] = [this.#rows * this.#format.K, this.#start.length];
    return { offsets: kernels.f32(offsets, elements).slice(), clips: kernels.f32(clips, groups).slice() };
  }

  restore({ offsets, clips }: Learned): void {
    const { kernels } = this.#memory.stream;
    kernels.f32(this.#regions.offsets, offsets.length).set(offsets);
    kernels.f32(this.#regions.clips, clips.length).set(clips);
  }

  /** The modules as they are rounded by now. */
  modules(): RoundedModule[] {
    this.apply();
    const { kernels } = this.#memory.stream;
    const { K, G } = this.#format;
    const rounded = kernels.f32(this.#memory.rounded, this.#rows * K);
    const scales = kernels.f32(this.#regions.scales, this.#start.length);
    let row = 0;
    return this.#weights.map((weight, i) => {
      const rows = weight.length / K;
      const scale = scales.slice((row * K) / G, ((row + rows) * K) / G);
      // A code times its scale is off by a rounding, which no code is far from.
      const q = Int8Array.from(weight, (_, k) => Math.round(rounded[row * K + k]! / scale[Math.floor(k / G)]!));
      row += rows;
      const own: QuantizedRows = { ...this.#format, rows, q, scale };
      const nearest = measureErrors(weight, quantizeRows(weight, this.#format, this.#origin(i)));
      return { name: this.#input.modules[i]!.name, rows: own, errors: { chosen: measureErrors(weight, own), nearest, kept: 0 } };
    });
  }

  #origin(i: number) {
    return { tensor: `${this.#input.modules[i]!.name}.weight`, firstRow: 0 };
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((end, part) => (all.set(part, end), end + part.length), 0);
  return all;
}
