/** How a linear layer is stored and will run: read before any memory exists, so that its size is known. */
import { NULL } from "../../kernels/pointer.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { type Float8Name, isFloat8 } from "../../checkpoint/formats/float8.ts";
import { lowRank } from "../../checkpoint/quantization/low-rank.ts";
import { type WeightType, wordsOfRow } from "../../checkpoint/quantization/pack-quantized.ts";
import type { LinearScheme } from "../../checkpoint/quantization/quantization-config.ts";
import type { LinearModule } from "../../architecture/description.ts";
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { Planner } from "../workspace.ts";
import { type ActivationScale, type Linear, paddedInputs } from "./linear.ts";
import { paddedRank, planLowRank } from "./low-rank.ts";
import type { Precision } from "../precision.ts";

/** A module of the checkpoint whose rows are part of a fused layer. */
export type ModulePart = Pick<LinearModule, "name" | "outFeatures" | "inFeatures" | "bias">;

export type StoredForm = { kind: "float" } | { kind: "packed"; weights: WeightType; groupSize: number };

export interface LinearSpec {
  readonly parts: readonly ModulePart[];
  readonly N: number;
  readonly K: number;
  readonly bias: boolean;
  readonly stored: StoredForm;
  /** Ranks of the parts' low-rank terms, 0 for one that has none. */
  readonly ranks: readonly number[];
  readonly run:
    | { kind: "f32"; inputFormat?: Float8Name }
    | { kind: "w4a8"; activation: ActivationScale }
    | { kind: "w8a8"; activation: ActivationScale }
    | { kind: "w8a14" };
}

/**
 * @param modules that share an input, in fused order; they must be stored alike
 * @param precision asked for by the caller; undefined follows the checkpoint (only the head has a choice)
 * @throws CheckpointError for missing tensors or wrong shapes; UnsupportedModelError for forms the kernels do
 *   not run
 */
export async function readLinearSpec(
  checkpoint: Checkpoint,
  modules: readonly ModulePart[],
  precision?: Precision,
): Promise<LinearSpec> {
  const K = modules[0]!.inFeatures;
  const N = modules.reduce((sum, part) => sum + part.outFeatures, 0);
  const bias = modules.some((part) => part.bias);
  const schemes = modules.map(({ name }) => checkpoint.quantization?.linear(name));
  const scheme = schemes[0];
  const fused = `${modules.map(({ name }) => name).join(", ")}`;
  if (schemes.some((other) => !sameScheme(scheme, other))) {
    throw new UnsupportedModelError(`${checkpoint.name}: ${fused} share an input but are quantized in different ways`);
  }
  const stored = storedForm(scheme, K, fused);
  for (const part of modules) checkShapes(checkpoint, part, stored);
  const ranks = modules.map((part) => lowRank(checkpoint.tensors, part));
  const common = { parts: modules, N, K, bias, stored, ranks };

  if (stored.kind === "float") {
    return { ...common, run: { kind: precision === "q8" ? "w8a14" : "f32" } };
  }
  const { kind } = scheme!.activations;
  if (isFloat8(kind) && precision !== "f32") {
    if (K % 16 === 0) return { ...common, run: { kind: "f32", inputFormat: kind } };
    throw new UnsupportedModelError(`${fused}: got ${K} in_features with ${kind} inputs, need a multiple of 16`);
  }
  if (isFloat8(kind)) return { ...common, run: { kind: "f32" } };
  // Weight-only schemes run on dequantized weights, except where int8 is asked for or, for the head, stored.
  const weightOnly = kind === "none";
  if (precision === "f32" || (weightOnly && precision !== "q8")) return { ...common, run: { kind: "f32" } };
  // Where a scheme says nothing of activations, 14 bits cost 8-bit weights no more than 8
  // (docs/decisions/head-input.md).
  if (weightOnly && stored.weights === "int8") return { ...common, run: { kind: "w8a14" } };
  const activation = weightOnly ? ({ kind: "dynamic" } as const) : await readActivation(checkpoint, modules, scheme!);
  return { ...common, run: { kind: stored.weights === "int8" ? "w8a8" : "w4a8", activation } };
}

function sameScheme(a: LinearScheme | undefined, b: LinearScheme | undefined): boolean {
  if (!a || !b) return a === b;
  return a.weights === b.weights && a.groupSize === b.groupSize && a.activations.kind === b.activations.kind;
}

function storedForm(scheme: LinearScheme | undefined, K: number, what: string): StoredForm {
  if (!scheme) return { kind: "float" };
  const groupSize = scheme.groupSize === "channel" ? K : scheme.groupSize;
  if (K % groupSize !== 0) throw new CheckpointError(`${what}: group size ${groupSize} does not divide in_features ${K}`);
  // One group of the whole row is filled up in memory (`paddedInputs`); groups within a row are as they are.
  if (groupSize !== K && groupSize % 16 !== 0) {
    throw new UnsupportedModelError(`${what}: group size ${groupSize}, need a multiple of 16 or one scale per channel`);
  }
  if (scheme.weights === "int8" && groupSize !== K) {
    throw new UnsupportedModelError(`${what}: 8-bit weights in groups of ${groupSize}, need one scale per channel`);
  }
  return { kind: "packed", weights: scheme.weights, groupSize };
}

function checkShapes(
  checkpoint: Checkpoint,
  { name, outFeatures: N, inFeatures: K, bias }: ModulePart,
  stored: StoredForm,
): void {
  if (bias) checkShape(checkpoint, `${name}.bias`, [N]);
  if (stored.kind === "float") return checkShape(checkpoint, `${name}.weight`, [N, K]);
  checkShape(checkpoint, `${name}.weight_packed`, [N, wordsOfRow(K, stored.weights)]);
  checkShape(checkpoint, `${name}.weight_scale`, [N, K / stored.groupSize]);
}

/** @throws CheckpointError if the tensor is missing or has another shape */
export function checkShape(checkpoint: Checkpoint, tensor: string, shape: readonly number[]): void {
  const info = checkpoint.tensors.get(tensor);
  if (!info) throw new CheckpointError(`${checkpoint.name}: no tensor ${tensor}`);
  if (info.shape.length !== shape.length || info.shape.some((length, i) => length !== shape[i])) {
    throw new CheckpointError(`${info.file}: ${tensor} has shape [${info.shape}], need [${shape}]`);
  }
}

async function readActivation(
  checkpoint: Checkpoint,
  modules: readonly ModulePart[],
  scheme: LinearScheme,
): Promise<ActivationScale> {
  if (scheme.activations.kind !== "static") return { kind: "dynamic" };
  const scales = await Promise.all(modules.map(({ name }) => readScale(checkpoint, `${name}.input_scale`)));
  if (scales.some((scale) => scale !== scales[0])) {
    throw new UnsupportedModelError(
      `${checkpoint.name}: ${modules.map(({ name }) => name).join(", ")} share an input but have input scales ${scales.join(", ")}`,
    );
  }
  return { kind: "static", scale: scales[0]! };
}

/** A one-element scale. @throws CheckpointError unless it is a positive number */
export async function readScale(checkpoint: Checkpoint, tensor: string): Promise<number> {
  const info = checkpoint.tensors.get(tensor);
  if (!info || info.shape.reduce((product, length) => product * length, 1) !== 1) {
    throw new CheckpointError(
      `${checkpoint.name}: need a tensor ${tensor} of one element, found ${info ? `[${info.shape}]` : "none"}`,
    );
  }
  const scale = (await checkpoint.readF32(tensor))[0]!;
  if (!(scale > 0 && scale < Infinity)) throw new CheckpointError(`${info.file}: ${tensor} is ${scale}, need a positive number`);
  return scale;
}

/** The rank of all parts together, as they are fused. */
export function totalRank({ ranks }: LinearSpec): number {
  return ranks.reduce((sum, rank) => sum + paddedRank(rank), 0);
}

/** Reserves memory for a layer of this spec. */
export function planLinear(planner: Planner, spec: LinearSpec): Linear {
  const rank = totalRank(spec);
  const what = spec.parts.map(({ name }) => name).join(", ");
  const lowRankTerm = rank > 0 && { lowRank: planLowRank(planner, spec.N, spec.K, rank, what) };
  return { ...planWeights(planner, spec), ...lowRankTerm };
}

function planWeights({ plan, sizes }: Planner, spec: LinearSpec): Linear {
  const { N, K: inFeatures, run } = spec;
  const K = run.kind === "f32" ? inFeatures : paddedInputs(inFeatures);
  const what = spec.parts.map(({ name }) => name).join(", ");
  const bias = spec.bias ? plan.reserve("weights", 4 * N, `bias of ${what}`) : NULL;
  const reserve = (bytes: number) => plan.reserve("weights", bytes >>> 0, what);
  switch (run.kind) {
    case "f32":
      return {
        kind: "f32",
        N,
        K,
        inFeatures,
        bias,
        weights: reserve(sizes.packed_bytes_f32w(N, K)),
        inputFormat: run.inputFormat,
      };
    case "w8a14":
      return { kind: "w8a14", N, K, inFeatures, bias, weights: reserve(sizes.packed_bytes_qc8w(N, K)) };
    case "w8a8":
      return {
        kind: "w8a8",
        N,
        K,
        inFeatures,
        bias,
        weights: reserve(sizes.packed_bytes_qc8w(N, K)),
        activation: run.activation,
      };
    case "w4a8": {
      const { groupSize: stored, weights: type } = spec.stored as Extract<StoredForm, { kind: "packed" }>;
      const groupSize = stored === inFeatures ? K : stored;
      return {
        kind: "w4a8",
        N,
        K,
        inFeatures,
        bias,
        codes: type === "fp4" ? "fp4" : "int4",
        groupSize,
        weights: reserve(sizes.packed_bytes_qb4w(N, K, groupSize)),
        activation: run.activation,
      };
    }
  }
}
