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
import { TWO_LEVEL_GROUP } from "./two-level.ts";
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
/** The key in `input_activations` that says which 8-bit float; "e4m3" where it is absent. */
export const FLOAT_FORMAT_KEY = "float_format";

/**
 * The key in `kv_cache_scheme`, of this package's own, that gives each K/V head of a token a scale: in
 * compressed-tensors "token" does not say of what.
 */
export const PER_HEAD_KEY = "per_kv_head";

/**
 * The key in `transform_config`, of this package's own, that says what the model computes online. In
 * compressed-tensors its values are schemes of other fields.
 */
export const ONLINE_KEY = "fptq";
/**
 * The key in `weights` of every group of such a model, `true`: readers that pass over `transform_config`
 * refuse it, rather than compute something else.
 */
export const TRANSFORMED_KEY = "online_transforms";

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
const GROUP_KEYS: ReadonlySet<string> = new Set(["targets", "weights", "input_activations", "output_activations", "format"]);
const ARGS_KEYS: ReadonlySet<string> = new Set([
  "num_bits", "type", "symmetric", "group_size", "strategy", "block_structure", "dynamic", "actorder",
  "scale_dtype", "zp_dtype", "observer", "observer_kwargs",
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

  const targets = new TargetTable<Entry>(where, isConv1D);
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

/** What a group says of a module: one of the two schemes. */
interface Entry {
  readonly format: string;
  readonly scheme?: LinearScheme;
  readonly integers?: IntegerScheme;
  /** Whether its format is one for modules whose floats are stored transposed. */
  readonly conv1D: boolean;
}

/** Formats of an int8 a weight: the second is what the first was called. */
const INT8_FORMATS: ReadonlySet<unknown> = new Set(["int-quantized", "naive-quantized"]);

function parseGroup(group: JsonFields, globalFormat: unknown, isTransformed: boolean): Entry {
  refuseUnknownKeys(group, GROUP_KEYS);
  const format = group.raw("format") ?? globalFormat;
  const is = (weights: WeightType) => format === WEIGHT_FORMATS[weights] || format === CONV1D_FORMATS[weights];
  const packing = is("fp4") ? "fp4" : is("int4m") ? "int4m" : "int4";
  const conv1D = format === CONV1D_FORMATS[packing];
  const int8 = INT8_FORMATS.has(format);
  if (packing === "int4" && !conv1D && !int8) requireValue(group, "format", format, WEIGHT_FORMATS.int4);
  requireValue(group, "output_activations", group.raw("output_activations"), undefined);
  const weights = group.object("weights");
  if (!weights) throw new UnsupportedModelError(`${group.where}: weights: got nothing, need quantized weights`);
  requireValue(weights, TRANSFORMED_KEY, weights.raw(TRANSFORMED_KEY) ?? false, isTransformed);
  const activations = parseActivations(group.object("input_activations"));
  const common = { format: String(format), conv1D };
  if (packing === "int4" && !conv1D && (int8 || !isPlain(weights))) {
    return { ...common, integers: { ...parseIntegers(weights), layout: int8 ? "int8" : "packed", activations } };
  }
  const stored = packing === "int4m" ? parseTwoLevels(weights) : parseWeights(weights, packing === "fp4");
  return { ...common, scheme: { ...stored, activations } };
}

/** Whether packed integers are as this package writes them: symmetric, in order, 8 bits by channel only. */
function isPlain(args: JsonFields): boolean {
  const symmetric = (args.raw("symmetric") ?? true) === true;
  const byGroup = args.raw("actorder") === "group" || args.raw("actorder") === "dynamic";
  const strategy = args.raw("strategy") ?? (hasGroups(args) ? "group" : "channel");
  return symmetric && !byGroup && (strategy === "channel" || (strategy === "group" && args.raw("num_bits") === 4));
}

function hasGroups(args: JsonFields): boolean {
  return args.raw("group_size") !== undefined && args.raw("group_size") !== -1;
}

/** Integers of 4 or 8 bits with one scale for a tensor, a channel or a group, and zero points or none. */
function parseIntegers(args: JsonFields): Omit<IntegerScheme, "layout" | "activations"> {
  refuseUnknownKeys(args, ARGS_KEYS);
  requireValue(args, "type", args.raw("type") ?? "int", "int");
  requireValue(args, "dynamic", args.raw("dynamic") ?? false, false);
  requireValue(args, "block_structure", args.raw("block_structure"), undefined);
  const order = args.raw("actorder");
  const anyOrder = order === "group" || order === "dynamic";
  if (!anyOrder && order !== false && order !== "weight" && order !== "static") requireValue(args, "actorder", order, undefined);
  const bits = args.positiveInteger("num_bits", 32, 8);
  const strategy = args.string("strategy", hasGroups(args) ? "group" : "channel");
  if (
    (bits === 4 || bits === 8) &&
    (strategy === "group" || (!hasGroups(args) && (strategy === "channel" || strategy === "tensor")))
  ) {
    const groupSize = strategy === "group" ? args.positiveInteger("group_size", 2 ** 20) : strategy;
    return { bits, groupSize, symmetric: args.boolean("symmetric", true), anyOrder, zeroOffset: 0 };
  }
  throw new UnsupportedModelError(
    `${args.where}: got num_bits ${bits}, strategy ${strategy}, group_size ${describe(args.raw("group_size"))}, ` +
      "need 4 or 8 bits by tensor, channel or group",
  );
}

/**
 * Symmetric integers or floats: 4 bits with a scale per group or per channel; integers also 8 bits with a
 * scale per channel.
 */
function parseWeights(args: JsonFields, float: boolean): Pick<LinearScheme, "weights" | "groupSize"> {
  checkSymmetric(args, float ? "float" : "int", new Set([...ARGS_KEYS, TRANSFORMED_KEY]));
  requireValue(args, "dynamic", args.raw("dynamic") ?? false, false);
  // By weight, the order is one of rounding, not of storing.
  const order = args.raw("actorder");
  if (order !== false && order !== "weight" && order !== "static") requireValue(args, "actorder", order, undefined);
  requireValue(args, "block_structure", args.raw("block_structure"), undefined);
  const groupSize = args.raw("group_size") === -1 ? undefined : args.raw("group_size");
  const strategy = args.string("strategy", groupSize === undefined ? "channel" : "group");
  const numBits = args.positiveInteger("num_bits", 32, 8);
  const weights = numBits === 4 ? (float ? "fp4" : "int4") : numBits === 8 && !float ? "int8" : undefined;
  if (weights && strategy === "channel" && groupSize === undefined) return { weights, groupSize: "channel" };
  if (weights && weights !== "int8" && strategy === "group") {
    return { weights, groupSize: args.positiveInteger("group_size", 2 ** 20) };
  }
  throw new UnsupportedModelError(
    `${args.where}: got num_bits ${numBits}, strategy ${strategy}, group_size ${describe(groupSize)}, ` +
      `need 4 bits by group or channel${float ? "" : ", or 8 bits by channel"}`,
  );
}

/** Integers of 4 bits with whole scales and minima of groups of 32 (`two-level.ts`). */
function parseTwoLevels(args: JsonFields): Pick<LinearScheme, "weights" | "groupSize"> {
  refuseUnknownKeys(args, ARGS_KEYS);
  const fixed = { type: "int", num_bits: 4, symmetric: false, strategy: "group", group_size: TWO_LEVEL_GROUP, dynamic: false };
  for (const [key, need] of Object.entries(fixed)) requireValue(args, key, args.raw(key), need);
  for (const key of ["actorder", "block_structure"]) requireValue(args, key, args.raw(key), undefined);
  return { weights: "int4m", groupSize: TWO_LEVEL_GROUP };
}

/**
 * Reads one of: none, symmetric int8 with one scale or one per token, int4 with one, an 8-bit float per
 * token.
 */
function parseActivations(args: JsonFields | undefined, known = ARGS_KEYS): ActivationQuantization {
  if (!args) return { kind: "none" };
  if (args.raw("type") === "float") return { kind: parseFloat8(args) };
  checkSymmetric(args, "int", known);
  const bits = args.positiveInteger("num_bits", 32, 8);
  requireValue(args, "group_size", args.raw("group_size"), undefined);
  const strategy = args.string("strategy", "tensor");
  const dynamic = args.raw("dynamic") ?? false;
  if (strategy === "tensor" && dynamic === false && bits === 4) return { kind: "static", bits };
  requireValue(args, "num_bits", bits, 8);
  if (strategy === "tensor" && dynamic === false) return { kind: "static" };
  if (strategy === "token" && dynamic === true) return { kind: "dynamic" };
  throw new UnsupportedModelError(
    `${args.where}: got strategy ${strategy}, dynamic ${describe(dynamic)}, need tensor with false or token with true`,
  );
}

/**
 * A float of 8 bits is E4M3 in compressed-tensors, which knows no other; a key of this package's own says
 * E5M2.
 */
function parseFloat8(args: JsonFields): Float8Name {
  refuseUnknownKeys(args, new Set([...ARGS_KEYS, FLOAT_FORMAT_KEY]));
  requireValue(args, "num_bits", args.positiveInteger("num_bits", 32, 8), 8);
  requireValue(args, "symmetric", args.raw("symmetric") ?? true, true);
  requireValue(args, "group_size", args.raw("group_size"), undefined);
  requireValue(args, "strategy", args.string("strategy", "tensor"), "token");
  requireValue(args, "dynamic", args.raw("dynamic") ?? false, true);
  const format = args.raw(FLOAT_FORMAT_KEY) ?? "e4m3";
  if (format === "e4m3") return "fp8";
  if (format === "e5m2") return "fp8-e5m2";
  throw new UnsupportedModelError(`${args.where}: ${FLOAT_FORMAT_KEY}: got ${describe(format)}, need "e4m3" or "e5m2"`);
}

/**
 * Reads one of: none, symmetric int8 or int4 with one scale, symmetric int8 with one per token and K/V head.
 */
function parseCacheScheme(args: JsonFields | undefined): CacheScheme {
  if (!args) return "f32";
  const keys = new Set([...ARGS_KEYS, PER_HEAD_KEY]);
  checkSymmetric(args, "int", keys);
  const parsed = parseActivations(args, keys);
  const { kind } = parsed;
  const perHead = args.raw(PER_HEAD_KEY) ?? false;
  if (parsed.kind === "static" && perHead === false) return parsed.bits === 4 ? "q4" : "q8";
  if (kind === "dynamic" && perHead === true) return "q8t";
  throw new UnsupportedModelError(
    `${args.where}: got a ${kind} cache with ${PER_HEAD_KEY} ${describe(perHead)}, need a static one without it or a dynamic one with true`,
  );
}

function checkSymmetric(args: JsonFields, type: "int" | "float", known = ARGS_KEYS): void {
  refuseUnknownKeys(args, known);
  requireValue(args, "type", args.raw("type") ?? "int", type);
  requireValue(args, "symmetric", args.raw("symmetric") ?? true, true);
}

function refuseUnknownKeys(fields: JsonFields, known: ReadonlySet<string>): void {
  const unknown = fields.keys().find((key) => !known.has(key) && fields.raw(key) !== undefined);
  if (unknown !== undefined)
    throw new UnsupportedModelError(`${fields.where}: key: got ${describe(unknown)}, need one of ${[...known].join(", ")}`);
}

function requireValue(fields: JsonFields, key: string, value: unknown, supported: unknown): void {
  if (value === supported) return;
  throw new UnsupportedModelError(`${fields.where}: ${key}: got ${describe(value)}, need ${describe(supported)}`);
}

function isEmpty(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.values(value).every(isEmpty);
  return value === undefined || value === null;
}
