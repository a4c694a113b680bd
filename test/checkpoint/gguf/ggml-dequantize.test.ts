import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dequantize } from "../../../src/checkpoint/gguf/ggml-dequantize.ts";
import { UnsupportedModelError } from "../../../src/errors.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { mulberry32 } from "../../random.ts";
import { BLOCKS, BLOCK_TYPES, type BlockType, blockValue, randomBlocks } from "./ggml-oracle.ts";

const SEED = 20240;
const test = suite(`ggml-dequantize (seed ${SEED})`);

function dequantized(type: BlockType, bytes: Uint8Array): Float32Array {
  const out = new Float32Array((bytes.length / BLOCKS[type].bytes) * BLOCKS[type].elements);
  dequantize(type, bytes, out);
  return out;
}

for (const type of BLOCK_TYPES) {
  test(`${type}: random blocks equal the definition, computed in float64 and rounded once`, () => {
    for (const blocks of [1, 2, 7, 64]) {
      const bytes = randomBlocks(type, blocks, mulberry32(SEED + blocks));
      const out = dequantized(type, bytes);
      assertSameBits(
        out,
        Float32Array.from(out, (_, i) => blockValue(type, bytes, i)),
        type,
      );
    }
  });

  test(`${type}: bytes at an odd address, output inside a larger array, nothing written around it`, () => {
    const bytes = randomBlocks(type, 3, mulberry32(SEED));
    const moved = new Uint8Array(bytes.length + 3).subarray(3);
    moved.set(bytes);
    const expected = dequantized(type, bytes);
    const larger = new Float32Array(expected.length + 2).fill(7);
    dequantize(type, moved, larger.subarray(1, -1));
    assertSameBits(larger, Float32Array.from([7, ...expected, 7]), type);
  });
}

test("every float16, subnormals and infinities included", () => {
  const bytes = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, bits) => bits).buffer);
  const values = dequantized("F16", bytes);
  for (let bits = 0; bits < 65536; bits++) {
    const isFinite = (bits & 0x7c00) !== 0x7c00;
    if (isFinite) assert.ok(Object.is(values[bits], blockValue("F16", bytes, bits)), `float16 ${bits.toString(16)}`);
    else if (bits & 0x3ff) assert.ok(Number.isNaN(values[bits]), `float16 ${bits.toString(16)}`);
    else assert.is(values[bits], bits & 0x8000 ? -Infinity : Infinity);
  }
});

const golden = JSON.parse(readFileSync(new URL("golden/ggml-dequantize.json", import.meta.url), "utf8")) as {
  source: string;
  vectors: { type: BlockType; seed: number; blocks: number; first: string; sha256: string }[];
};

for (const { type, seed, blocks, first, sha256 } of golden.vectors) {
  test(`${type}: the bits of ${golden.source}`, () => {
    const values = dequantized(type, randomBlocks(type, blocks, mulberry32(seed)));
    const bytes = Buffer.from(values.buffer);
    assert.is(bytes.subarray(0, 16).toString("hex"), first);
    assert.is(createHash("sha256").update(bytes).digest("hex"), sha256);
  });
}

test("integers are refused", () => {
  assert.throws(
    () => dequantize("I32", new Uint8Array(4), new Float32Array(1)),
    (error: unknown) => error instanceof UnsupportedModelError && error.message.includes("I32"),
  );
});

test("speed on a matrix of Q4_1", () => {
  const elements = 1 << 24;
  const bytes = randomBlocks("Q4_1", elements / 32, mulberry32(SEED));
  const out = new Float32Array(elements);
  dequantize("Q4_1", bytes, out);
  const started = performance.now();
  dequantize("Q4_1", bytes, out);
  const seconds = (performance.now() - started) / 1000;
  assert.is(out[elements - 1], Math.fround(blockValue("Q4_1", bytes, elements - 1)));
  console.log(`\nfigure: Q4_1 to float32: ${(elements / seconds / 1e6).toFixed(0)} M elements/s`);
});

test.run();
