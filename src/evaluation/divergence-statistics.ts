/** The figures of llama-perplexity's `--kl-divergence`, from what was measured at each target. */
import { covariance, quantile, type Uncertain, uncertainExp, uncertainMean } from "./statistics.ts";

/** One value for each target scored. */
export interface DivergenceSamples {
  /** Negative log-likelihood of the target, in nats. */
  readonly losses: number[];
  readonly baseLosses: number[];
  /** KL(base || model), in nats. */
  readonly divergences: number[];
  /** 1 where both models find the same token likeliest, else 0. */
  readonly sameTop: number[];
}

/** Values of all targets, summed up. */
export interface Distribution {
  /** Mean. */
  readonly mean: Uncertain;
  /** Largest. */
  readonly maximum: number;
  /** Smallest. */
  readonly minimum: number;
  /** Median. */
  readonly median: number;
  /** Value at each of the asked fractions, in their order. */
  readonly quantiles: readonly { readonly fraction: number; readonly value: number }[];
}

/** How far a model is from its base, over the same targets. */
export interface DivergenceStatistics {
  /** Targets scored. */
  readonly scored: number;
  /** Perplexity of the model. */
  readonly ppl: Uncertain;
  /** Perplexity of the base. */
  readonly basePpl: Uncertain;
  /** Correlation of both models' losses, -1..1; NaN if a model's never vary. */
  readonly correlation: number;
  /** Natural logarithm of the ratio of both. */
  readonly lnPplRatio: Uncertain;
  /** Perplexity over that of the base. */
  readonly pplRatio: Uncertain;
  /** Perplexity less that of the base. */
  readonly pplDifference: Uncertain;
  /** KL(base || model) of a target, in nats. */
  readonly kld: Distribution;
  /** Change of the target's probability. */
  readonly deltaP: Distribution;
  /** Root of the mean square of that change. */
  readonly rmsDeltaP: Uncertain;
  /** Share of targets before which both models find the same token likeliest, 0..1. */
  readonly sameTop: Uncertain;
}

/** llama-perplexity's, from the top. */
const KLD_FRACTIONS = [0.999, 0.99, 0.95, 0.9, 0.1, 0.05, 0.01, 0.001];
const DELTA_P_FRACTIONS = [0.999, 0.99, 0.95, 0.9, 0.75, 0.25, 0.1, 0.05, 0.01, 0.001];

/** Errors of functions of means are to first order. A single target leaves every error 0. */
export function divergenceStatistics({ losses, baseLosses, divergences, sameTop }: DivergenceSamples): DivergenceStatistics {
  const [lnPpl, lnBasePpl] = [uncertainMean(losses), uncertainMean(baseLosses)];
  const [ppl, basePpl] = [uncertainExp(lnPpl), uncertainExp(lnBasePpl)];
  // The covariance of the two means.
  const lnCovariance = covariance(losses, baseLosses) / losses.length;
  const lnPplRatio = difference(lnPpl, lnBasePpl, lnCovariance);
  const deltaP = losses.map((loss, i) => Math.exp(-loss) - Math.exp(-baseLosses[i]!));
  const squares = uncertainMean(deltaP.map((change) => change ** 2));
  const rms = Math.sqrt(squares.value);
  return {
    scored: losses.length,
    ppl,
    basePpl,
    correlation: lnCovariance / (lnPpl.standardError * lnBasePpl.standardError),
    lnPplRatio,
    pplRatio: uncertainExp(lnPplRatio),
    pplDifference: difference(ppl, basePpl, ppl.value * basePpl.value * lnCovariance),
    kld: distribution(divergences, KLD_FRACTIONS),
    deltaP: distribution(deltaP, DELTA_P_FRACTIONS),
    rmsDeltaP: { value: rms, standardError: rms > 0 ? (0.5 / rms) * squares.standardError : 0 },
    sameTop: uncertainMean(sameTop),
  };
}

/** a - b, of which the covariance is known. */
function difference(a: Uncertain, b: Uncertain, covarianceOfBoth: number): Uncertain {
  const variance = a.standardError ** 2 + b.standardError ** 2 - 2 * covarianceOfBoth;
  // Equal samples leave rounding errors of either sign.
  return { value: a.value - b.value, standardError: Math.sqrt(Math.max(0, variance)) };
}

function distribution(values: readonly number[], fractions: readonly number[]): Distribution {
  const sorted = Float64Array.from(values).toSorted();
  return {
    mean: uncertainMean(values),
    maximum: sorted.at(-1)!,
    minimum: sorted[0]!,
    median: quantile(sorted, 0.5),
    quantiles: fractions.map((fraction) => ({ fraction, value: quantile(sorted, fraction) })),
  };
}
