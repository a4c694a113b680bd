/**
 * A transform of a float model moves factors and matrices from one tensor to another without changing what
 * the model computes: equalization (LAE, SmoothQuant, AWQ; `equalize.ts`), folds (`fold.ts`) and those of
 * FPTQuant (`fptquant/`). What it does to a tensor is one of these:
 *
 *   module   W[n, k] * rows[n] * columns[k], then matrices on the columns of W and on its rows
 *            bias[n] * rows[n], then the matrices on rows, then + shift[n]
 *   norm     w[k] / s[k], b[k] / s[k]
 *
 * A view of the checkpoint applies it to what is read, so nothing behind it knows that there is one. What a
 * model has to compute besides, for the transform to change nothing, is part of the view's configuration.
 */
import type { OnlineTransforms } from "../../architecture/online-transforms.ts";
import type { Checkpoint, ReadOptions } from "../../checkpoint/checkpoint.ts";
import { checkpointView } from "../../checkpoint/checkpoint-view.ts";
import { applyToColumns, applyToRows, scaling, type SideMatrix, withWholeBlocks } from "./side-matrix.ts";

/** What a weight's rows, with its bias, and its columns are multiplied by. */
export interface ModuleFactors {
  readonly rows?: Float32Array | undefined; // f32[N]
  readonly columns?: Float32Array | undefined; // f32[K]
}

export interface ModuleTransform extends ModuleFactors {
  /** Behind the factors, in this order; those on rows act on the bias too. */
  readonly rowMatrices?: readonly SideMatrix[] | undefined;
  readonly columnMatrices?: readonly SideMatrix[] | undefined;
  /** Added to the bias behind all else, f32[N]. */
  readonly shift?: Float32Array | undefined;
}

export interface Transform {
  /** By name of the linear module. */
  readonly modules: ReadonlyMap<string, ModuleTransform>;
  /** What the tensors of norms, weights and biases, are divided by: f32[E] by tensor name. */
  readonly norms: ReadonlyMap<string, Float32Array>;
  /** What the model has to compute besides. */
  readonly online?: OnlineTransforms | undefined;
}

/**
 * Makes one transform of several, one after another. Factors that two of them have for one thing are
 * multiplied.
 */
export function joinTransforms(transforms: readonly Transform[]): Transform {
  const modules = new Map<string, ModuleTransform>();
  const norms = new Map<string, Float32Array>();
  let online: OnlineTransforms | undefined;
  for (const transform of transforms) {
    for (const [name, next] of transform.modules) modules.set(name, joinModules(modules.get(name) ?? {}, next));
    for (const [tensor, divisors] of transform.norms) norms.set(tensor, product(norms.get(tensor), divisors)!);
    online = transform.online ? { ...online, ...transform.online } : online;
  }
  return { modules, norms, ...(online && { online }) };
}

function joinModules(before: ModuleTransform, next: ModuleTransform): ModuleTransform {
  const [rows, rowMatrices] = joinSides([before.rows, before.rowMatrices], [next.rows, next.rowMatrices]);
  const [columns, columnMatrices] = joinSides([before.columns, before.columnMatrices], [next.columns, next.columnMatrices]);
  const moved = before.shift && transformBias(before.shift.slice(), { ...next, shift: undefined });
  const shift = moved && next.shift ? moved.map((value, n) => value + next.shift![n]!) : (moved ?? next.shift);
  return {
    rows,
    columns,
    ...(rowMatrices && { rowMatrices }),
    ...(columnMatrices && { columnMatrices }),
    ...(shift && { shift }),
  };
}

type Side = readonly [factors: Float32Array | undefined, matrices: readonly SideMatrix[] | undefined];

/** Factors behind a matrix stay behind it. */
function joinSides([factors, matrices = []]: Side, [nextFactors, nextMatrices = []]: Side): Side {
  if (matrices.length === 0) return [product(factors, nextFactors), nextMatrices.length > 0 ? nextMatrices : undefined];
  return [factors, [...matrices, ...(nextFactors ? [scaling(nextFactors)] : []), ...nextMatrices]];
}

function product(a: Float32Array | undefined, b: Float32Array | undefined): Float32Array | undefined {
  return a && b ? a.map((value, i) => value * b[i]!) : (a ?? b);
}

/**
 * Gives a view of a float checkpoint as the transform makes it. `readRaw` gives the stored bytes, which are
 * not changed.
 *
 * @returns the checkpoint itself if there is nothing to change; closing either closes both
 */
export function transformCheckpoint(checkpoint: Checkpoint, transform: Transform): Checkpoint {
  const { modules, norms, online } = transform;
  if (modules.size === 0 && norms.size === 0 && !online) return checkpoint;
  const mixed = new MixedRows(checkpoint);
  const { config } = checkpoint;
  return checkpointView(checkpoint, {
    keptForm: () => undefined,
    ...(online && { config: { ...config, online: { ...config.online, ...online } } }),
    async readF32(tensor, options = {}) {
      const { module, isBias } = moduleOf(transform, tensor);
      if (module?.rowMatrices && !isBias) return mixed.read(tensor, module, options);
      if (module?.rowMatrices || module?.shift) return readBias(checkpoint, tensor, module, options);
      const values = await checkpoint.readF32(tensor, options);
      const firstRow = options.rows?.[0] ?? 0;
      const divisors = norms.get(tensor);
      if (divisors) divide(values, divisors, firstRow);
      if (!module) return values;
      const K = checkpoint.tensors.get(tensor)!.shape[1] ?? 1;
      multiply(values, isBias ? { rows: module.rows } : module, K, firstRow);
      if (!isBias) for (const matrix of module.columnMatrices ?? []) applyToColumns(values, matrix, K);
      return values;
    },
  });
}

/** The module that a tensor is weight or bias of, if the transform changes it. */
function moduleOf({ modules }: Transform, tensor: string): { module?: ModuleTransform | undefined; isBias: boolean } {
  const [, name, kind] = /^(.*)\.(weight|bias)$/.exec(tensor) ?? [];
  return { module: name === undefined ? undefined : modules.get(name), isBias: kind === "bias" };
}

/** A whole bias as the transform makes it; changes what it is given. */
function transformBias(bias: Float32Array, { rows, rowMatrices = [], shift }: ModuleTransform): Float32Array {
  multiply(bias, { rows }, 1);
  for (const matrix of rowMatrices) applyToRows(bias, matrix, 1, 0);
  if (shift) for (let n = 0; n < bias.length; n++) bias[n]! += shift[n]!;
  return bias;
}

/** Few numbers: all are made for any of them. */
async function readBias(
  checkpoint: Checkpoint,
  tensor: string,
  module: ModuleTransform,
  { rows, signal }: ReadOptions,
): Promise<Float32Array> {
  const bias = transformBias(await checkpoint.readF32(tensor, { signal }), module);
  return rows ? bias.slice(...rows) : bias;
}

/** Rows [begin, end) of a tensor, mixed. */
interface Mixed {
  readonly tensor: string;
  readonly begin: number;
  readonly end: number;
  readonly values: Promise<Float32Array>;
}

/**
 * Weights whose rows are mixed, read a few rows at a time: with each row all of its block, of which the last
 * is kept, since the next rows asked for are mostly of it. What is in memory is a block, at most the tensor.
 */
class MixedRows {
  readonly #checkpoint: Checkpoint;
  #last: Mixed | undefined;

  constructor(checkpoint: Checkpoint) {
    this.#checkpoint = checkpoint;
  }

  async read(tensor: string, module: ModuleTransform, { rows, signal }: ReadOptions): Promise<Float32Array> {
    const [N, K = 1] = this.#checkpoint.tensors.get(tensor)!.shape as [number, number?];
    const [begin, end] = rows ?? [0, N];
    const mixed = this.#holding(tensor, begin, end) ?? this.#mix(tensor, module, [begin, end], signal);
    const values = await mixed.values;
    return values.slice((begin - mixed.begin) * K, (end - mixed.begin) * K);
  }

  #holding(tensor: string, begin: number, end: number): Mixed | undefined {
    const last = this.#last;
    return last?.tensor === tensor && last.begin <= begin && end <= last.end ? last : undefined;
  }

  #mix(tensor: string, module: ModuleTransform, asked: readonly [number, number], signal: AbortSignal | undefined): Mixed {
    const { rowMatrices = [], columnMatrices = [] } = module;
    const [begin, end] = rowMatrices.reduceRight((range, matrix) => withWholeBlocks(matrix, range), asked);
    const read = async () => {
      const values = await this.#checkpoint.readF32(tensor, { rows: [begin, end], signal });
      const K = values.length / (end - begin);
      multiply(values, module, K, begin);
      for (const matrix of columnMatrices) applyToColumns(values, matrix, K);
      for (const matrix of rowMatrices) applyToRows(values, matrix, K, begin);
      return values;
    };
    const mixed = { tensor, begin, end, values: read() };
    // What is asked for whole is not asked for again.
    if (begin < asked[0] || end > asked[1]) this.#keep(mixed);
    return mixed;
  }

  #keep(mixed: Mixed): void {
    this.#last = mixed;
    // A read that fails, or that its caller gives up, is no answer to the next one.
    mixed.values.catch(() => {
      if (this.#last === mixed) this.#last = undefined;
    });
  }
}

/**
 * Values of channels with what `share` makes of those of each `alike` consecutive ones in the place of each;
 * the last have fewer where `alike` does not divide their number.
 */
export function sharedAlike(values: Float32Array, alike: number, share: (some: Float32Array) => number): Float32Array {
  const shared = new Float32Array(values.length);
  for (let k = 0; k < values.length; k += alike) shared.fill(share(values.subarray(k, k + alike)), k, k + alike);
  return shared;
}

/**
 * Multiplies rows of a weight, or elements of a bias, by a module's factors.
 *
 * @param values f32[rows, K], changed in place; their first row is row `firstRow` of the tensor
 */
export function multiply(values: Float32Array, { rows, columns }: ModuleFactors, K: number, firstRow = 0): void {
  for (let at = 0, row = firstRow; at < values.length; at += K, row++) {
    if (rows) for (let i = at; i < at + K; i++) values[i]! *= rows[row]!;
    if (columns) for (let k = 0; k < K; k++) values[at + k]! *= columns[k]!;
  }
}

/**
 * Divides elements of a norm's tensor by a norm's divisors, in place; the first is element `first` of the
 * tensor.
 */
export function divide(values: Float32Array, divisors: Float32Array, first = 0): void {
  for (let i = 0; i < values.length; i++) values[i]! /= divisors[first + i]!;
}
