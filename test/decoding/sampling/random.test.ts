import { suite } from "uvu";
import * as assert from "uvu/assert";
import { randomSeed, splitmix64, Xoshiro128 } from "../../../src/decoding/sampling/random.ts";
import { assertDrawnFrom } from "../chi-square.ts";

const test = suite("random (seeds 0, 1, 42, 2^32 - 1)");
const UNIFORM = Array.from({ length: 64 }, () => 1 / 64);
const SEEDS = [0, 1, 42, 2 ** 32 - 1];

test("xoshiro128** gives the numbers of its authors' C program", () => {
  const random = new Xoshiro128([1, 2, 3, 4]);
  const expected = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804];
  assert.equal(
    expected.map(() => random.nextUint32()),
    expected,
  );
});

test("splitmix64 gives the published numbers", () => {
  assert.equal(splitmix64(0n, 3), [0xe220a8397b1dcdafn, 0x6e789e6aa1b965f4n, 0x06c45d188009454fn]);
  assert.equal(splitmix64(42n, 2), [0xbdd732262feb6e95n, 0x28efe333b266f103n]);
});

test("a seed fills the state with splitmix64's first two outputs, low word first", () => {
  const seeded = Xoshiro128.fromSeed(0);
  const direct = new Xoshiro128([0x7b1dcdaf, 0xe220a839, 0xa1b965f4, 0x6e789e6a]);
  for (let i = 0; i < 100; i++) assert.is(seeded.nextUint32(), direct.nextUint32());
});

test("seeds that differ give sequences that differ", () => {
  const first = new Set(SEEDS.map((seed) => Xoshiro128.fromSeed(seed).nextDouble()));
  assert.is(first.size, SEEDS.length);
});

test("a double is made of two words, high bits first, and is below 1", () => {
  const words = Xoshiro128.fromSeed(7);
  const doubles = Xoshiro128.fromSeed(7);
  for (let i = 0; i < 1000; i++) {
    const high = BigInt(words.nextUint32() >>> 5);
    const low = BigInt(words.nextUint32() >>> 6);
    const double = doubles.nextDouble();
    assert.is(double, Number((high << 26n) | low) / 2 ** 53);
    assert.ok(double >= 0 && double < 1);
  }
});

for (const seed of SEEDS) {
  test(`doubles are uniform over 64 bins, and so are pairs: seed ${seed}`, () => {
    const random = Xoshiro128.fromSeed(seed);
    const single = Array.from(UNIFORM, () => 0);
    const pairs = Array.from(UNIFORM, () => 0);
    for (let i = 0; i < 50_000; i++) {
      const [x, y] = [random.nextDouble(), random.nextDouble()];
      single[Math.floor(x * 64)]!++;
      pairs[Math.floor(x * 8) * 8 + Math.floor(y * 8)]!++;
    }
    assertDrawnFrom(single, UNIFORM, "single");
    assertDrawnFrom(pairs, UNIFORM, "pairs");
  });
}

test("a random seed is in the domain of seeds", () => {
  const seeds = Array.from({ length: 8 }, randomSeed);
  for (const seed of seeds) assert.ok(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32);
  assert.ok(new Set(seeds).size > 1, "eight equal seeds"); // by chance once in 2^224
});

test.run();
