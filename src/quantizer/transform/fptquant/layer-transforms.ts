/** The transforms of each layer, found when all samples have been through it. */
import type { Block, LinearInput, LinearModule } from "../../../architecture/description.ts";
import type { Checkpoint } from "../../../checkpoint/checkpoint.ts";
import { throwIfAborted } from "../../../errors.ts";
import type { Work } from "../../../host/work.ts";
import { EventLoopPacer } from "../../../model/event-loop-pacer.ts";
import type { LayerStream } from "../../../model/layer-stream.ts";
import type { ChannelRegions } from "../../calibrate/channel-observers.ts";
import { countTokens, type LayerVisitor, type Seen } from "../../calibrate/layer-walk.ts";
import { inputOf, partsOfRows } from "../block-modules.ts";
import { foldedRows } from "../fold.ts";
import type { Transform } from "../transform.ts";
import { KeyTurn } from "./key.ts";
import { KEPT_VECTORS, LayerSamples } from "./layer-samples.ts";
import type { Term } from "./local-loss.ts";
import { tuneLocally } from "./local-stage.ts";
import type { TransformName } from "./transform-names.ts";
import type { Sides, TunableTransform } from "./tunable.ts";
import { UpScales } from "./up.ts";
import { ValueMatrices } from "./value.ts";

/** What the local stage did to a transform. */
export interface TunedLayer {
  /** Layer and transform. */
  readonly name: string;
  /** Loss of what was kept; the start's is 1. */
  readonly loss: number;
  readonly diverged: boolean;
}

export interface LayerTask {
  readonly checkpoint: Checkpoint;
  readonly stream: LayerStream;
  readonly samples: readonly Int32Array[];
  readonly names: readonly LayerTransformName[];
  /** How many the local stage has; 0 keeps what transforms start with. */
  readonly steps: number;
}

/** Those that are found from what calibration sees. */
export type LayerTransformName = Extract<TransformName, "key" | "value" | "up">;

/** A transform as it starts, and what to tune it on. */
interface Start {
  readonly transform: TunableTransform;
  readonly sides: Sides;
  readonly terms: readonly Term[];
}

export class LayerTransforms implements LayerVisitor {
  readonly replaces = false;
  readonly transforms: Transform[] = [];
  readonly tuned: TunedLayer[] = [];
  readonly #task: LayerTask;
  readonly #samples: LayerSamples;
  readonly #work: Work;
  readonly #pacer: EventLoopPacer;

  constructor(task: LayerTask, regions: ChannelRegions, work: Work) {
    this.#task = task;
    this.#work = work;
    this.#pacer = new EventLoopPacer(work.host);
    const { stream, samples } = task;
    const { kvHeads, headDim } = stream.description.config;
    const shape = { tokens: countTokens(samples), samples: samples.length, kvHeads, headDim };
    this.#samples = new LayerSamples(stream.kernels, regions, shape);
  }

  begin(): void {
    this.#samples.reset();
  }

  observe(_: number, seen: Seen): void {
    this.#samples.observe(seen);
  }

  /** All are found behind the last input. */
  async finishInput({ name, layer }: LinearInput): Promise<void> {
    if (name !== "down") return;
    const block = this.#task.stream.description.blocks[layer]!;
    for (const transform of this.#task.names) await this.#find(await this.#start(transform, block));
    const { length } = this.#task.stream.description.blocks;
    this.#work.onProgress?.({ phase: "transform", done: layer + 1, total: length, unit: "layers" });
  }

  end(): void {}

  async #find({ transform, sides, terms }: Start): Promise<void> {
    const { steps } = this.#task;
    if (steps > 0) {
      const {
        best,
        diverged,
        steps: done,
      } = await tuneLocally(transform, sides, terms, steps, async () => {
        throwIfAborted(this.#work.signal, `local stage, ${transform.name}`);
        if (this.#pacer.due()) await this.#pacer.letEventsRun();
      });
      if (diverged)
        this.#work.onWarning?.(
          `${transform.name}: the local stage diverged at step ${done} of ${steps}; the best before is kept`,
        );
      this.tuned.push({ name: transform.name, loss: best, diverged });
    }
    this.transforms.push(transform.transform());
  }

  #start(name: LayerTransformName, block: Block): Promise<Start> {
    return name === "key" ? this.#startKey(block) : name === "value" ? this.#startValue(block) : this.#startUp(block);
  }

  async #startKey(block: Block): Promise<Start> {
    const { config } = this.#task.stream.description;
    const { heads: H, kvHeads: Hkv, headDim: D, qkNorm } = config;
    const { k } = this.#samples.stats();
    const absmax = k!.max.map((high, c) => Math.max(high, -k!.min[c]!));
    const transform = new KeyTurn(config, block, absmax);
    const kept = this.#samples.rows("k");
    if (qkNorm !== "none") return { transform, ...gainSides(kept, qkNorm === "head" ? 1 : Hkv, H / Hkv, D) };
    const weights = await this.#rowVectors(inputOf(block, "qkv").modules, 0, (H + Hkv) * D);
    const n = weights.length;
    const width = n + kept.length;
    const rows = new Float64Array((H + Hkv) * D * width);
    for (const [i, vector] of weights.entries()) vector.forEach((value, r) => (rows[r * width + i] = value));
    for (const [i, row] of kept.entries()) row.forEach((value, c) => (rows[(H * D + c) * width + n + i] = value));
    const terms: Term[] = [
      { side: "rows", kind: "weights", row: [0, H * D], column: [0, n], width },
      { side: "rows", kind: "weights", row: [H * D, (H + Hkv) * D], column: [0, n], width },
      activations([H * D, (H + Hkv) * D], [n, width], width),
    ];
    return { transform, sides: { rows, columns: new Float64Array(0) }, terms };
  }

  async #startValue(block: Block): Promise<Start> {
    const { config } = this.#task.stream.description;
    const { heads: H, kvHeads: Hkv, headDim: D } = config;
    const [o] = inputOf(block, "o").modules;
    const output = await this.#read(`${o!.name}.weight`);
    const second = this.#samples.secondMoments();
    const transform = new ValueMatrices(config, block, { second, output: outputMoments(output, config) });
    const weights = await this.#rowVectors(inputOf(block, "qkv").modules, (H + Hkv) * D, Hkv * D);
    return { transform, ...this.#bothSides(weights, this.#samples.rows("v"), someRows(output, H * D), H * D) };
  }

  async #startUp(block: Block): Promise<Start> {
    const { config } = this.#task.stream.description;
    const { ffnSize: F } = config;
    const transform = new UpScales(config, block, this.#samples.stats().down.secondMoment);
    const { input, firstRow } = foldedRows(config, block, "up");
    const weights = await this.#rowVectors(input.modules, firstRow, F);
    const [down] = inputOf(block, "down").modules;
    const columns = someRows(await this.#read(`${down!.name}.weight`), F);
    return { transform, ...this.#bothSides(weights, this.#samples.rows("down"), columns, F) };
  }

  /** Vectors of weights and activations beside each other, and rows of the weight that undoes it. */
  #bothSides(
    weights: readonly Float32Array[],
    kept: readonly Float32Array[],
    columns: Float64Array,
    K: number,
  ): Omit<Start, "transform"> {
    const N = weights[0]!.length;
    const [n, width] = [weights.length, weights.length + kept.length];
    const rows = new Float64Array(N * width);
    for (const [i, vector] of [...weights, ...kept].entries()) vector.forEach((value, r) => (rows[r * width + i] = value));
    const terms: Term[] = [
      { side: "rows", kind: "weights", row: [0, N], column: [0, n], width },
      { side: "columns", kind: "weights", row: [0, columns.length / K], column: [0, K], width: K },
      activations([0, N], [n, width], width),
    ];
    return { sides: { rows, columns }, terms };
  }

  /** Some columns of rows of modules as they are fused. */
  async #rowVectors(modules: readonly LinearModule[], first: number, count: number): Promise<Float32Array[]> {
    let vectors: Float32Array[] = [];
    for (const { module, row, from, to } of partsOfRows(modules, first, count)) {
      const found = someColumns(await this.#read(`${module.name}.weight`), module);
      if (vectors.length === 0) vectors = found.map(() => new Float32Array(count));
      for (const [i, vector] of found.entries()) vectors[i]!.set(vector.subarray(row, row + to - from), from);
    }
    return vectors;
  }

  #read(tensor: string): Promise<Float32Array> {
    return this.#task.checkpoint.readF32(tensor, { signal: this.#work.signal });
  }
}

/**
 * Keys are vectors of as many heads as have gains of their own; rows of queries, which gains scale the other
 * way, stay empty.
 */
function gainSides(kept: readonly Float32Array[], heads: number, group: number, D: number): Omit<Start, "transform"> {
  const [K, queries] = [heads * D, heads === 1 ? D : heads * group * D];
  const keys = kept.flatMap((row) => Array.from({ length: row.length / K }, (_, i) => row.subarray(i * K, (i + 1) * K)));
  const width = keys.length;
  const rows = new Float64Array((queries + K) * width);
  for (const [i, key] of keys.entries()) key.forEach((value, c) => (rows[(queries + c) * width + i] = value));
  const terms = [activations([queries, queries + K], [0, width], width)];
  return { sides: { rows, columns: new Float64Array(0) }, terms };
}

function activations(row: readonly [number, number], column: readonly [number, number], width: number): Term {
  return { side: "rows", kind: "activations", row, column, width };
}

/** Which of `count` vectors are looked at: all, or some, equally far from each other. */
function chosen(count: number): number[] {
  const kept = Math.min(count, KEPT_VECTORS);
  return Array.from({ length: kept }, (_, i) => Math.floor((i * count) / kept));
}

function someColumns(weight: Float32Array, { outFeatures: N, inFeatures: K }: LinearModule): Float32Array[] {
  return chosen(K).map((k) => Float32Array.from({ length: N }, (_, n) => weight[n * K + k]!));
}

function someRows(weight: Float32Array, K: number): Float64Array {
  const rows = chosen(weight.length / K).map((n) => weight.subarray(n * K, (n + 1) * K));
  const values = new Float64Array(rows.length * K);
  for (const [i, row] of rows.entries()) values.set(row, i * K);
  return values;
}

/** M of each value head: sums over its query heads of W_o[:, i]^T W_o[:, i]. */
function outputMoments(
  weight: Float32Array,
  { heads: H, kvHeads: Hkv, headDim: D }: { readonly heads: number; readonly kvHeads: number; readonly headDim: number },
): Float64Array[] {
  const sums = Array.from({ length: Hkv }, () => new Float64Array(D * D));
  for (let row = 0; row < weight.length; row += H * D) {
    for (let head = 0; head < H; head++) {
      const M = sums[Math.floor(head / (H / Hkv))]!;
      const at = row + head * D;
      for (let i = 0; i < D; i++) {
        const value = weight[at + i]!;
        for (let j = 0; j < D; j++) M[i * D + j]! += value * weight[at + j]!;
      }
    }
  }
  return sums;
}
