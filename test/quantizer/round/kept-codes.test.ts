import { suite } from "uvu";
import * as assert from "uvu/assert";
import { superblockOf } from "../../../src/checkpoint/quantization/two-level.ts";
import { RecipeError } from "../../../src/errors.ts";
import { errorStats, measureErrors } from "../../../src/quantizer/round/error-stats.ts";
import { keepCodes, readCodes } from "../../../src/quantizer/round/kept-codes.ts";
import { nearestRows } from "../../../src/quantizer/round/module-rows.ts";
import type { RowFormat } from "../../../src/quantizer/round/quantize-weights.ts";
import { openCheckpoint } from "../../../src/checkpoint/open-checkpoint.ts";
import { MemoryFile } from "../../memory-folder.ts";
import { sharedFile, SMOLLM2 } from "../../shared-data.ts";
import { mulberry32, normal } from "../../random.ts";

const SEED = 83;
const random = mulberry32(SEED);
const gaussian = normal(random);
const test = suite(`kept codes (seed ${SEED})`);
const G = 32;

function format(K: number, scaleType: RowFormat["scaleType"] = "bf16"): RowFormat {
  return { K, G, type: "int4m", scaleType, constraint: "none" };
}

interface Source {
  readonly codes: Uint8Array;
  readonly weight: Float32Array;
}

/** w = a u + b in float32, codes from 0 to 15 in every group. */
function source(count: number, line: (group: number) => readonly [a: number, b: number]): Source {
  const codes = Uint8Array.from({ length: count * G }, (_, i) => (i % G < 16 ? i % 16 : Math.floor(16 * random())));
  const lines = Array.from({ length: count }, (_, group) => line(group));
  const weight = Float32Array.from(codes, (u, i) => {
    const [a, b] = lines[Math.floor(i / G)]!;
    return Math.fround(a * u) + b;
  });
  return { codes, weight };
}

/** As large as those of a model: minima around 7.5 steps below zero. */
const usual = (): readonly [number, number] => {
  const a = 0.01 * Math.exp(0.3 * gaussian());
  return [a, -a * (7.5 + gaussian())];
};

const nmse = ({ weight }: Source, rows: ReturnType<typeof keepCodes>["rows"]) => errorStats(measureErrors(weight, rows)).nmse;

test("codes stay, scales and minima have 8 bits: an error of less than a ten-thousandth", () => {
  for (const scaleType of ["bf16", "f16", "f32"] as const) {
    for (const K of [32, 64, 576, 1536]) {
      const own = source((4 * K) / G, usual);
      const { rows, kept } = keepCodes(own.weight, own.codes, format(K, scaleType));
      assert.is(kept, own.weight.length);
      assert.equal([...rows.q].map((q) => q + 8), [...own.codes]); // prettier-ignore
      const error = nmse(own, rows);
      assert.ok(error < 1e-4, `K=${K} ${scaleType}: ${error}`);
      const again = errorStats(measureErrors(own.weight, nearestRows(own.weight, format(K, scaleType)))).nmse;
      assert.ok(error <= again, `nearest: ${again}`);
    }
  }
});

test("a row may be as long as is wished, in superblocks of equal length", () => {
  const expected = { 32: 32, 576: 576, 4096: 4096, 4192: 32, 4864: 2432, 8960: 2240, 11008: 2752 };
  for (const [K, B] of Object.entries(expected)) assert.is(superblockOf(Number(K)), B);
  const own = source(4864 / G, usual);
  const { rows, kept } = keepCodes(own.weight, own.codes, format(4864));
  assert.is(kept, 4864);
  assert.is(rows.levels.multipliers.length, 4);
});

test("what multiplies all channels of a group alike keeps its codes, what does not is rounded anew", () => {
  const K = 96;
  const own = source(K / G, usual);
  const alike = own.weight.map((value, i) => value * [0.37, 1, 5.1][Math.floor(i / G)]! * -1.7);
  assert.is(keepCodes(alike, own.codes, format(K)).kept, K);
  const apart = own.weight.map((value, i) => (i < G ? value * (1 + 0.01 * (i % 7)) : value));
  const { rows, kept } = keepCodes(apart, own.codes, format(K));
  assert.is(kept, K - G);
  assert.ok(errorStats(measureErrors(apart, rows)).nmse < 0.01);
  const finer = keepCodes(apart, own.codes, format(K), (weight) => {
    assert.equal(weight, apart);
    return { steps: new Float32Array(3).fill(1e-4), lows: new Float32Array(3), centers: new Float32Array(3) };
  });
  assert.ok(errorStats(measureErrors(apart, finer.rows)).nmse > 0.1, "lines are those that are found");
});

test("minima above zero turn a superblock over, unless it has groups below zero too", () => {
  const above = source(4, (group) => [0.01, group === 1 ? 0.02 : -0.07]);
  const turned = keepCodes(above.weight, above.codes, format(128));
  assert.is(turned.kept, 128);
  assert.ok(nmse(above, turned.rows) < 1e-4);
  assert.ok(turned.rows.levels.multipliers.every((multiplier) => multiplier < 0));

  const both = source(4, (group) => [0.01, [-0.07, 0.02, -0.07, -0.2][group]!]);
  const mixed = keepCodes(both.weight, both.codes, format(128));
  assert.is(mixed.kept, 96, "one group is rounded anew");
  assert.ok(nmse(both, mixed.rows) < 2e-3);
});

test("steps of either sign, groups of one weight, and rows of zeros", () => {
  const falling = source(2, (group) => (group === 0 ? [-0.01, 0.08] : [0.01, -0.08]));
  const kept = keepCodes(falling.weight, falling.codes, format(64));
  assert.is(kept.kept, 64);
  assert.ok(nmse(falling, kept.rows) < 1e-4);

  const constant = source(2, (group) => (group === 0 ? [0, -0.05] : [0.01, -0.08]));
  const flat = keepCodes(constant.weight, constant.codes, format(64));
  assert.is(flat.kept, 64);
  assert.ok(nmse(constant, flat.rows) < 1e-4);

  const zeros = keepCodes(new Float32Array(64), new Uint8Array(64), format(64));
  assert.is(nmse({ weight: new Float32Array(64), codes: new Uint8Array(64) }, zeros.rows), 0);
});

test("multipliers that float16 cannot hold are refused", () => {
  const own = source(1, () => [2e8, -1e9]);
  assert.throws(() => keepCodes(own.weight, own.codes, format(32, "f16")), (error: unknown) => {
    assert.instance(error, RecipeError);
    assert.match((error as Error).message, /scales in f16: got .* need bf16/);
    return true;
  }); // prettier-ignore
});

const gguf = sharedFile(SMOLLM2);

if (gguf) {
  test("SmolLM2-135M from Q4_1: nine codes in ten thousand change at most, and the error is below 5e-5", async () => {
    const checkpoint = await openCheckpoint({ kind: "file", file: new MemoryFile("model.gguf", gguf) });
    for (const module of ["0.self_attn.q_proj", "0.mlp.down_proj", "15.mlp.up_proj", "29.self_attn.o_proj"]) {
      const name = `model.layers.${module}`;
      const rows = [64, 128] as const;
      const weight = await checkpoint.readF32(`${name}.weight`, { rows });
      const codes = (await readCodes(checkpoint, name, { rows }))!;
      const K = checkpoint.tensors.get(`${name}.weight`)!.shape[1]!;
      const { rows: found, kept } = keepCodes(weight, codes, format(K));
      const error = errorStats(measureErrors(weight, found)).nmse;
      assert.ok(kept >= 0.9991 * weight.length, `${name}: ${kept} of ${weight.length}`);
      assert.ok(error < 5e-5, `${name}: ${error}`);
    }
  });
}

test.run();
