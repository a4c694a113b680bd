/**
 * Statistics collected in wasm against those of the double-precision forward pass, and against an independent
 * implementation.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { AbortError, RecipeError } from "../../../src/errors.ts";
import type { Progress } from "../../../src/progress.ts";
import type { Site } from "../../../src/model/block.ts";
import { calibrate } from "../../../src/quantizer/calibrate/calibrate.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { assertWithin } from "../../oracle/compare.ts";
import { simulate } from "../../oracle/float-simulation.ts";
import { tinyModel } from "../../tiny-model.ts";
import { tinySamples } from "../tiny-samples.ts";

const SEED = 17;
const test = suite(`calibration (seed ${SEED})`);

const SITES = ["qkv", "o", "up", "down", "k", "v"] as const;

/** The same statistics from the oracle's forward pass. */
class ObservedRows {
  readonly rows: Record<Site, Float64Array[]> = { qkv: [], o: [], up: [], down: [], k: [], v: [] };

  channel(site: Site, channel: number): number[] {
    return this.rows[site].map((row) => row[channel]!);
  }
}

const meanSquare = (values: number[]) => values.reduce((sum, value) => sum + value * value, 0) / values.length;

for (const architecture of ["llama", "mistral", "qwen2", "qwen3"] as const) {
  test(`${architecture}: minimum, maximum and second moment of every channel are those of the oracle`, async () => {
    const checkpoint = await openSafetensorsCheckpoint(tinyModel(SEED, { architecture }));
    // Different lengths: each sample starts at position 0, and rows are counted, not chunks.
    const samples = [...tinySamples(SEED, 2, 24), ...tinySamples(SEED + 1, 1, 7)];
    const observed = checkpoint.config.attentionWindows.map(() => new ObservedRows());
    for (const ids of samples) {
      await simulate(checkpoint, ids, { observe: (site, layer, row) => void observed[layer]!.rows[site].push(row) });
    }
    const stats = await calibrate(checkpoint, samples, { host: nodeHost, threads: 1 });
    assert.is(stats.length, checkpoint.config.layers);
    stats.forEach((layer, l) => {
      for (const site of SITES) {
        const { min, max, secondMoment, tokens } = layer[site]!;
        const oracle = observed[l]!;
        const largest = Math.max(...oracle.rows[site].map((row) => Math.max(...row.map(Math.abs))));
        // float32 against float64 through at most three layers of dot products over at most 192 terms,
        // relative to the activation's size: 3 layers * 2 products * 192 * 2^-24 < 1e-4; second moments
        // double it.
        const what = `layer ${l} ${site}`;
        const over = (reduce: (values: number[]) => number) => Array.from(min, (_, i) => reduce(oracle.channel(site, i)));
        assertWithin(
          min,
          over((values) => Math.min(...values)),
          () => 1e-4 * largest,
          `${what} minimum`,
        );
        assertWithin(
          max,
          over((values) => Math.max(...values)),
          () => 1e-4 * largest,
          `${what} maximum`,
        );
        assertWithin(secondMoment, over(meanSquare), () => 2e-4 * largest ** 2, `${what} second moment`);
        assert.is(tokens, 55);
      }
    });
  });
}

test("threads change nothing", async () => {
  const checkpoint = await openSafetensorsCheckpoint(tinyModel(SEED));
  const samples = tinySamples(SEED, 2, 16);
  const one = await calibrate(checkpoint, samples, { host: nodeHost, threads: 1 });
  assert.equal(await calibrate(checkpoint, samples, { host: nodeHost, threads: 2 }), one);
});

test("progress counts tokens in proportion to the layers they have gone through", async () => {
  const checkpoint = await openSafetensorsCheckpoint(tinyModel(SEED));
  const seen: Progress[] = [];
  await calibrate(checkpoint, tinySamples(SEED, 3, 8), { host: nodeHost, threads: 1, onProgress: (step) => seen.push(step) });
  assert.equal(
    seen.map(({ done }) => done),
    Array.from({ length: 9 }, (_, i) => Math.floor((8 * (i + 1)) / 3)),
  );
  assert.ok(seen.every(({ phase, total, unit }) => phase === "calibrate" && total === 24 && unit === "tokens"));
});

/** What a promise was rejected with. */
async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test("nothing to calibrate with is refused", async () => {
  const checkpoint = await openSafetensorsCheckpoint(tinyModel(SEED));
  for (const samples of [[], [new Int32Array()]]) {
    assert.instance(await failure(calibrate(checkpoint, samples, { host: nodeHost })), RecipeError);
  }
});

test("an abort ends it between samples", async () => {
  const checkpoint = await openSafetensorsCheckpoint(tinyModel(SEED));
  const controller = new AbortController();
  let steps = 0;
  const onProgress = () => void (++steps === 4 && controller.abort());
  const work = calibrate(checkpoint, tinySamples(SEED, 3, 8), {
    host: nodeHost,
    threads: 1,
    signal: controller.signal,
    onProgress,
  });
  assert.instance(await failure(work), AbortError);
  assert.is(steps, 4);
});

test.run();
