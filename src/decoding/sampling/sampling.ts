/** The choice of the next token: the caller's options, validated once, as data. */
import type { RecommendedSampling } from "../../checkpoint/recommended-sampling.ts";
import type { SamplingOptions } from "../generation-options.ts";
import { OptionError } from "../../errors.ts";
import { describe } from "../../json-object.ts";
import { need, shown } from "../../need.ts";
import { randomSeed } from "./random.ts";

/** Makes recent tokens less likely; see `penalizeRepetition`. */
export interface RepetitionPenalty {
  /** The divisor: above 1 discourages, below 1 encourages. */
  readonly penalty: number;
  /** The number of latest tokens, prompt included, that are looked at; Infinity for all. */
  readonly lastN: number;
}

/** Makes generated tokens less likely; see `penalizeOccurrences`. */
export interface OccurrencePenalty {
  /** Taken off once for a token that has come. */
  readonly presence: number;
  /** Taken off for each time it has come. */
  readonly frequency: number;
}

/** What is done to logits before anything is chosen of them. */
export interface LogitChanges {
  readonly repetition: RepetitionPenalty | undefined;
  readonly occurrence: OccurrencePenalty | undefined;
  /** What is added to the logits of single tokens. */
  readonly bias: readonly (readonly [id: number, bias: number])[];
}

export type Sampling =
  | ({ readonly kind: "greedy" } & LogitChanges)
  | ({
      readonly kind: "sample";
      /** Infinity keeps all. */
      readonly topK: number;
      /** 1 keeps all. */
      readonly topP: number;
      /** 0 keeps all. */
      readonly minP: number;
      readonly temperature: number;
      readonly seed: number;
    } & LogitChanges);

/** llama.cpp's defaults (`common_params_sampling`). */
export const DEFAULT_SAMPLING = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  repeatPenalty: 1,
  repeatLastN: 64,
} as const satisfies Partial<Required<SamplingOptions>>;

/**
 * Below this a logit divided by the temperature could leave the range of float32; from 0 to here it would be
 * greedy anyway.
 */
const MIN_TEMPERATURE = 1e-6;
const MAX_TEMPERATURE = 1e6;
/** The limits of the penalty: far beyond any use, and far from turning a finite logit infinite. */
const PENALTY_RANGE = [1e-3, 1e3] as const;
/** OpenAI's limits. */
const OCCURRENCE_RANGE = [-2, 2] as const;
const BIAS_RANGE = [-100, 100] as const;

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

  const changes: LogitChanges = {
    repetition: penalty === 1 || lastN === 0 ? undefined : { penalty, lastN: lastN === -1 ? Infinity : lastN },
    occurrence: resolveOccurrence(options),
    bias: resolveBias(options.logitBias),
  };
  if (temperature === 0) return { kind: "greedy", ...changes };
  return {
    kind: "sample",
    ...changes,
    topK: topK === 0 ? Infinity : topK,
    topP,
    minP,
    temperature,
    seed: seed ?? randomSeed(),
  };
}

function resolveOccurrence({ presencePenalty, frequencyPenalty }: SamplingOptions): OccurrencePenalty | undefined {
  const presence = need.real("presencePenalty", presencePenalty ?? 0, ...OCCURRENCE_RANGE);
  const frequency = need.real("frequencyPenalty", frequencyPenalty ?? 0, ...OCCURRENCE_RANGE);
  return presence === 0 && frequency === 0 ? undefined : { presence, frequency };
}

/** That an id is one of the vocabulary is checked where that is known (`Sampler`). */
function resolveBias(logitBias: SamplingOptions["logitBias"]): LogitChanges["bias"] {
  if (logitBias === undefined) return [];
  if (typeof logitBias !== "object" || logitBias === null || Array.isArray(logitBias))
    throw new OptionError(`logitBias: got ${describe(logitBias)}, need an object of biases by token id`);
  return Object.entries(logitBias).map(([id, bias]) => {
    if (!/^(0|[1-9]\d{0,9})$/.test(id)) throw new OptionError(`logitBias: got the key ${shown(id)}, need a token id`);
    return [Number(id), need.real(`logitBias[${id}]`, bias, ...BIAS_RANGE)];
  });
}

function checkTemperature(value: number): number {
  if (value === 0 || (typeof value === "number" && value >= MIN_TEMPERATURE && value <= MAX_TEMPERATURE)) return value;
  throw new OptionError(
    `temperature: got ${shown(value)}, need 0, the most likely token, or a number from ${MIN_TEMPERATURE} to ${MAX_TEMPERATURE}`,
  );
}
