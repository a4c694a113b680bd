/**
 * `quantization_config` of compressed-tensors, `pack-quantized` and `int-quantized` (its
 * `src/compressed_tensors/quantization/quant_args.py`), read into a scheme that answers one question: how is
 * this linear module stored?
 *
 * Writing is `quantization-config-builder.ts`.
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { Float8Name } from "../formats/float8.ts";
import { describe, isJsonObject, JsonFields } from "../../json-object.ts";
import type { IntegerScheme } from "./integer-scheme.ts";
import { TargetTable } from "./module-targets.ts";
import { CONV1D_FORMATS, WEIGHT_FORMATS, type WeightType } from "./pack-quantized.ts";
import { type GroupEntry, parseCacheScheme, parseGroup, refuseUnknownKeys, requireValue } from "./quantization-group.ts";
import { MAX } from "../../architecture/model-config.ts";
import type { OnlineName, OnlineTransforms } from "../../architecture/online-transforms.ts";

/**
 * The quantization of a linear layer's input while the model runs: int8 with one scale or one per token, or
 * an 8-bit float per token.
 */
export type ActivationQuantization =
  { kind: "none" } | { kind: "static"; bits?: ActivationBits } | { kind: "dynamic" } | { kind: Float8Name };

/** Bits of integer codes with a static scale; 8 where nothing is said. */
export type ActivationBits = 4 | 8;

export interface LinearScheme {
  readonly weights: WeightType;
  /** Elements of in_features that share a scale; "channel" means all of a row. */
  readonly groupSize: number | "channel";
  readonly activations: ActivationQuantization;
}

/**
 * The cache a model was made for: "q8", static int8, for which layers carry `k_scale` and `v_scale`; "q8t",
 * int8 with a scale for each token and K/V head, which needs none; "q4", as "q8" but of codes of 4 bits,
 * which take 8 in memory; or floats.
 */
export const CACHE_SCHEMES = ["q8", "q8t", "q4", "f32"] as const;
export type CacheScheme = (typeof CACHE_SCHEMES)[number];

/** Bits of the codes of a cache with calibrated scales; undefined for one without. */
export function staticCacheBits(scheme: CacheScheme | undefined): ActivationBits | undefined {
  return scheme === "q8" ? 8 : scheme === "q4" ? 4 : undefined;
}

export interface QuantizationScheme {
  /**
   * The scheme of a module by its name (`model.layers.0.self_attn.q_proj`); undefined if it is stored as
   * floats, or as `integers` has it.
   *
   * @throws UnsupportedModelError if its format is not that of its kind, `Linear` or `Conv1D`
   */
  linear(moduleName: string): LinearScheme | undefined;
  /**
   * What the input of a module stored as floats is rounded to while it runs, simulated; nothing where this is
   * absent. No file says so: views of a checkpoint do, to tell what inputs cost without their weights.
   */
  floatLinearInput?(moduleName: string): ActivationQuantization;
  /** The same of integers that are not stored as this package writes them. */
  integers?(moduleName: string): IntegerScheme | undefined;
  readonly kvCache: CacheScheme;
  /** What the weights were transformed to be used with; undefined for nothing. */
  readonly online?: OnlineTransforms | undefined;
}

const QUANT_METHOD = "compressed-tensors";

/**
 * The key in `transform_config`, of this package's own, that says what the model computes online. In
 * compressed-tensors its values are schemes of other fields.
 */
export const ONLINE_KEY = "fptq";

/** Names in the file. */
export const ONLINE_NAMES = {
  residualHadamard: "residual_hadamard",
  downHadamard: "down_hadamard",
  residualScaling: "residual_scaling",
} as const satisfies Record<OnlineName, string>;

/** Keys beside the groups: those that are read, and those that say how a file was made or is to be run. */
const KNOWN_KEYS: ReadonlySet<string> = new Set([
  "quant_method", "quantization_status", "format", "config_groups", "ignore", "kv_cache_scheme", "sparsity_config",
  "transform_config", "moe_sparsity_config", "version", "global_compression_ratio", "run_compressed", "dequantize",
]); // prettier-ignore

/**
 * @param json the value of `quantization_config`; undefined or null if the checkpoint is not quantized
 * @param fileName for messages
 * @param isConv1D whether a module's floats are stored transposed (`storedOrder`); none by default
 * @param onNote told of keys that are not known and not used
 * @throws UnsupportedModelError for another method, format or kind of quantization, naming group and key;
 *   CheckpointError if a field has the wrong type
 */
export function parseQuantizationConfig(
  json: unknown,
  fileName: string,
  isConv1D: (moduleName: string) => boolean = () => false,
  onNote?: (note: string) => void,
): QuantizationScheme | undefined {
  if (json === undefined || json === null) return undefined;
  const where = `${fileName}: quantization_config`;
  if (!isJsonObject(json)) throw new CheckpointError(`${where}: got ${describe(json)}, need an object`);
  const fields = new JsonFields(json, where);

  const method = fields.raw("quant_method");
  if (method !== QUANT_METHOD) {
    throw new UnsupportedModelError(`${where}: quant_method: got ${describe(method)}, need "${QUANT_METHOD}", "gptq" or "awq"`);
  }
  // Without it the tensors tell: those of a model that is not compressed have other names.
  requireValue(fields, "quantization_status", fields.raw("quantization_status") ?? "compressed", "compressed");
  const online = parseOnline(fields.object("transform_config")?.object(ONLINE_KEY));
  for (const key of ["sparsity_config", "transform_config", "moe_sparsity_config"]) {
    const part = fields.object(key);
    if (key === "transform_config" && online && part?.keys().length === 1) continue;
    // A dense format says that nothing is sparse: what else it has are statistics.
    const isDense = key === "sparsity_config" && part?.raw("format") === "dense";
    const empty = isDense || (part?.keys().every((name) => isEmpty(part.raw(name))) ?? true);
    if (!empty) throw new UnsupportedModelError(`${where}: ${key}: got ${describe(fields.raw(key))}, need an empty one`);
  }
  const unknown = fields.keys().filter((key) => !KNOWN_KEYS.has(key) && !isEmpty(fields.raw(key)));
  if (unknown.length > 0) onNote?.(`${where}: keys not known and not used: ${describe(unknown).slice(1, -1)}`);
  const groups = fields.object("config_groups");
  if (!groups) throw new CheckpointError(`${where}: config_groups is missing`);

  const targets = new TargetTable<GroupEntry>(where, isConv1D);
  for (const name of groups.keys()) {
    const group = groups.object(name);
    if (!group) throw new CheckpointError(`${groups.where}: ${name}: got nothing, need an object`);
    const scheme = parseGroup(group, fields.raw("format"), online !== undefined);
    for (const target of group.strings("targets")) targets.add(target, scheme, group.where);
  }
  for (const pattern of fields.strings("ignore", [])) targets.ignore(pattern);
  const kvCache = parseCacheScheme(fields.object("kv_cache_scheme"));
  const entryOf = (name: string) => {
    const entry = targets.find(name);
    if (!entry || entry.conv1D === isConv1D(name)) return entry;
    const need = (entry.conv1D ? WEIGHT_FORMATS : CONV1D_FORMATS)[entry.scheme?.weights ?? "int4"];
    throw new UnsupportedModelError(`${where}: ${name}: format: got "${entry.format}", supported: "${need}"`);
  };
  const linear = (name: string) => entryOf(name)?.scheme;
  return { linear, integers: (name) => entryOf(name)?.integers, kvCache, ...(online && { online }) };
}

function parseOnline(fields: JsonFields | undefined): OnlineTransforms | undefined {
  if (!fields) return undefined;
  refuseUnknownKeys(fields, new Set(Object.values(ONLINE_NAMES)));
  const size = (key: string) => (fields.has(key) ? fields.positiveInteger(key, MAX.ffn) : undefined);
  const { residualHadamard, downHadamard, residualScaling } = ONLINE_NAMES;
  return {
    residualHadamard: size(residualHadamard),
    downHadamard: size(downHadamard),
    residualScaling: fields.boolean(residualScaling, false),
  };
}

function isEmpty(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.values(value).every(isEmpty);
  return value === undefined || value === null;
}
