/** RoPE in the metadata of a GGUF: which channels turn, by what. */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { GgufForm } from "../../architecture/family.ts";
import type { ModelConfig, RopeScaling } from "../../architecture/model-config.ts";
import { type GgufMetadata, shortestDecimal } from "./gguf-metadata.ts";

/** Divisors of the rotary frequencies: an input of the configuration, not a weight. */
export const ROPE_FACTORS_TENSOR = "rope_freqs.weight";

const DEFAULT_THETA = 10_000;

export interface RopeContext {
  readonly headDim: number;
  /** Values of `rope_freqs.weight`, if the file has that tensor. */
  readonly ropeFactors: Float32Array | undefined;
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
  { headDim, ropeFactors, file }: RopeContext,
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
    if (ropeFactors === undefined) return { rotaryDim, ropeTheta: DEFAULT_THETA, ropeScaling: { kind: "none" } };
    throw new UnsupportedModelError(
      `${file}: tensor "${ROPE_FACTORS_TENSOR}": got it in a model without RoPE, need no such tensor`,
    );
  }
  const ropeTheta = metadata.number(`${architecture}.rope.freq_base`) ?? DEFAULT_THETA;
  if (!(ropeTheta > 0))
    throw new CheckpointError(`${file}: ${architecture}.rope.freq_base: got ${ropeTheta}, need a number above 0`);
  return {
    rotaryDim,
    ropeTheta: shortestDecimal(ropeTheta),
    ropeScaling: ropeScaling(metadata, architecture, ropeFactors, rotaryDim, file),
  };
}

function ropeScaling(
  metadata: GgufMetadata,
  architecture: string,
  ropeFactors: Float32Array | undefined,
  rotaryDim: number,
  file: string,
): RopeScaling {
  const kind = metadata.string(`${architecture}.rope.scaling.type`) ?? "linear";
  const factor =
    metadata.number(`${architecture}.rope.scaling.factor`) ?? metadata.number(`${architecture}.rope.scale_linear`) ?? 0;
  if (kind !== "none" && kind !== "linear") {
    throw new UnsupportedModelError(`${file}: ${architecture}.rope.scaling.type: got "${kind}", need "none" or "linear"`);
  }
  if (factor < 0) throw new CheckpointError(`${file}: ${architecture}.rope.scaling.factor: got ${factor}, need a number above 0`);
  const isLinear = kind === "linear" && factor !== 0 && factor !== 1;
  if (ropeFactors === undefined) return isLinear ? { kind: "linear", factor: shortestDecimal(factor) } : { kind: "none" };

  if (isLinear)
    throw new UnsupportedModelError(
      `${file}: rope scaling: got both ${ROPE_FACTORS_TENSOR} and a linear factor, need one of them`,
    );
  if (ropeFactors.length !== rotaryDim / 2 || !ropeFactors.every((value) => value > 0 && value < Infinity)) {
    throw new CheckpointError(
      `${file}: tensor "${ROPE_FACTORS_TENSOR}": got ${ropeFactors.length} values, need ${rotaryDim / 2}, each finite and above 0`,
    );
  }
  return { kind: "factors", factors: Array.from(ropeFactors) };
}
