/** The description of a checkpoint by `inspect`, as data: its JSON, and the contents of its tables. */
import { type ModelLocation, readText } from "../checkpoint/byte-source.ts";
import type { Checkpoint, TensorInfo } from "../checkpoint/checkpoint.ts";
import type { Float8Name } from "../checkpoint/formats/float8.ts";
import { simulatedActivations, simulationNote } from "../checkpoint/quantization/simulated-activations.ts";
import { isJsonObject, parseJsonObject } from "../json-object.ts";
import { WEIGHT_BITS, type WeightType } from "../checkpoint/quantization/pack-quantized.ts";
import type { CacheScheme } from "../checkpoint/quantization/quantization-config.ts";
import {
  blockModules,
  type ByInput,
  describeModel as describeArchitecture,
  type InputName,
  type LinearInput,
} from "../architecture/description.ts";
import { familyOf } from "../architecture/families.ts";
import { CheckpointError } from "../errors.ts";
import { REPORT_FILE } from "../quantizer/write/model-files.ts";

export interface ModelDescription {
  readonly name: string;
  readonly format: "safetensors" | "gguf";
  readonly architecture: string;
  /**
   * Weights of the model, not of its storage: a packed word of eight counts as eight; scales count as none.
   */
  readonly parameters: number;
  readonly bytes: number;
  /** All stored bytes, scales included, over the parameters. */
  readonly bits_per_weight: number;
  /** By type as stored, of packed weights their own: weights, and bits of each with its scales. */
  readonly weight_types: readonly { readonly dtype: string; readonly parameters: number; readonly bits: number }[];
  readonly context_length: number;
  readonly quantized: {
    /** The fewest of any linear layer. */
    weight_bits: number;
    weight_types: WeightType[];
    group_sizes: (number | "channel")[];
    kv_cache: CacheScheme;
    /** The parts computed by imitation, in words; null if there are none. */
    simulated: string | null;
  } | null;
  /** What the reader noticed (`Checkpoint.notes`). */
  readonly notes: readonly string[];
  readonly policy: readonly ({ readonly layer: number } & ByInput<InputPolicy>)[];
  readonly tensors: readonly { name: string; dtype: string; shape: readonly number[]; bytes: number; file: string }[];
}

/**
 * The quantization of a linear layer's input; null where the layer is stored as floats, or has no stored
 * scale.
 */
export interface InputPolicy {
  readonly policy: "static" | "lae+static" | "dynamic" | Float8Name | "none" | null;
  readonly input_scale: number | null;
}

/** Tensors that describe other tensors, and hold no weights of their own. */
const SIDE_TENSOR =
  /(\.(weight_scale|weight_minimum|weight_multiplier|weight_shape|weight_zero_point|input_scale|input_zero_point|k_scale|v_scale)|^rope_freqs\.weight)$/;

/**
 * @param equalized names of the layer inputs that were equalized (`readEqualizedInputs`); the tensors alone
 *   do not show it
 */
export async function describeModel(checkpoint: Checkpoint, equalized: ReadonlySet<string>): Promise<ModelDescription> {
  const tensors = [...checkpoint.tensors.values()];
  const bytes = sum(tensors.map((tensor) => tensor.bytes));
  const parameters = sum(tensors.map((tensor) => parameterCount(checkpoint, tensor)));
  return {
    name: checkpoint.name,
    format: checkpoint.format,
    architecture: checkpoint.config.architecture,
    parameters,
    bytes,
    bits_per_weight: (8 * bytes) / parameters,
    weight_types: describeTypes(checkpoint),
    context_length: checkpoint.config.contextLength,
    quantized: describeQuantization(checkpoint),
    notes: checkpoint.notes,
    policy: await describePolicy(checkpoint, equalized),
    tensors: tensors.map(({ name, type, shape, bytes: size, file }) => ({ name, dtype: type, shape, bytes: size, file })),
  };
}

/** The most weights first; bytes of `SIDE_TENSOR`s are their module's. */
function describeTypes(checkpoint: Checkpoint): ModelDescription["weight_types"] {
  const tensors = [...checkpoint.tensors.values()];
  const sideBytes = new Map<string, number>();
  for (const { name, bytes } of tensors) {
    const module = name.replace(SIDE_TENSOR, "");
    if (module !== name) sideBytes.set(module, (sideBytes.get(module) ?? 0) + bytes);
  }
  const types = new Map<string, { parameters: number; bytes: number }>();
  for (const tensor of tensors) {
    const parameters = parameterCount(checkpoint, tensor);
    if (parameters === 0) continue;
    const scheme = packedScheme(checkpoint, tensor);
    const dtype = scheme?.weights.toUpperCase() ?? tensor.type;
    const bytes = tensor.bytes + (sideBytes.get(moduleOf(tensor.name)) ?? 0);
    const found = types.get(dtype) ?? { parameters: 0, bytes: 0 };
    types.set(dtype, { parameters: found.parameters + parameters, bytes: found.bytes + bytes });
  }
  return [...types]
    .map(([dtype, { parameters, bytes }]) => ({ dtype, parameters, bits: (8 * bytes) / parameters }))
    .toSorted((a, b) => b.parameters - a.parameters);
}

const PACKED = ".weight_packed";
const moduleOf = (tensor: string) => tensor.replace(/\.weight(_packed)?$/, "");

/** The scheme of weights of which several are in a word. */
function packedScheme({ quantization }: Checkpoint, { name }: TensorInfo) {
  return name.endsWith(PACKED) ? quantization?.linear(moduleOf(name)) : undefined;
}

function parameterCount(checkpoint: Checkpoint, tensor: TensorInfo): number {
  const { config } = checkpoint;
  const { name, shape } = tensor;
  const isSecondCopy = config.tiedEmbedding && name === `${familyOf(config.architecture).names.head}.weight`;
  if (isSecondCopy || SIDE_TENSOR.test(name)) return 0;
  const elements = shape.reduce((product, length) => product * length, 1);
  const scheme = packedScheme(checkpoint, tensor);
  return scheme ? elements * (32 / WEIGHT_BITS[scheme.weights]) : elements;
}

function describeQuantization(checkpoint: Checkpoint): ModelDescription["quantized"] {
  const { quantization } = checkpoint;
  const schemes = blockModules(describeArchitecture(checkpoint.config)).flatMap(({ name }) => quantization?.linear(name) ?? []);
  if (!quantization || schemes.length === 0) return null;
  return {
    weight_bits: Math.min(...schemes.map(({ weights }) => WEIGHT_BITS[weights])),
    weight_types: [...new Set(schemes.map(({ weights }) => weights))],
    group_sizes: [...new Set(schemes.map(({ groupSize }) => groupSize))],
    kv_cache: quantization.kvCache,
    simulated: simulatedActivations(checkpoint).map(simulationNote).join("; ") || null,
  };
}

async function describePolicy(checkpoint: Checkpoint, equalized: ReadonlySet<string>): Promise<ModelDescription["policy"]> {
  if (!checkpoint.quantization) return [];
  const layers: ModelDescription["policy"][number][] = [];
  for (const { layer, inputs } of describeArchitecture(checkpoint.config).blocks) {
    const policies: [InputName, InputPolicy][] = [];
    for (const input of inputs) policies.push([input.name, await inputPolicy(checkpoint, input, equalized)]);
    layers.push({ layer, ...(Object.fromEntries(policies) as unknown as ByInput<InputPolicy>) });
  }
  return layers;
}

async function inputPolicy(
  checkpoint: Checkpoint,
  { modules, path }: LinearInput,
  equalized: ReadonlySet<string>,
): Promise<InputPolicy> {
  const found = await describeInput(checkpoint, modules[0]!.name);
  return found.policy === "static" && equalized.has(path) ? { ...found, policy: "lae+static" } : found;
}

const MAX_REPORT_BYTES = 64 * 2 ** 20;

/** Layer inputs whose policy in the quantizer's report is "lae+static"; none where there is no report. */
export async function readEqualizedInputs(location: ModelLocation): Promise<ReadonlySet<string>> {
  if (location.kind !== "folder" || !(await location.folder.list()).includes(REPORT_FILE)) return new Set();
  const file = await location.folder.open(REPORT_FILE);
  try {
    const report = parseJsonObject(await readText(file, MAX_REPORT_BYTES, (message) => new CheckpointError(message)), file.name);
    const layers = Array.isArray(report["layers"]) ? (report["layers"] as unknown[]) : [];
    const entries = layers.filter(isJsonObject).filter(({ policy }) => policy === "lae+static");
    return new Set(entries.map(({ name }) => String(name)));
  } finally {
    await file.close();
  }
}

async function describeInput(checkpoint: Checkpoint, module: string): Promise<InputPolicy> {
  const { quantization } = checkpoint;
  const scheme = quantization?.linear(module) ?? quantization?.integers?.(module);
  if (!scheme) return { policy: null, input_scale: null };
  const scaleName = `${module}.input_scale`;
  const stored = scheme.activations.kind === "static" && checkpoint.tensors.has(scaleName);
  return { policy: scheme.activations.kind, input_scale: stored ? (await checkpoint.readF32(scaleName))[0]! : null };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
