/**
 * Kinds of RoPE for long contexts in `config.json`: the keys that transformers' `modeling_rope_utils.py`
 * reads, with its defaults. A key it would not read is refused by name: what it asks for would be left out
 * unnoticed.
 */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { describe, type JsonFields, type JsonObject } from "../json-object.ts";
import { MAX, type ModelConfig, type RopeScaling } from "./model-config.ts";

export interface ScalingContext {
  /** The whole `config.json`. */
  readonly fields: JsonFields;
  readonly rotaryDim: number;
  readonly contextLength: number;
}

const ORIGINAL = "original_max_position_embeddings";
/** Keys of any kind. "finetuned" stands in the YaRN authors' own files and is read by nobody. */
const COMMON: ReadonlySet<string> = new Set(["type", "rope_type", "rope_theta", "partial_rotary_factor", "finetuned"]);
/**
 * Keys of one kind; the first three, which came earlier, may have those of others, as in transformers.
 */
const YARN = ["factor", ORIGINAL, "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"];
const LONGROPE = ["factor", ORIGINAL, "attention_factor", "short_factor", "long_factor"];
const ANY = [...new Set([...YARN, ...LONGROPE, "low_freq_factor", "high_freq_factor"])];
const KEYS: Readonly<Record<string, readonly string[]>> = {
  default: ANY,
  linear: ANY,
  llama3: ANY,
  dynamic: ["factor", ORIGINAL],
  yarn: YARN,
  longrope: LONGROPE,
};
/** What the first Phi-3 files called it. */
const OLD_NAMES: Readonly<Record<string, string>> = { su: "longrope" };

/**
 * @param scaling `rope_parameters` or `rope_scaling`
 * @throws UnsupportedModelError for a kind that is not run, or a key that none or another kind has;
 *   CheckpointError for numbers out of range
 */
export function parseRopeScaling(scaling: JsonFields, context: ScalingContext): RopeScaling {
  const stated = scaling.string("rope_type", scaling.string("type", "default"));
  const type = OLD_NAMES[stated] ?? stated;
  const keys = Object.hasOwn(KEYS, type) ? KEYS[type] : undefined;
  if (keys === undefined) {
    const supported = Object.keys(KEYS).join(", ");
    throw new UnsupportedModelError(`${scaling.where}: rope_type: got "${stated}", supported: ${supported}`);
  }
  for (const key of scaling.keys()) {
    // Keys that may be there and are not read stay unread, and are noted (`config-keys.ts`).
    if (COMMON.has(key) || keys.includes(key) || scaling.raw(key) === undefined) continue;
    throw new UnsupportedModelError(
      `${scaling.where}: ${key}: got ${describe(scaling.raw(key))}, need no such key for rope_type "${stated}"`,
    );
  }
  switch (type) {
    case "linear":
      return { kind: "linear", factor: scaling.positiveNumber("factor") };
    case "dynamic":
      return parseDynamic(scaling, context);
    case "llama3":
      return parseLlama3(scaling, context);
    case "yarn":
      return parseYarn(scaling, context);
    case "longrope":
      return parseLongRope(scaling, context);
    default:
      return { kind: "none" };
  }
}

/** A key of the configuration itself wins over that of the scaling, as in transformers 5. */
function originalContext(scaling: JsonFields, { fields, contextLength }: ScalingContext): number {
  const where = fields.raw(ORIGINAL) === undefined ? scaling : fields;
  return where.positiveInteger(ORIGINAL, MAX.context, contextLength);
}

/** Grows from `max_position_embeddings`: transformers reads no other length. */
function parseDynamic(scaling: JsonFields, context: ScalingContext): RopeScaling {
  const original = scaling.positiveInteger(ORIGINAL, MAX.context, context.contextLength);
  if (original !== context.contextLength) {
    throw new UnsupportedModelError(
      `${scaling.where}: ${ORIGINAL}: got ${original} for rope_type "dynamic", need max_position_embeddings, ${context.contextLength}`,
    );
  }
  return { kind: "dynamic", factor: scaling.positiveNumber("factor") };
}

function parseLlama3(scaling: JsonFields, context: ScalingContext): RopeScaling {
  const lowFreqFactor = scaling.positiveNumber("low_freq_factor");
  const highFreqFactor = scaling.positiveNumber("high_freq_factor");
  if (lowFreqFactor >= highFreqFactor) {
    throw new CheckpointError(
      `${scaling.where}: low_freq_factor ${lowFreqFactor}, need less than high_freq_factor ${highFreqFactor}`,
    );
  }
  return {
    kind: "llama3",
    factor: scaling.positiveNumber("factor"),
    lowFreqFactor,
    highFreqFactor,
    originalContextLength: originalContext(scaling, context),
  };
}

function parseYarn(scaling: JsonFields, context: ScalingContext): RopeScaling {
  const originalContextLength = originalContext(scaling, context);
  // A factor of null, not a missing one, is that of the two context lengths.
  const ratio = scaling.has("factor") ? context.contextLength / originalContextLength : undefined;
  const factor = scaling.positiveNumber("factor", ratio);
  // 0 means the default, too.
  const betaFast = scaling.nonNegativeNumber("beta_fast", 0) || 32;
  const betaSlow = scaling.nonNegativeNumber("beta_slow", 0) || 1;
  if (betaFast <= betaSlow) {
    throw new CheckpointError(`${scaling.where}: beta_fast: got ${betaFast}, need more than beta_slow, ${betaSlow}`);
  }
  const mscale = scaling.nonNegativeNumber("mscale", 0);
  const mscaleAllDim = scaling.nonNegativeNumber("mscale_all_dim", 0);
  const given = scaling.raw("attention_factor") !== undefined;
  const both = mscale > 0 && mscaleAllDim > 0;
  return {
    kind: "yarn",
    factor,
    originalContextLength,
    betaFast,
    betaSlow,
    truncate: scaling.boolean("truncate", true),
    attention: given
      ? { factor: scaling.positiveNumber("attention_factor") }
      : { mscale: both ? mscale : 1, mscaleAllDim: both ? mscaleAllDim : 0 },
  };
}

/**
 * LongRoPE with one list for all lengths and no change of the attention scale is a list of divisors and
 * nothing more.
 */
function parseLongRope(scaling: JsonFields, context: ScalingContext): RopeScaling {
  const shortFactors = scaling.numbers("short_factor", context.rotaryDim / 2);
  const longFactors = scaling.numbers("long_factor", context.rotaryDim / 2);
  if (scaling.raw("attention_factor") === 1 && shortFactors.every((factor, i) => factor === longFactors[i])) {
    return { kind: "factors", factors: shortFactors };
  }
  const originalContextLength = originalContext(scaling, context);
  const given = scaling.raw("attention_factor") !== undefined;
  const extension = scaling.positiveNumber("factor", context.contextLength / originalContextLength);
  if (!given && extension > 1 && originalContextLength === 1) {
    throw new CheckpointError(`${scaling.where}: ${ORIGINAL}: got 1, need at least 2 for the attention factor of longrope`);
  }
  return {
    kind: "longrope",
    shortFactors,
    longFactors,
    originalContextLength,
    attention: given ? { factor: scaling.positiveNumber("attention_factor") } : { extension },
  };
}

/** `rope_scaling` of which `parseRopeScaling` makes the same again. */
export function ropeScalingJson(scaling: RopeScaling, contextLength: number): JsonObject | null {
  switch (scaling.kind) {
    case "none":
      return null;
    case "linear":
    case "dynamic":
      return { rope_type: scaling.kind, factor: scaling.factor };
    case "llama3":
      return {
        rope_type: "llama3",
        factor: scaling.factor,
        low_freq_factor: scaling.lowFreqFactor,
        high_freq_factor: scaling.highFreqFactor,
        [ORIGINAL]: scaling.originalContextLength,
      };
    case "yarn":
      return {
        rope_type: "yarn",
        factor: scaling.factor,
        [ORIGINAL]: scaling.originalContextLength,
        beta_fast: scaling.betaFast,
        beta_slow: scaling.betaSlow,
        ...(!scaling.truncate && { truncate: false }),
        ...yarnAttentionJson(scaling.attention),
      };
    case "longrope": {
      const { attention } = scaling;
      return {
        rope_type: "longrope",
        short_factor: scaling.shortFactors,
        long_factor: scaling.longFactors,
        [ORIGINAL]: scaling.originalContextLength,
        ...("factor" in attention ? { attention_factor: attention.factor } : { factor: attention.extension }),
      };
    }
    case "factors":
      // The one type of transformers that takes a list: with equal lists and no attention factor it divides
      // and does nothing else.
      return {
        rope_type: "longrope",
        short_factor: scaling.factors,
        long_factor: scaling.factors,
        attention_factor: 1,
        factor: 1,
        [ORIGINAL]: contextLength,
      };
  }
}

function yarnAttentionJson(attention: Extract<RopeScaling, { kind: "yarn" }>["attention"]): JsonObject {
  if ("factor" in attention) return { attention_factor: attention.factor };
  return attention.mscaleAllDim === 0 ? {} : { mscale: attention.mscale, mscale_all_dim: attention.mscaleAllDim };
}

/** Tables of positions are exact up to angles of 2^24 (`assembly/attention/rope-table.ts`). */
const MOST_POSITIONS = 2 ** 24;

/**
 * Tokens of a sequence at most: what the model was made for, or what its RoPE extends that to.
 * Configurations that switch YaRN on often leave `max_position_embeddings` as it was; vLLM, too, counts
 * factor times original. NTK by length has no end of its own.
 */
export function longestContext({ contextLength, ropeScaling: scaling }: ModelConfig): number {
  if (scaling.kind === "dynamic") return MOST_POSITIONS;
  const extended = scaling.kind === "yarn" ? Math.floor(scaling.originalContextLength * scaling.factor) : 0;
  return Math.min(MOST_POSITIONS, Math.max(contextLength, extended));
}
