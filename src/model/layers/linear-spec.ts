/** How a linear layer is stored and will run: read before any memory exists, so that its size is known. */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { isFloat8 } from "../../checkpoint/formats/float8.ts";
import type { KeptForm } from "../../checkpoint/quantization/kept-form.ts";
import { lowRank } from "../../checkpoint/quantization/low-rank.ts";
import type { ActivationQuantization } from "../../checkpoint/quantization/quantization-config.ts";
import type { LinearModule } from "../../architecture/description.ts";
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { Precision, WeightPrecision } from "../precision.ts";
import { type ActivationScale, paddedInputs } from "./linear.ts";
import { paddedRank } from "./low-rank.ts";
import type { InputRounding } from "./rounded-input.ts";
import { type WeightForm, weightForm } from "./weight-forms.ts";

/** int8 activations in a vector. */
const VECTOR = 16;

/** A module of the checkpoint whose rows are part of a fused layer. */
export type ModulePart = Pick<LinearModule, "name" | "outFeatures" | "inFeatures" | "bias">;

/** Floats, to be rounded if a product of integers is wanted, or codes that are moved as they are. */
export type StoredForm =
  | { readonly kind: "float" }
  /** `order`: which column of the input each column is (`Checkpoint.readKeptOrder`). */
  | { readonly kind: "kept"; readonly form: KeptForm; readonly order?: Int32Array | undefined };

/** What weights are multiplied with; the weights are then floats, in their own form, or int8 by channels. */
export type RunForm =
  | { readonly kind: "f32"; readonly rounding?: InputRounding | undefined }
  | { readonly kind: "qd8"; readonly activation: ActivationScale; readonly isRefined?: true }
  | { readonly kind: "qd14" };

/** Modules one after another that are stored and run alike. */
export interface ProductSpec {
  readonly parts: readonly ModulePart[];
  readonly N: number;
  readonly stored: StoredForm;
  readonly run: RunForm;
}

export interface LinearSpec {
  readonly parts: readonly ModulePart[];
  readonly N: number;
  readonly K: number;
  readonly bias: boolean;
  readonly products: readonly ProductSpec[];
  /** Ranks of the parts' low-rank terms, 0 for one that has none. */
  readonly ranks: readonly number[];
}

/** What a caller chooses. */
export interface LinearChoice {
  /** Undefined follows the checkpoint; only the head has a choice. */
  readonly precision?: Precision | undefined;
  /** Where the checkpoint does not say how activations are quantized; floats by default. */
  readonly weights?: WeightPrecision | undefined;
  /** Whether inputs that nobody calibrated are multiplied twice, as int8 and as what that leaves of them. */
  readonly refines?: boolean;
}

/**
 * @param modules that share an input, in fused order
 * @throws CheckpointError for missing tensors or wrong shapes; UnsupportedModelError for forms the kernels do
 *   not run
 */
export async function readLinearSpec(
  checkpoint: Checkpoint,
  modules: readonly ModulePart[],
  choice: LinearChoice = {},
): Promise<LinearSpec> {
  const K = modules[0]!.inFeatures;
  const products: ProductSpec[] = [];
  for (const part of modules) {
    if (part.bias) checkShape(checkpoint, `${part.name}.bias`, [part.outFeatures]);
    const form = storedForm(checkpoint, part, choice);
    const run = await runForm(checkpoint, part, form, choice);
    const stored = await withOrder(checkpoint, part, form, run);
    const last = products.at(-1);
    if (last && sameForm(last, { stored, run })) {
      products[products.length - 1] = { ...last, parts: [...last.parts, part], N: last.N + part.outFeatures };
    } else {
      products.push({ parts: [part], N: part.outFeatures, stored, run });
    }
  }
  checkRoundings(checkpoint, products);
  const ranks = modules.map((part) => lowRank(checkpoint.tensors, part));
  checkInt4(checkpoint, products, ranks);
  return {
    parts: modules,
    N: products.reduce((sum, { N }) => sum + N, 0),
    K,
    bias: modules.some((part) => part.bias),
    products,
    ranks,
  };
}

/** Floats are cut off in their place for inputs of 4 bits, where a low-rank term could not read them. */
function checkInt4({ name }: Checkpoint, products: readonly ProductSpec[], ranks: readonly number[]): void {
  const int4 = products.find(({ run }) => run.kind === "qd8" && run.activation.kind === "static" && run.activation.bits === 4);
  if (!int4 || ranks.every((rank) => rank === 0)) return;
  throw new UnsupportedModelError(
    `${name}: ${int4.parts[0]!.name}: got a low-rank term beside inputs of 4 bits, need inputs of 8`,
  );
}

/** The form of a product's packed weights. */
export function packedForm({ stored, run }: Pick<ProductSpec, "stored" | "run">): WeightForm {
  if (run.kind === "f32") return "f32w";
  if (run.kind === "qd14" || stored.kind === "float") return "qc8w";
  return stored.form.form;
}

/** k that share a scale, or of a superblock; K, all that there are, where one scale is for a channel. */
export function storedGroup({ form }: Extract<StoredForm, { kind: "kept" }>, K: number): number {
  if (form.form === "qc8w") return K;
  return form.form === "qb4mw" ? form.superblock : form.groupSize;
}

function sameForm(a: Pick<ProductSpec, "stored" | "run">, b: Pick<ProductSpec, "stored" | "run">): boolean {
  const form = ({ stored, run }: Pick<ProductSpec, "stored" | "run">) => JSON.stringify([{ ...stored, order: undefined }, run]);
  return form(a) === form(b) && sameOrder(orderOf(a), orderOf(b));
}

function sameOrder(a: Int32Array | undefined, b: Int32Array | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.every((column, k) => column === b[k]));
}

/** The order of a product's columns, if it is not their own. */
export function orderOf({ stored }: Pick<ProductSpec, "stored">): Int32Array | undefined {
  return stored.kind === "kept" ? stored.order : undefined;
}

/** What runs as floats is read as floats where it can be, each column in its own place. */
async function withOrder(checkpoint: Checkpoint, { name }: ModulePart, stored: StoredForm, run: RunForm): Promise<StoredForm> {
  if (stored.kind === "float") return stored;
  if (run.kind === "f32" && checkpoint.tensors.has(`${name}.weight`)) return { kind: "float" };
  const order = await checkpoint.readKeptOrder?.(name);
  return order ? { ...stored, order } : stored;
}

function storedForm(checkpoint: Checkpoint, part: ModulePart, { weights }: LinearChoice): StoredForm {
  const { name, outFeatures: N, inFeatures: K } = part;
  const form = checkpoint.keptForm(name);
  const tensor = `${name}.weight`;
  // What has a tensor of its own can be read as floats too.
  if (!form || (weights !== "kept" && checkpoint.tensors.has(tensor))) {
    checkShape(checkpoint, tensor, [N, K]);
    return { kind: "float" };
  }
  const stored = { kind: "kept", form } as const;
  const G = storedGroup(stored, K);
  const { longestGroup, groupMultiple = VECTOR } = weightForm(form.form);
  if (!(G >= 1 && K % G === 0))
    throw new CheckpointError(`${checkpoint.name}: ${name}: got groups of ${G}, need a divisor of its ${K} in_features`);
  // One group of the whole row is filled up in memory (`paddedInputs`); groups within a row are as they are.
  if (G % groupMultiple !== 0 && !(G === K && groupMultiple === VECTOR)) {
    throw new UnsupportedModelError(
      `${checkpoint.name}: ${name}: got groups of ${G}, need a multiple of ${groupMultiple}, or one scale per channel`,
    );
  }
  if (G > longestGroup)
    throw new UnsupportedModelError(`${checkpoint.name}: ${name}: got groups of ${G}, need at most ${longestGroup}`);
  return stored;
}

async function runForm(
  checkpoint: Checkpoint,
  part: ModulePart,
  stored: StoredForm,
  { precision, weights, refines }: LinearChoice,
): Promise<RunForm> {
  const { name } = part;
  if (stored.kind === "float") {
    if (precision === "q8") return { kind: "qd14" };
    return { kind: "f32", rounding: await readRounding(checkpoint, part, checkpoint.quantization?.floatLinearInput?.(name)) };
  }
  const { quantization } = checkpoint;
  const input = (quantization?.linear(name) ?? quantization?.integers?.(name))?.activations;
  const kind = input?.kind ?? "none";
  if (isFloat8(kind) && precision !== "f32") return { kind: "f32", rounding: await readRounding(checkpoint, part, input) };
  // Where nothing is said of activations, weights run as floats unless they are to be kept or int8 is asked
  // for.
  const isFloat = precision === undefined && kind === "none" && weights !== "kept";
  if (isFloat8(kind) || precision === "f32" || isFloat) return { kind: "f32" };
  if (input?.kind === "static") return { kind: "qd8", activation: await readActivation(checkpoint, part, input) };
  // 14 bits cost 8-bit weights of a channel no more than 8 (docs/decisions/head-input.md).
  if (kind === "none" && stored.form.form === "qc8w") return { kind: "qd14" };
  return { kind: "qd8", activation: { kind: "dynamic" }, ...(kind === "none" && refines && { isRefined: true }) };
}

async function readActivation(
  checkpoint: Checkpoint,
  { name }: ModulePart,
  input: Extract<ActivationQuantization, { kind: "static" | "dynamic" }>,
): Promise<ActivationScale> {
  if (input.kind === "dynamic") return { kind: "dynamic" };
  return { kind: "static", scale: await readScale(checkpoint, `${name}.input_scale`), ...(input.bits === 4 && { bits: 4 }) };
}

/** What the input of a product in floats is rounded to. */
async function readRounding(
  checkpoint: Checkpoint,
  part: ModulePart,
  input: ActivationQuantization | undefined,
): Promise<InputRounding | undefined> {
  if (input === undefined || input.kind === "none") return undefined;
  const { kind } = input;
  const { name, inFeatures: K } = part;
  if (K % VECTOR !== 0)
    throw new UnsupportedModelError(`${name}: got ${K} in_features with ${kind} inputs, need a multiple of ${VECTOR}`);
  return input.kind === "static" || input.kind === "dynamic" ? readActivation(checkpoint, part, input) : { kind: input.kind };
}

/** A layer's input is rounded in its place, where products that want it otherwise could not read it. */
function checkRoundings({ name }: Checkpoint, products: readonly ProductSpec[]): void {
  const roundings = products.map(({ run }) => (run.kind === "f32" ? run.rounding : undefined));
  if (new Set(roundings.map((rounding) => JSON.stringify(rounding))).size === 1) return;
  const modules = products.flatMap(({ parts }) => parts.map((part) => part.name)).join(", ");
  throw new UnsupportedModelError(
    `${name}: ${modules}: got inputs in ${roundings.map((rounding) => rounding?.kind ?? "other forms").join(", ")}, need one rounding of all that share an input`,
  );
}

/** @throws CheckpointError if the tensor is missing or has another shape */
export function checkShape(checkpoint: Checkpoint, tensor: string, shape: readonly number[]): void {
  const info = checkpoint.tensors.get(tensor);
  if (!info) throw new CheckpointError(`${checkpoint.name}: no tensor ${tensor}`);
  if (info.shape.length !== shape.length || info.shape.some((length, i) => length !== shape[i])) {
    throw new CheckpointError(`${info.file}: ${tensor} has shape [${info.shape}], need [${shape}]`);
  }
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

/** Whether a product's kernels, or that which orders its input, are of the third module. */
export function isKeptProduct(product: ProductSpec): boolean {
  return orderOf(product) !== undefined || (weightForm(packedForm(product)).isKept ?? false);
}

/** in_features of a product as its kernels take them. */
export function productInputs({ run }: ProductSpec, K: number): number {
  return run.kind === "f32" ? K : paddedInputs(K);
}

/** Whether a layer's input is multiplied in two parts. */
export function isRefinedLayer({ products }: LinearSpec): boolean {
  return products.some(({ run }) => run.kind === "qd8" && run.isRefined);
}
