/**
 * RoPE in `config.json`: `rope_parameters` of transformers 5, or `rope_theta` and `rope_scaling` of earlier
 * versions. Where both are present the newer one is what transformers 5 reads.
 */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { describe, type JsonFields, type JsonObject } from "../json-object.ts";
import { MAX, type ModelConfig, type RopeScaling } from "./model-config.ts";

export function parseRope(
  fields: JsonFields,
  rotaryDim: number,
  contextLength: number,
): Pick<ModelConfig, "ropeTheta" | "ropeScaling"> {
  const scaling = fields.object("rope_parameters") ?? fields.object("rope_scaling");
  const ropeTheta =
    scaling?.raw("rope_theta") === undefined ? fields.positiveNumber("rope_theta", 10_000) : scaling.positiveNumber("rope_theta");
  return { ropeTheta, ropeScaling: scaling ? parseRopeScaling(scaling, rotaryDim, contextLength) : { kind: "none" } };
}

/** @throws UnsupportedModelError if only a part of each head is to turn, in a family where all of it does */
export function refusePartialRotary(fields: JsonFields): void {
  const part = fields.raw("partial_rotary_factor");
  if (part === undefined || part === 1) return;
  throw new UnsupportedModelError(`${fields.where}: partial_rotary_factor: got ${describe(part)}, supported: 1`);
}

function parseRopeScaling(scaling: JsonFields, rotaryDim: number, contextLength: number): RopeScaling {
  const type = scaling.string("rope_type", scaling.string("type", "default"));
  switch (type) {
    case "default":
      return { kind: "none" };
    case "linear":
      return { kind: "linear", factor: scaling.positiveNumber("factor") };
    case "llama3":
      return parseLlama3(scaling, contextLength);
    case "longrope":
      return parseFactors(scaling, rotaryDim);
    default:
      throw new UnsupportedModelError(`${scaling.where}: rope_type: got "${type}", supported: default, linear, llama3`);
  }
}

function parseLlama3(scaling: JsonFields, contextLength: number): RopeScaling {
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
    originalContextLength: scaling.positiveInteger("original_max_position_embeddings", MAX.context, contextLength),
  };
}

/**
 * LongRoPE with one list for all lengths and no change of the attention scale is a list of divisors and
 * nothing more.
 */
function parseFactors(scaling: JsonFields, rotaryDim: number): RopeScaling {
  const short = scaling.numbers("short_factor", rotaryDim / 2);
  const long = scaling.numbers("long_factor", rotaryDim / 2);
  const plain = scaling.raw("attention_factor") === 1 && short.every((factor, i) => factor === long[i] && factor > 0);
  if (plain) return { kind: "factors", factors: short };
  throw new UnsupportedModelError(
    `${scaling.where}: rope_type: longrope is supported only with equal positive factors and attention_factor 1`,
  );
}

/** The spelling that versions 4 and 5 of transformers both read. */
export function writeRope({ ropeTheta, ropeScaling, contextLength }: ModelConfig): JsonObject {
  return { rope_theta: ropeTheta, rope_scaling: ropeScalingJson(ropeScaling, contextLength) };
}

function ropeScalingJson(scaling: RopeScaling, contextLength: number): JsonObject | null {
  switch (scaling.kind) {
    case "none":
      return null;
    case "linear":
      return { rope_type: "linear", factor: scaling.factor };
    case "llama3":
      return {
        rope_type: "llama3",
        factor: scaling.factor,
        low_freq_factor: scaling.lowFreqFactor,
        high_freq_factor: scaling.highFreqFactor,
        original_max_position_embeddings: scaling.originalContextLength,
      };
    case "factors":
      // The one type of transformers that takes a list: with equal lists and no attention factor it divides
      // and does nothing else.
      return {
        rope_type: "longrope",
        short_factor: scaling.factors,
        long_factor: scaling.factors,
        attention_factor: 1,
        factor: 1,
        original_max_position_embeddings: contextLength,
      };
  }
}
