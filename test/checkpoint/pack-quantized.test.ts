import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dequantizeWords, packInt32, unpackInt32 } from "../../src/checkpoint/pack-quantized.ts";

const test = suite("pack-quantized words");

// Vectors of compressed-tensors' own tests (`tests/test_compressors/test_pack_quant.py`, test_repack_4bit), packed by its rule.
for (const [codes, word] of [
  [[1, 2, 3, 4, 5, 6, 7, 0], -1880241239],
  [[-1, -2, -3, -4, -5, -6, -7, -8], 19088743],
] as const) {
  test(`int4 ${codes} is ${word}`, () => {
    assert.equal([...packInt32(Int8Array.from(codes), 4)], [word]);
    assert.equal(unpackInt32(Int32Array.of(word), 4), Int8Array.from(codes));
  });
}

test("int8 words hold offset 128, the first element lowest", () => {
  assert.equal([...packInt32(Int8Array.of(-128, -127, 0, 127), 8)], [0xff800100 | 0]);
});

for (const bits of [4, 8] as const) {
  test(`int${bits}: unpacking is the inverse of packing, for every code in every place`, () => {
    const perWord = 32 / bits;
    const codes = 2 ** bits;
    const q = Int8Array.from({ length: codes * perWord }, (_, i) => ((i * 7 + Math.floor(i / codes)) % codes) - codes / 2);
    assert.equal(unpackInt32(packInt32(q, bits), bits), q);
  });
}

test("each group has its own scale", () => {
  const q = Int8Array.from({ length: 64 }, (_, i) => (i % 16) - 8);
  const values = dequantizeWords(packInt32(q, 4), 4, Float32Array.of(0.1, 3), 32);
  assert.equal(
    values,
    Float32Array.from(q, (code, i) => code * Math.fround(i < 32 ? 0.1 : 3)),
  );
});

test.run();
