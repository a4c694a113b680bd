/**
 * RoPE in `config.json`: `rope_parameters` of transformers 5, or `rope_theta` and `rope_scaling` of earlier
 * versions. Where both are present the newer one is what transformers 5 reads.
 */
import { CheckpointError, UnsupportedModelError } from "../errors.ts";
import { describe, type JsonFields, type JsonObject } from "../json-object.ts";
import type { ModelConfig, Rope } from "./model-config.ts";
import { parseRopeScaling, ropeScalingJson } from "./rope-scaling.ts";

export interface RopeDefaults {
  readonly rotaryDim: number;
  readonly contextLength: number;
  /** The base where no key says it. undefined: 10000 */
  readonly theta?: number | undefined;
  /** What earlier versions call the base. undefined: `rope_theta` */
  readonly thetaKey?: string;
}

export function parseRope(fields: JsonFields, defaults: RopeDefaults): Rope {
  return parseRopeObject(fields, fields.object("rope_parameters") ?? fields.object("rope_scaling"), defaults);
}

/** @param scaling the object that has the kind; the base may stand in it, or in the configuration itself */
export function parseRopeObject(
  fields: JsonFields,
  scaling: JsonFields | undefined,
  { rotaryDim, contextLength, theta = 10_000, thetaKey = "rope_theta" }: RopeDefaults,
): Rope {
  const ropeTheta =
    scaling?.raw("rope_theta") === undefined ? fields.positiveNumber(thetaKey, theta) : scaling.positiveNumber("rope_theta");
  const context = { fields, rotaryDim, contextLength };
  return { ropeTheta, ropeScaling: scaling ? parseRopeScaling(scaling, context) : { kind: "none" } };
}

/** @throws UnsupportedModelError if only a part of each head is to turn, in a family where all of it does */
export function refusePartialRotary(fields: JsonFields): void {
  for (const where of [fields, fields.object("rope_parameters") ?? fields.object("rope_scaling")]) {
    const part = where?.raw("partial_rotary_factor");
    if (part === undefined || part === 1) continue;
    throw new UnsupportedModelError(`${where!.where}: partial_rotary_factor: got ${describe(part)}, supported: 1`);
  }
}

/**
 * Reads how many channels of each head turn, int(D * factor): `rope_parameters.partial_rotary_factor` of
 * transformers 5, or `partial_rotary_factor` (Phi) or `rotary_pct` (GPT-NeoX) of earlier versions.
 *
 * @throws UnsupportedModelError if that is odd or none; CheckpointError if the factor is no number in (0, 1],
 *   or D no integer
 */
export function parsePartialRotary(fields: JsonFields, headDim: number, fallback: number): number {
  const [where, key] = partialRotaryKey(fields);
  const factor = where.positiveNumber(key, fallback);
  if (!Number.isInteger(headDim)) throw new CheckpointError(`${fields.where}: head dimension: got ${headDim}, need an integer`);
  if (factor > 1) throw new CheckpointError(`${where.where}: ${key}: got ${factor}, need at most 1`);
  const rotaryDim = Math.floor(headDim * factor);
  if (rotaryDim > 0 && rotaryDim % 2 === 0) return rotaryDim;
  throw new UnsupportedModelError(
    `${where.where}: ${key}: got ${factor}, which turns ${rotaryDim} channels of a head of ${headDim}, supported: an even number`,
  );
}

function partialRotaryKey(fields: JsonFields): readonly [JsonFields, string] {
  const parameters = fields.object("rope_parameters");
  if (parameters?.raw("partial_rotary_factor") !== undefined) return [parameters, "partial_rotary_factor"];
  return [fields, fields.raw("rotary_pct") === undefined ? "partial_rotary_factor" : "rotary_pct"];
}

/** The factor that `parsePartialRotary` reads as `rotaryDim`. */
export function rotaryFactor({ rotaryDim, headDim }: ModelConfig): number {
  const factor = rotaryDim / headDim;
  // 49 * (1 / 49) is less than 1 in double precision, and readers cut off what is behind the point.
  return Math.floor(headDim * factor) === rotaryDim ? factor : factor * (1 + Number.EPSILON);
}

/** The spelling that versions 4 and 5 of transformers both read. */
export function writeRope({ ropeTheta, ropeScaling, contextLength }: ModelConfig, thetaKey = "rope_theta"): JsonObject {
  // Version 4 knows LongRoPE's original context by this key alone; in both it wins over that of the scaling.
  const original = ropeScaling.kind === "longrope" && { original_max_position_embeddings: ropeScaling.originalContextLength };
  return { [thetaKey]: ropeTheta, rope_scaling: ropeScalingJson(ropeScaling, contextLength), ...original };
}
