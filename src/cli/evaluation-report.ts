/** Results of evaluations, in lines for people and as JSON. */
import type { Distribution } from "../evaluation/divergence-statistics.ts";
import type { KlDivergenceResult } from "../evaluation/kl-divergence.ts";
import type { Uncertain } from "../evaluation/statistics.ts";

/** `23.5366 ± 0.7461` */
export function formatUncertain({ value, standardError }: Uncertain, digits = 4): string {
  return `${value.toFixed(digits)} ± ${standardError.toFixed(digits)}`;
}

/** A share 0..1 in percent: `29.20 ± 2.04 %` */
export function formatShare(share: Uncertain, digits = 2): string {
  return `${formatUncertain(percent(share), digits)} %`;
}

function percent({ value, standardError }: Uncertain): Uncertain {
  return { value: 100 * value, standardError: 100 * standardError };
}

/** llama-perplexity's three blocks. */
export function divergenceReport(result: KlDivergenceResult): string {
  const { ppl, basePpl, correlation, lnPplRatio, pplRatio, pplDifference, kld, deltaP, rmsDeltaP, sameTop } = result;
  const line = (label: string, value: Uncertain) => `${label.padEnd(30)}: ${formatUncertain(value, 6)}`;
  return [
    "====== Perplexity statistics ======",
    line("Mean PPL(Q)", ppl),
    line("Mean PPL(base)", basePpl),
    `${"Cor(ln(PPL(Q)), ln(PPL(base)))".padEnd(30)}: ${(100 * correlation).toFixed(2)} %`,
    line("Mean ln(PPL(Q)/PPL(base))", lnPplRatio),
    line("Mean PPL(Q)/PPL(base)", pplRatio),
    line("Mean PPL(Q)-PPL(base)", pplDifference),
    "",
    "====== KL divergence statistics ======",
    ...distributionLines("KLD", kld, (value) => value.toFixed(6)),
    "",
    "====== Token probability statistics ======",
    ...distributionLines("Δp", deltaP, (value) => `${(100 * value).toFixed(3)} %`),
    `${"RMS Δp".padEnd(11)}: ${formatShare(rmsDeltaP, 3)}`,
    `${"Same top p".padEnd(11)}: ${formatShare(sameTop, 3)}`,
  ].join("\n");
}

/** Lines from the largest to the smallest, with the median among the quantiles. */
function distributionLines(unit: string, distribution: Distribution, format: (value: number) => string): string[] {
  const { mean, maximum, minimum, median, quantiles } = distribution;
  const line = (label: string, value: string) => `${label.padEnd(7)} ${unit.padEnd(3)}: ${value}`;
  const quantile = ({ fraction, value }: Distribution["quantiles"][number]) =>
    line(`${(100 * fraction).toFixed(1)}%`, format(value));
  return [
    line("Mean", `${format(mean.value)} ± ${format(mean.standardError)}`),
    line("Maximum", format(maximum)),
    ...quantiles.filter(({ fraction }) => fraction > 0.5).map(quantile),
    line("Median", format(median)),
    ...quantiles.filter(({ fraction }) => fraction < 0.5).map(quantile),
    line("Minimum", format(minimum)),
  ];
}

/** The JSON of `kld`: nats, and shares 0..1. */
export function divergenceDocument(result: KlDivergenceResult) {
  const { ppl, basePpl, correlation, lnPplRatio, pplRatio, kld, deltaP, rmsDeltaP, sameTop, scored, chunks, tokens } = result;
  return {
    ppl: withError(ppl),
    base_ppl: withError(basePpl),
    ppl_ratio: withError(pplRatio),
    ln_ppl_ratio: withError(lnPplRatio),
    correlation,
    kld: distributionDocument(kld),
    delta_p: distributionDocument(deltaP),
    rms_delta_p: withError(rmsDeltaP),
    same_top: withError(sameTop),
    scored,
    chunks,
    tokens,
  };
}

export function withError({ value, standardError }: Uncertain) {
  return { value, stderr: standardError };
}

function distributionDocument({ mean, maximum, minimum, median, quantiles }: Distribution) {
  return {
    mean: withError(mean),
    maximum,
    minimum,
    median,
    quantiles: Object.fromEntries(quantiles.map(({ fraction, value }) => [`${fraction}`, value])),
  };
}
