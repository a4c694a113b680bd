/** The choice of the next token: the caller's options, validated once, as data. */
import type { RecommendedSampling } from "../checkpoint/recommended-sampling.ts";
import type { SamplingOptions } from "./generation-options.ts";
import { OptionError } from "../errors.ts";
import { need, shown } from "../need.ts";
import { randomSeed } from "./random.ts";

/** Makes recent tokens less likely; see `penalizeRepetition`. */
export interface RepetitionPenalty {
  /** The divisor: above 1 discourages, below 1 encourages. */
  readonly penalty: number;
  /** The number of latest tokens, prompt included, that are looked at; Infinity for all. */
  readonly lastN: number;
}

export type Sampling =
  | { readonly kind: "greedy"; readonly repetition: RepetitionPenalty | undefined }
  | {
      readonly kind: "sample";
      readonly repetition: RepetitionPenalty | undefined;
      /** Infinity keeps all. */
      readonly topK: number;
      /** 1 keeps all. */
      readonly topP: number;
      /** 0 keeps all. */
      readonly minP: number;
      readonly temperature: number;
      readonly seed: number;
    };

/** llama.cpp's defaults (`common_params_sampling`). */
export const DEFAULT_SAMPLING = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  repeatPenalty: 1,
  repeatLastN: 64,
} as const satisfies Omit<Required<SamplingOptions>, "seed">;

/**
 * Below this a logit divided by the temperature could leave the range of float32; from 0 to here it would be
 * greedy anyway.
 */
const MIN_TEMPERATURE = 1e-6;
const MAX_TEMPERATURE = 1e6;
/** The limits of the penalty: far beyond any use, and far from turning a finite logit infinite. */
const PENALTY_RANGE = [1e-3, 1e3] as const;

/**
 * @param recommended by the model's authors; below the caller's options, above the defaults of this package
 * @returns the resolved sampling; without a seed in the options, a random one was drawn
 * @throws OptionError naming the option, its value and its domain
 */
export function resolveSampling(options: SamplingOptions, recommended: RecommendedSampling = {}): Sampling {
  const chosen = (option: keyof typeof DEFAULT_SAMPLING) => options[option] ?? recommended[option] ?? DEFAULT_SAMPLING[option];
  const temperature = checkTemperature(chosen("temperature"));
  const topK = need.whole("topK", chosen("topK"), 0);
  const topP = need.real("topP", chosen("topP"), 0, 1);
  const minP = need.real("minP", chosen("minP"), 0, 1);
  const penalty = need.real("repeatPenalty", chosen("repeatPenalty"), ...PENALTY_RANGE);
  const lastN = need.whole("repeatLastN", chosen("repeatLastN"), -1);
  const seed = options.seed === undefined ? undefined : need.whole("seed", options.seed, 0, 2 ** 32 - 1);

  const repetition = penalty === 1 || lastN === 0 ? undefined : { penalty, lastN: lastN === -1 ? Infinity : lastN };
  if (temperature === 0) return { kind: "greedy", repetition };
  return {
    kind: "sample",
    repetition,
    topK: topK === 0 ? Infinity : topK,
    topP,
    minP,
    temperature,
    seed: seed ?? randomSeed(),
  };
}

function checkTemperature(value: number): number {
  if (value === 0 || (typeof value === "number" && value >= MIN_TEMPERATURE && value <= MAX_TEMPERATURE)) return value;
  throw new OptionError(
    `temperature: got ${shown(value)}, need 0, the most likely token, or a number from ${MIN_TEMPERATURE} to ${MAX_TEMPERATURE}`,
  );
}
