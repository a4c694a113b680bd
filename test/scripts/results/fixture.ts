/** Measurements as docs/results.json has them, of invented numbers. */
import { type Environment, madeWith, type Results, type RowResult } from "../../../scripts/results/results-file.ts";
import { ROWS } from "../../../scripts/results/rows.ts";
import { DEFAULT_SETTINGS } from "../../../scripts/results/settings.ts";
import { INPUT_NAMES } from "../../../src/architecture/description.ts";

export const ENVIRONMENT: Environment = {
  date: "2026-01-02",
  cpu: "Some CPU",
  threads: 2,
  runtime: "node 20.0.0",
  build: "simd128",
  version: "0.0.1",
};

const uncertain = (value: number, standardError: number) => ({ value, standardError });

/** @param ratio of perplexity to float32, whose own is 20 */
export function rowResult(id: string, ratio: number, changes: Partial<RowResult> = {}): RowResult {
  const row = ROWS.find((candidate) => candidate.id === id)!;
  const byLayer = (scale: number) => [1, 2, 3].map((layer) => scale * layer);
  return {
    madeWith: madeWith(row, DEFAULT_SETTINGS),
    environment: ENVIRONMENT,
    seconds: 100,
    quantization: {
      seconds: 61.7,
      stages: { calibrate: 50 },
      bitsPerWeight: 4.444,
      staticShare: 0.755,
      bytes: 1e6,
      ...(row.layerErrors && {
        layerErrors: Object.fromEntries(
          INPUT_NAMES.map((input) => [
            input,
            { weight: byLayer(0.01), output: id === "rtn" ? [null, null, null] : byLayer(0.001) },
          ]),
        ) as never,
      }),
    },
    text: {
      scored: 4080,
      ppl: uncertain(20 * ratio, 0.5),
      divergence: {
        pplRatio: uncertain(ratio, 0.0123),
        kld: uncertain(0.1234, 0.0021),
        kldMedian: 0.05,
        sameTop: uncertain(0.8764, 0.005),
      },
    },
    lambada: { items: 500, accuracy: uncertain(0.2468, 0.0193), targetPerplexity: uncertain(40, 2) },
    ...changes,
  };
}

export function exampleResults(): Results {
  const [float] = ROWS;
  return {
    rows: {
      [float!.id]: {
        madeWith: madeWith(float!, DEFAULT_SETTINGS),
        environment: ENVIRONMENT,
        seconds: 90,
        text: { scored: 4080, ppl: uncertain(20, 0.4) },
        hellaswag: { items: 400, accuracy: uncertain(0.315, 0.023), normalizedAccuracy: uncertain(0.4225, 0.0247) },
      },
      rtn: rowResult("rtn", 1.4),
      fptq: rowResult("fptq", 1.25),
      "fptq-best": rowResult("fptq-best", 1.08),
      gptq: rowResult("gptq", 1.3, {
        quantization: { seconds: 290, stages: {}, bitsPerWeight: 4.25, staticShare: null, bytes: 1 },
      }),
      "rtn-static": {
        madeWith: rowResult("rtn-static", 1).madeWith,
        environment: ENVIRONMENT,
        seconds: 3,
        failure: "a | reason",
      },
    },
    activations: {
      madeWith: madeWith({ recipe: "fptq", evaluate: [] }, DEFAULT_SETTINGS),
      environment: ENVIRONMENT,
      ranges: [0, 1, 2].flatMap((layer) =>
        INPUT_NAMES.map((input, i) => ({ layer, input, range: (i + 1) * (layer + 1) * 4, equalizedRange: 4 })),
      ),
      telling: { name: "model.layers.1.qkv", before: [80, 4, 2, 0], after: [6.4, 2.6, 2, 0] },
    },
  };
}
