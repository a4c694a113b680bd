import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  dequantizeWords,
  packInt32,
  packRows,
  unpackInt32,
  wordsOfRow,
} from "../../../src/checkpoint/quantization/pack-quantized.ts";

const test = suite("pack-quantized words");

// Vectors of compressed-tensors' own tests (`tests/test_compressors/test_pack_quant.py`, test_repack_4bit),
// packed by its rule.
for (const [codes, word] of [
  [[1, 2, 3, 4, 5, 6, 7, 0], -1880241239],
  [[-1, -2, -3, -4, -5, -6, -7, -8], 19088743],
] as const) {
  test(`int4 ${codes} is ${word}`, () => {
    assert.equal([...packInt32(Int8Array.from(codes), "int4")], [word]);
    assert.equal(unpackInt32(Int32Array.of(word), "int4"), Int8Array.from(codes));
  });
}

test("int8 words hold offset 128, the first element lowest", () => {
  assert.equal([...packInt32(Int8Array.of(-128, -127, 0, 127), "int8")], [0xff800100 | 0]);
});

for (const bits of [4, 8] as const) {
  test(`int${bits}: unpacking is the inverse of packing, for every code in every place`, () => {
    const perWord = 32 / bits;
    const codes = 2 ** bits;
    const q = Int8Array.from({ length: codes * perWord }, (_, i) => ((i * 7 + Math.floor(i / codes)) % codes) - codes / 2);
    assert.equal(unpackInt32(packInt32(q, `int${bits}`), `int${bits}`), q);
  });
}

test("fp4 codes are those of E2M1, the first element lowest; both zeros are read", () => {
  // OCP Microscaling Formats 1.0, Table 5: 0, 0.5, 1, 1.5, 2, 3, 4, 6, doubled.
  const positive = [0, 1, 2, 3, 4, 6, 8, 12];
  assert.equal([...packInt32(Int8Array.from(positive), "fp4")], [0x76543210]);
  assert.equal([...packInt32(Int8Array.from(positive, (q) => -q), "fp4")], [0xfedcba90 | 0]); // prettier-ignore
  assert.equal([...unpackInt32(Int32Array.of(0x76543210, 0xfedcba98 | 0), "fp4")].map((q) => q + 0), [...positive, ...positive.map((q) => 0 - q)]); // prettier-ignore
});

test("fp4 weights are stored scales times E2M1, rounded once", () => {
  const values = dequantizeWords(Int32Array.of(0x76543210, 0xfedcba98 | 0), Float32Array.of(0.1, 3), {
    K: 16,
    type: "fp4",
    groupSize: 8,
  });
  const floats = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
  const expected = [...floats.map((value) => Math.fround(0.1) * value), ...floats.map((value) => 0 - 3 * value)];
  assert.equal(values.map((value) => value + 0), Float32Array.from(expected)); // prettier-ignore
});

test("rows whose words are not full end in codes u = 0, which no weight is made of", () => {
  for (const type of ["int4", "fp4", "int8"] as const) {
    for (const K of [1, 3, 8, 12, 13, 172]) {
      const rows = 3;
      const q = Int8Array.from({ length: rows * K }, (_, i) => [-6, 1, 2, -3, 4, 0, 6][i % 7]!);
      const words = packRows(q, type, K);
      assert.is(words.length, rows * wordsOfRow(K, type));
      const scales = Float32Array.of(2, 4, 8);
      const expected = Float32Array.from(q, (code, i) => (code * scales[Math.floor(i / K)]!) / (type === "fp4" ? 2 : 1));
      assert.equal(dequantizeWords(words, scales, { K, type, groupSize: K }).map((x) => x + 0), expected, `${type}, ${K}`); // prettier-ignore
      const bits = type === "int8" ? 8 : 4;
      const used = (K * bits) % 32;
      const lastWords = words.filter((_, i) => (i + 1) % wordsOfRow(K, type) === 0);
      if (used > 0) assert.ok(lastWords.every((word) => word >>> used === 0));
    }
  }
});

test("each group has its own scale", () => {
  const q = Int8Array.from({ length: 64 }, (_, i) => (i % 16) - 8);
  const values = dequantizeWords(packInt32(q, "int4"), Float32Array.of(0.1, 3), { K: 64, type: "int4", groupSize: 32 });
  assert.equal(
    values,
    Float32Array.from(q, (code, i) => code * Math.fround(i < 32 ? 0.1 : 3)),
  );
});

test.run();
