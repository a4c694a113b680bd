/**
 * Turns the scheme of each module into the `quantization_config` that compressed-tensors reads (its
 * `quant_config.py`, `quant_scheme.py`).
 *
 * Modules with equal schemes make a group. Targets of different groups never match one module, because
 * readers differ in which of two matching targets wins; `format` stands in every group as well as globally,
 * because older and newer readers look at one of them only.
 */
import type { OnlineName, OnlineTransforms } from "../../architecture/online-transforms.ts";
import type { JsonObject } from "../../json-object.ts";
import { CONV1D_FORMATS, WEIGHT_BITS, WEIGHT_FORMATS } from "./pack-quantized.ts";
import {
  type ActivationQuantization,
  type CacheScheme,
  type LinearScheme,
  ONLINE_KEY,
  ONLINE_NAMES,
  staticCacheBits,
} from "./quantization-config.ts";
import { FLOAT_FORMAT_KEY, PER_HEAD_KEY, TRANSFORMED_KEY } from "./quantization-group.ts";

/** Version of compressed-tensors whose schema this is. */
const SCHEMA_VERSION = "0.18.0";
/** The name compressed-tensors has for a checkpoint whose groups have formats of their own. */
const MIXED_FORMAT = "mixed-precision";
/** And for codes of a byte each. */
const UNPACKED_FORMAT = "int-quantized";

export interface QuantizationConfigOptions {
  /** "q8" and "q4" say that layers carry `k_scale` and `v_scale`. */
  readonly kvCache: CacheScheme;
  /** Whether a module's floats are stored transposed (`storedOrder`); none by default. */
  readonly isConv1D?: (moduleName: string) => boolean;
  /** Codes of one byte each in place of packed ones. */
  readonly unpacked?: boolean;
  /** What the model computes online; none by default. */
  readonly online?: OnlineTransforms | undefined;
}

/**
 * @param modules every linear module of the model in the order data flows, the head unless it is tied, and
 *   the embedding if it is packed: its scheme, or undefined if it stays float (it is then listed under
 *   `ignore`)
 * @returns the value of `quantization_config` in `config.json`
 */
export function buildQuantizationConfig(
  modules: ReadonlyMap<string, LinearScheme | undefined>,
  { kvCache, isConv1D = () => false, unpacked = false, online }: QuantizationConfigOptions,
): JsonObject {
  const groups = new Map<string, { scheme: LinearScheme; format: string; names: string[] }>();
  for (const [name, scheme] of modules) {
    if (!scheme) continue;
    const format = unpacked ? UNPACKED_FORMAT : (isConv1D(name) ? CONV1D_FORMATS : WEIGHT_FORMATS)[scheme.weights];
    const key = JSON.stringify([scheme.weights, scheme.groupSize, scheme.activations, format]);
    const group = groups.get(key) ?? { scheme, format, names: [] };
    groups.set(key, group);
    group.names.push(name);
  }
  const formats = new Set([...groups.values()].map(({ format }) => format));
  const layersOf = layerSets([...modules.keys()]);
  const configGroups = [...groups.values()].map(({ scheme, format, names }, i) => [
    `group_${i}`,
    {
      targets: buildTargets(names, layersOf),
      weights: { ...weightArgs(scheme), ...(online && { [TRANSFORMED_KEY]: true }) },
      input_activations: activationArgs(scheme.activations),
      output_activations: null,
      format,
    },
  ]);
  return {
    quant_method: "compressed-tensors",
    version: SCHEMA_VERSION,
    format: formats.size === 1 ? [...formats][0]! : formats.size === 0 ? WEIGHT_FORMATS.int4 : MIXED_FORMAT,
    quantization_status: "compressed",
    global_compression_ratio: null,
    config_groups: Object.fromEntries(configGroups) as JsonObject,
    ignore: [...modules].filter(([, scheme]) => !scheme).map(([name]) => name),
    kv_cache_scheme: cacheArgs(kvCache),
    sparsity_config: {},
    transform_config: online ? { [ONLINE_KEY]: onlineArgs(online) } : {},
  };
}

function weightArgs({ weights, groupSize }: LinearScheme): JsonObject {
  const strategy = groupSize === "channel" ? "channel" : "group";
  return {
    num_bits: WEIGHT_BITS[weights],
    type: weights === "fp4" ? "float" : "int",
    symmetric: weights !== "int4m",
    strategy,
    group_size: groupSize === "channel" ? null : groupSize,
    dynamic: false,
    actorder: null,
  };
}

function onlineArgs(online: OnlineTransforms): JsonObject {
  const names = Object.keys(ONLINE_NAMES) as OnlineName[];
  return Object.fromEntries(names.flatMap((name) => (online[name] ? [[ONLINE_NAMES[name], online[name]]] : [])));
}

function cacheArgs(kvCache: CacheScheme): JsonObject | null {
  if (kvCache === "f32") return null;
  // As with E5M2 below: a reader that does not know the key refuses it.
  const bits = staticCacheBits(kvCache);
  return bits !== undefined
    ? activationArgs({ kind: "static", bits })
    : { ...activationArgs({ kind: "dynamic" }), [PER_HEAD_KEY]: true };
}

function activationArgs(activations: ActivationQuantization): JsonObject | null {
  switch (activations.kind) {
    case "none":
      return null;
    case "static":
      return { num_bits: activations.bits ?? 8, type: "int", symmetric: true, strategy: "tensor", dynamic: false };
    case "dynamic":
      return { num_bits: 8, type: "int", symmetric: true, strategy: "token", dynamic: true, observer: null };
    case "fp8":
      return { num_bits: 8, type: "float", symmetric: true, strategy: "token", dynamic: true, observer: null };
    case "fp8-e5m2":
      // Readers that know only E4M3 refuse the key, rather than compute something else.
      return { ...activationArgs({ kind: "fp8" }), [FLOAT_FORMAT_KEY]: "e5m2" };
  }
}

/** Prefix of the blocks, layer, parent and leaf of a module: `model.layers`, 0, `self_attn`, `q_proj`. */
const IN_LAYER = /^(\D+)\.(\d+)\.(.+)\.([^.]+)$/;

/**
 * Part of a layer (`self_attn.q_proj`) -> the layers that have it, and what the blocks are called (`layers`).
 */
function layerSets(names: readonly string[]): ReadonlyMap<string, { blocks: string; layers: readonly string[] }> {
  const sets = new Map<string, { blocks: string; layers: string[] }>();
  for (const name of names) {
    const [, prefix, layer, parent, leaf] = IN_LAYER.exec(name) ?? [];
    if (layer === undefined) continue;
    const key = `${parent}.${leaf}`;
    const set = sets.get(key) ?? { blocks: prefix!.slice(prefix!.lastIndexOf(".") + 1), layers: [] };
    sets.set(key, set);
    set.layers.push(layer);
  }
  return sets;
}

/**
 * Targets that match exactly these modules of the model.
 *
 *   in every layer    `re:.*self_attn\.q_proj$`
 *                     one per projection: the subset the Hugging Face Hub understands
 *   in some layers    `re:.*layers\.(0|3)\.self_attn\.(q_proj|k_proj)$`
 *                     projections of the same layers together
 *   outside layers    the name itself
 *
 * They begin with `.*` so that a model wrapped in another one (a leading `language_model.`, a missing
 * `model.`) still matches.
 */
function buildTargets(names: readonly string[], layersOf: ReturnType<typeof layerSets>): readonly string[] {
  const exact = names.filter((name) => !IN_LAYER.test(name));
  const everywhere: string[] = [];
  const somewhere = new Map<string, { prefix: string; leaves: string[] }>();
  for (const [part, { blocks, layers }] of layerSets(names)) {
    if (layers.length === layersOf.get(part)?.layers.length) {
      everywhere.push(`re:.*${escape(part)}$`);
      continue;
    }
    const dot = part.lastIndexOf(".");
    const prefix = `re:.*${escape(blocks)}\\.(${layers.join("|")})\\.${escape(part.slice(0, dot))}\\.`;
    const entry = somewhere.get(prefix) ?? { prefix, leaves: [] };
    somewhere.set(prefix, entry);
    entry.leaves.push(escape(part.slice(dot + 1)));
  }
  const some = [...somewhere.values()].map(({ prefix, leaves }) =>
    leaves.length === 1 ? `${prefix}${leaves[0]}$` : `${prefix}(${leaves.join("|")})$`,
  );
  return [...everywhere, ...some, ...exact];
}

function escape(text: string): string {
  return text.replace(/[^A-Za-z0-9_]/g, "\\$&");
}
