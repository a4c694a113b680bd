/**
 * One group of a `quantization_config`: how its modules are stored, and what their inputs are quantized to;
 * and the cache's scheme, which is said in the same words (compressed-tensors' `quant_args.py`).
 */
import { UnsupportedModelError } from "../../errors.ts";
import { describe, type JsonFields } from "../../json-object.ts";
import type { Float8Name } from "../formats/float8.ts";
import type { IntegerScheme } from "./integer-scheme.ts";
import { CONV1D_FORMATS, WEIGHT_FORMATS, type WeightType } from "./pack-quantized.ts";
import type { ActivationQuantization, CacheScheme, LinearScheme } from "./quantization-config.ts";
import { TWO_LEVEL_GROUP } from "./two-level.ts";

/** The key in `input_activations` that says which 8-bit float; "e4m3" where it is absent. */
export const FLOAT_FORMAT_KEY = "float_format";

/**
 * The key in `kv_cache_scheme`, of this package's own, that gives each K/V head of a token a scale: in
 * compressed-tensors "token" does not say of what.
 */
export const PER_HEAD_KEY = "per_kv_head";

/**
 * The key in `weights` of every group of a model that computes more than its architecture, `true`: readers
 * that pass over `transform_config` refuse it, rather than compute something else.
 */
export const TRANSFORMED_KEY = "online_transforms";

const GROUP_KEYS: ReadonlySet<string> = new Set(["targets", "weights", "input_activations", "output_activations", "format"]);
const ARGS_KEYS: ReadonlySet<string> = new Set([
  "num_bits", "type", "symmetric", "group_size", "strategy", "block_structure", "dynamic", "actorder",
  "scale_dtype", "zp_dtype", "observer", "observer_kwargs",
]); // prettier-ignore

/** Those of the weights of this package's own formats. */
const WEIGHTS_KEYS: ReadonlySet<string> = new Set([...ARGS_KEYS, TRANSFORMED_KEY]);

/** What a group says of a module: one of the two schemes. */
export interface GroupEntry {
  readonly format: string;
  readonly scheme?: LinearScheme;
  readonly integers?: IntegerScheme;
  /** Whether its format is one for modules whose floats are stored transposed. */
  readonly conv1D: boolean;
}

/** Formats of an int8 a weight: the second is what the first was called. */
const INT8_FORMATS: ReadonlySet<unknown> = new Set(["int-quantized", "naive-quantized"]);

/**
 * @param globalFormat what groups are stored as that do not say it themselves
 * @param isTransformed whether the model's weights are to be used with online transforms
 * @throws UnsupportedModelError for another kind of quantization, naming group and key; CheckpointError if a
 *   field has the wrong type
 */
export function parseGroup(group: JsonFields, globalFormat: unknown, isTransformed: boolean): GroupEntry {
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
  checkSymmetric(args, float ? "float" : "int", WEIGHTS_KEYS);
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
  refuseUnknownKeys(args, WEIGHTS_KEYS);
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
export function parseCacheScheme(args: JsonFields | undefined): CacheScheme {
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

export function refuseUnknownKeys(fields: JsonFields, known: ReadonlySet<string>): void {
  const unknown = fields.keys().find((key) => !known.has(key) && fields.raw(key) !== undefined);
  if (unknown !== undefined)
    throw new UnsupportedModelError(`${fields.where}: key: got ${describe(unknown)}, need one of ${[...known].join(", ")}`);
}

export function requireValue(fields: JsonFields, key: string, value: unknown, supported: unknown): void {
  if (value === supported) return;
  throw new UnsupportedModelError(`${fields.where}: ${key}: got ${describe(value)}, need ${describe(supported)}`);
}
