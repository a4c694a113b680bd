/**
 * A transform of a float model moves factors from one tensor to another without changing what the model
 * computes: equalization (LAE, SmoothQuant, AWQ; `equalize.ts`) and folds (`fold.ts`). What it does to a
 * tensor is one of two things:
 *
 *   module   W[n, k] * rows[n] * columns[k], bias[n] * rows[n]     of a linear layer
 *   norm     w[k] / s[k], b[k] / s[k]                              of a norm
 *
 * A view of the checkpoint applies it to what is read, so nothing behind it knows that there is one.
 */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { checkpointView } from "../../checkpoint/checkpoint-view.ts";

/** What a weight's rows, with its bias, and its columns are multiplied by. */
export interface ModuleFactors {
  readonly rows?: Float32Array | undefined; // f32[N]
  readonly columns?: Float32Array | undefined; // f32[K]
}

export interface Transform {
  /** By name of the linear module. */
  readonly modules: ReadonlyMap<string, ModuleFactors>;
  /** What the tensors of norms, weights and biases, are divided by: f32[E] by tensor name. */
  readonly norms: ReadonlyMap<string, Float32Array>;
}

/** Makes one transform of several. Factors that two of them have for one thing are multiplied. */
export function joinTransforms(transforms: readonly Transform[]): Transform {
  const modules = new Map<string, ModuleFactors>();
  const norms = new Map<string, Float32Array>();
  for (const transform of transforms) {
    for (const [name, { rows, columns }] of transform.modules) {
      const before = modules.get(name);
      modules.set(name, { rows: product(before?.rows, rows), columns: product(before?.columns, columns) });
    }
    for (const [tensor, divisors] of transform.norms) norms.set(tensor, product(norms.get(tensor), divisors)!);
  }
  return { modules, norms };
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
  if (transform.modules.size === 0 && transform.norms.size === 0) return checkpoint;
  return checkpointView(checkpoint, {
    keptForm: () => undefined,
    async readF32(tensor, options = {}) {
      const values = await checkpoint.readF32(tensor, options);
      const firstRow = options.rows?.[0] ?? 0;
      const divisors = transform.norms.get(tensor);
      if (divisors) divide(values, divisors, firstRow);
      const factors = factorsOf(transform, tensor);
      if (factors) multiply(values, factors, checkpoint.tensors.get(tensor)!.shape[1] ?? 1, firstRow);
      return values;
    },
  });
}

/** A bias has what a weight has rows of. */
function factorsOf({ modules }: Transform, tensor: string): ModuleFactors | undefined {
  const [, module, kind] = /^(.*)\.(weight|bias)$/.exec(tensor) ?? [];
  const found = module === undefined ? undefined : modules.get(module);
  return found && kind === "bias" ? { rows: found.rows } : found;
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
