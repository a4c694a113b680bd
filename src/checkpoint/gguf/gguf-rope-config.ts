/** RoPE in the metadata of a GGUF: which channels turn, by what. */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { GgufForm } from "../../architecture/family.ts";
import type { ModelConfig, RopeScaling } from "../../architecture/model-config.ts";
import { type GgufMetadata, shortestDecimal } from "./gguf-metadata.ts";

/** Divisors of the rotary frequencies: an input of the configuration, not weights. */
export const ROPE_FACTORS = "rope_freqs.weight";
export const LONG_FACTORS = "rope_factors_long.weight";
export const SHORT_FACTORS = "rope_factors_short.weight";
export const ROPE_FACTOR_TENSORS: readonly string[] = [ROPE_FACTORS, LONG_FACTORS, SHORT_FACTORS];

/** Values by tensor. */
export type RopeFactors = ReadonlyMap<string, Float32Array>;

const DEFAULT_THETA = 10_000;

export interface RopeContext {
  readonly headDim: number;
  readonly contextLength: number;
  readonly ropeFactors: RopeFactors;
  /** For messages. */
  readonly file: string;
}

/**
 * Reads which channels of each head turn and by what; none in a model whose positions enter in another way.
 *
 * @throws CheckpointError for numbers out of range; UnsupportedModelError for heads or a scaling that is not
 *   run
 */
export function ggufRope(
  metadata: GgufMetadata,
  { architecture, traits, partialRotary }: GgufForm,
  { headDim, contextLength, ropeFactors, file }: RopeContext,
): Pick<ModelConfig, "rotaryDim" | "ropeTheta" | "ropeScaling"> {
  const isRope = traits.positions === "rope";
  const valueDim = metadata.integer(`${architecture}.attention.value_length`) ?? headDim;
  const rotaryDim = isRope ? (metadata.integer(`${architecture}.rope.dimension_count`) ?? headDim) : 0;
  if (valueDim !== headDim || (isRope && !partialRotary && rotaryDim !== headDim)) {
    throw new UnsupportedModelError(
      `${file}: heads: got ${headDim} dimensions for keys, ${valueDim} for values, ${rotaryDim} rotated, need the same for all`,
    );
  }
  if (!isRope) {
    const [tensor] = ropeFactors.keys();
    if (tensor === undefined) return { rotaryDim, ropeTheta: DEFAULT_THETA, ropeScaling: { kind: "none" } };
    throw new UnsupportedModelError(`${file}: tensor "${tensor}": got it in a model without RoPE, need no such tensor`);
  }
  const ropeTheta = metadata.number(`${architecture}.rope.freq_base`) ?? DEFAULT_THETA;
  if (!(ropeTheta > 0))
    throw new CheckpointError(`${file}: ${architecture}.rope.freq_base: got ${ropeTheta}, need a number above 0`);
  const keys = new ScalingKeys(metadata, architecture, file);
  return {
    rotaryDim,
    ropeTheta: shortestDecimal(ropeTheta),
    ropeScaling: ropeScaling(keys, { ropeFactors, contextLength, rotaryDim, file }),
  };
}

/** Keys of `rope.scaling`. */
class ScalingKeys {
  readonly #metadata: GgufMetadata;
  readonly #prefix: string;
  readonly #file: string;

  constructor(metadata: GgufMetadata, architecture: string, file: string) {
    this.#metadata = metadata;
    this.#prefix = `${architecture}.rope.scaling`;
    this.#file = file;
  }

  get type(): string {
    return this.#metadata.string(`${this.#prefix}.type`) ?? "linear";
  }

  /** 0 where it is missing: no scaling. */
  get factor(): number {
    const factor = this.number("factor") ?? this.#metadata.number(`${this.#prefix.replace(".scaling", "")}.scale_linear`) ?? 0;
    return factor < 0 ? this.wrong("factor", factor, "a number above 0") : factor;
  }

  originalContext(contextLength: number): number {
    const original = this.#metadata.integer(`${this.#prefix}.original_context_length`) ?? contextLength;
    return original === 0 ? this.wrong("original_context_length", 0, "at least 1") : original;
  }

  number(name: string): number | undefined {
    const value = this.#metadata.number(`${this.#prefix}.${name}`);
    return value === undefined ? undefined : shortestDecimal(value);
  }

  /** @throws UnsupportedModelError unless the key is missing, or has one of these values */
  need(name: string, ...values: number[]): void {
    const value = this.number(name);
    if (value !== undefined && !values.includes(value))
      this.refuse(name, value, values.length > 0 ? `${values[0]}` : "no such key");
  }

  wrong(name: string, got: number, need: string): never {
    throw new CheckpointError(`${this.#file}: ${this.#prefix}.${name}: got ${got}, need ${need}`);
  }

  refuse(name: string, got: string | number, need: string): never {
    throw new UnsupportedModelError(`${this.#file}: ${this.#prefix}.${name}: got ${JSON.stringify(got)}, need ${need}`);
  }
}

interface ScalingContext extends Pick<RopeContext, "ropeFactors" | "contextLength" | "file"> {
  readonly rotaryDim: number;
}

function ropeScaling(keys: ScalingKeys, context: ScalingContext): RopeScaling {
  const { ropeFactors, rotaryDim, file } = context;
  const { type, factor } = keys;
  const isScaled = type !== "none" && factor !== 0 && factor !== 1;
  if (!["none", "linear", "yarn", "longrope"].includes(type)) keys.refuse("type", type, '"none", "linear", "yarn" or "longrope"');
  // What llama.cpp multiplies cosines and sines by, beside what YaRN does.
  if (type !== "longrope") keys.need("attn_factor", 1, 0);
  for (const [tensor, factors] of ropeFactors) {
    if (type === "longrope" ? tensor === ROPE_FACTORS : tensor !== ROPE_FACTORS) {
      throw new UnsupportedModelError(
        `${file}: tensor "${tensor}": got it with RoPE scaling of type "${type}", need no such tensor`,
      );
    }
    if (factors.length !== rotaryDim / 2 || !factors.every((value) => value > 0 && value < Infinity)) {
      throw new CheckpointError(
        `${file}: tensor "${tensor}": got ${factors.length} values, need ${rotaryDim / 2}, each finite and above 0`,
      );
    }
  }
  if (type === "longrope") return longRope(keys, context);
  const divisors = ropeFactors.get(ROPE_FACTORS);
  if (divisors === undefined) {
    if (!isScaled) return { kind: "none" };
    return type === "yarn" ? yarn(keys, context) : { kind: "linear", factor };
  }
  if (isScaled) {
    throw new UnsupportedModelError(`${file}: rope scaling: got both ${ROPE_FACTORS} and a ${type} factor, need one of them`);
  }
  return { kind: "factors", factors: Array.from(divisors) };
}

/**
 * As llama.cpp reads it: the ramp has whole ends, and a multiplier of the logarithm stands for
 * `mscale_all_dim` beside an `mscale` of 1 (`src/llama-context.cpp`).
 */
function yarn(keys: ScalingKeys, { contextLength }: ScalingContext): RopeScaling {
  // A negative one is llama.cpp's way to leave it out; any other mixes two ramps.
  keys.need("yarn_ext_factor", 1, -1);
  // Converters write transformers' `attention_factor` here, which replaces YaRN's own; llama.cpp reads a
  // factor beside that, or nothing. What such a file means cannot be told.
  keys.need("yarn_attn_factor");
  const [betaFast, betaSlow] = [keys.number("yarn_beta_fast") || 32, keys.number("yarn_beta_slow") || 1];
  if (!(betaFast > betaSlow && betaSlow > 0))
    keys.wrong("yarn_beta_fast", betaFast, `a number above yarn_beta_slow, ${betaSlow}, both above 0`);
  const mscaleAllDim = keys.number("yarn_log_multiplier") ?? 0;
  if (mscaleAllDim < 0) keys.wrong("yarn_log_multiplier", mscaleAllDim, "a number of at least 0");
  return {
    kind: "yarn",
    factor: keys.factor,
    originalContextLength: keys.originalContext(contextLength),
    betaFast,
    betaSlow,
    truncate: true,
    attention: { mscale: 1, mscaleAllDim },
  };
}

function longRope(keys: ScalingKeys, { ropeFactors, contextLength, file }: ScalingContext): RopeScaling {
  keys.need("factor", 1, 0);
  const [long, short] = [ropeFactors.get(LONG_FACTORS), ropeFactors.get(SHORT_FACTORS)];
  if (!long || !short) {
    throw new CheckpointError(`${file}: tensor "${long ? SHORT_FACTORS : LONG_FACTORS}" is missing; RoPE scaling is "longrope"`);
  }
  const attention = keys.number("attn_factor") || 1;
  if (attention < 0) keys.wrong("attn_factor", attention, "a number above 0");
  if (attention === 1 && long.every((value, i) => value === short[i])) return { kind: "factors", factors: Array.from(long) };
  return {
    kind: "longrope",
    shortFactors: Array.from(short),
    longFactors: Array.from(long),
    originalContextLength: keys.originalContext(contextLength),
    attention: { factor: attention },
  };
}
