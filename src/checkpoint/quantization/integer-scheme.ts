/**
 * Weights that other programs store as integers in layouts of their own, as a configuration describes them:
 *
 *   w[n, k] = scale[n, g] * (code[n, k] - zero[n, g])        g the group of column k
 *
 *   gptq     AutoGPTQ and GPTQModel      <module>.qweight, .qzeros, .scales, .g_idx
 *   awq      AutoAWQ, version gemm       <module>.qweight, .qzeros, .scales
 *   packed   compressed-tensors          <module>.weight_packed, .weight_scale, .weight_zero_point,
 *                                        .weight_g_idx
 *   int8     the same, an int8 a weight  <module>.weight, and the last three
 *
 * What this package writes itself is `packed` too, symmetric and in columns' own order: the scheme of that is
 * a `LinearScheme`.
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { describe, isJsonObject, isOff, JsonFields } from "../../json-object.ts";
import type { ActivationQuantization } from "./quantization-config.ts";

export interface IntegerScheme {
  readonly layout: "gptq" | "awq" | "packed" | "int8";
  readonly bits: 4 | 8;
  /** Columns that share a scale; "channel": all of a row; "tensor": all there are. */
  readonly groupSize: number | "channel" | "tensor";
  /** Whether every zero point is the middle of the codes. */
  readonly symmetric: boolean;
  /** Whether columns may belong to groups in any order, which a tensor says. */
  readonly anyOrder: boolean;
  /** What zero points are more than the stored ones. */
  readonly zeroOffset: 0 | 1;
  readonly activations: ActivationQuantization;
}

/** The largest group, as a bound for nonsense. */
const MOST_GROUP = 2 ** 20;

/** Keys that say how weights were made or by which kernels they are to run. */
const MAKING_KEYS: ReadonlySet<string> = new Set([
  "damp_percent", "damp_auto_increment", "true_sequential", "static_groups", "model_name_or_path", "model_file_base_name",
  "lm_head", "pack_dtype", "meta", "format", "checkpoint_format", "desc_act", "sym", "bits", "group_size", "quant_method",
  "method", "dataset", "batch_size", "block_name_to_quantize", "cache_block_outputs", "exllama_config", "max_input_length",
  "model_seqlen", "module_name_preceding_first_block", "modules_in_block_to_quantize", "pad_token_id", "tokenizer",
  "use_cuda_fp16", "use_exllama", "disable_exllama", "backend", "hessian", "mse", "act_group_aware", "dynamic", "adapter",
  "zero_point", "version", "do_fuse", "fuse_max_seq_len", "modules_to_fuse", "modules_to_not_convert", "rope_theta",
  "is_marlin_format", "quantizer", "rotation",
]); // prettier-ignore

/**
 * Reads the `quantization_config` of GPTQ or AWQ, which is one for all modules; which modules it is for,
 * their tensors say.
 *
 * @param json the value of `quantization_config`
 * @param fileName for messages
 * @param onNote told of keys that are not known and not used
 * @returns undefined for another method
 * @throws UnsupportedModelError for bits, a version or a format that is not read; CheckpointError if a field
 *   has the wrong type
 */
export function parseIntegerConfig(json: unknown, fileName: string, onNote?: (note: string) => void): IntegerScheme | undefined {
  if (!isJsonObject(json) || (json["quant_method"] !== "gptq" && json["quant_method"] !== "awq")) return undefined;
  const fields = new JsonFields(json, `${fileName}: quantization_config`);
  const scheme = json["quant_method"] === "gptq" ? parseGptq(fields) : parseAwq(fields);
  const unknown = fields.keys().filter((key) => !MAKING_KEYS.has(key) && !isOff(fields.raw(key)));
  if (unknown.length > 0) onNote?.(`${fields.where}: keys not known and not used: ${describe(unknown).slice(1, -1)}`);
  return scheme;
}

/** `auto_gptq/quantization/config.py`, `gptqmodel/quantization/config.py`. */
function parseGptq(fields: JsonFields): IntegerScheme {
  const format = fields.raw("checkpoint_format") ?? fields.raw("format") ?? "gptq";
  oneOf(fields, "checkpoint_format", format, ["gptq", "gptq_v2"]);
  // GPTQModel: other bits or groups for some modules.
  if (!isOff(fields.raw("dynamic"))) {
    throw new UnsupportedModelError(`${fields.where}: dynamic: got ${describe(fields.raw("dynamic"))}, need one scheme for all`);
  }
  oneOf(fields, "pack_dtype", fields.raw("pack_dtype") ?? "int32", ["int32", "torch.int32"]);
  return {
    layout: "gptq",
    bits: oneOf(fields, "bits", fields.raw("bits"), [4, 8]),
    groupSize: parseGroupSize(fields),
    symmetric: fields.boolean("sym", false),
    anyOrder: fields.boolean("desc_act", false),
    // The first format has zero points less 1, which AutoGPTQ adds when it reads.
    zeroOffset: format === "gptq" ? 1 : 0,
    activations: { kind: "none" },
  };
}

/** `awq/models/_config.py` of AutoAWQ. */
function parseAwq(fields: JsonFields): IntegerScheme {
  const version = fields.string("version", "gemm").toLowerCase();
  oneOf(fields, "version", version, ["gemm"]);
  oneOf(fields, "zero_point", fields.raw("zero_point") ?? true, [true]);
  return {
    layout: "awq",
    bits: oneOf(fields, "bits", fields.raw("bits"), [4]),
    groupSize: parseGroupSize(fields),
    symmetric: false,
    anyOrder: false,
    zeroOffset: 0,
    activations: { kind: "none" },
  };
}

function parseGroupSize(fields: JsonFields): number | "channel" {
  return fields.raw("group_size") === -1 ? "channel" : fields.positiveInteger("group_size", MOST_GROUP, 128);
}

function oneOf<T>(fields: JsonFields, key: string, value: unknown, known: readonly T[]): T {
  if (known.includes(value as T)) return value as T;
  const need = known.map((item) => describe(item)).join(" or ");
  throw new UnsupportedModelError(`${fields.where}: ${key}: got ${describe(value)}, need ${need}`);
}

/**
 * Columns of a group of K.
 *
 * @throws CheckpointError if groups do not share K
 */
export function groupColumns({ groupSize }: Pick<IntegerScheme, "groupSize">, K: number, where: string): number {
  const G = typeof groupSize === "number" ? groupSize : K;
  if (K % G === 0) return G;
  throw new CheckpointError(`${where}: got group size ${G}, need a divisor of its ${K} in_features`);
}
