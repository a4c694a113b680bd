/** A cache of 4-bit codes in the kernels of 8 bits, against the float simulation; and who may ask for it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeHost } from "../../src/host/node.ts";
import type { LoadOptions } from "../../src/model/load-options.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { simulate } from "../oracle/float-simulation.ts";
import { quantizedTinyModel } from "../quantized-tiny-model.ts";

const SEED = 109;
const test = suite(`KV cache of 4 bits (seed ${SEED})`);
const checkpoint = await quantizedTinyModel(SEED, { kvCache: "q4", activations: "none" });
const ids = Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % checkpoint.config.vocabSize);

async function run(kvCache?: LoadOptions["kvCache"]) {
  const model = await Transformer.load(checkpoint, nodeHost, { threads: 1, head: "f32", kvCache });
  const { vocabSize: V } = model.config;
  const logits = new Float32Array(ids.length * V);
  await model.forward(ids, { logits: ({ values, firstRow }) => logits.set(values, firstRow * V) });
  const { kvCache: kinds } = model;
  await model.dispose();
  return { logits, kinds };
}

const worst = (a: ArrayLike<number>, b: Float64Array) =>
  b.reduce((most, value, i) => Math.max(most, Math.abs(value - a[i]!)), 0) /
  b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

test("keys and values are rounded to -8..7 steps, and nothing else is as near", async () => {
  const { logits, kinds } = await run();
  assert.equal(kinds, { k: "q4", v: "q4" });
  const off = worst(logits, await simulate(checkpoint, ids, { kCache: "q4", vCache: "q4" }));
  // Probabilities have 14 bits, and queries 8 or 14 (docs/kernels.md).
  assert.ok(off < 5e-3, `${off}`);
  for (const others of [
    { kCache: "q8", vCache: "q4" },
    { kCache: "q4", vCache: "f32" },
  ] as const) {
    const other = worst(logits, await simulate(checkpoint, ids, others));
    assert.ok(other > 2 * off, `${off}, ${other}`);
  }
});

test("int8 of a model with scales of 4 bits has a scale for each token and head", async () => {
  assert.equal((await run("q8")).kinds, { k: "q8t", v: "q8t" });
  assert.equal((await run({ k: "f32" })).kinds, { k: "f32", v: "q4" });
});

test.run();
