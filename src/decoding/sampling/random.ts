/**
 * xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47(4),
 * 2021, https://prng.di.unimi.it/xoshiro128starstar.c): period 2^128 - 1, passes BigCrush, needs 32-bit
 * integers only, so every engine gives the same numbers. Its state is filled from the seed by splitmix64, as
 * its authors advise.
 */
export class Xoshiro128 {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param state four 32-bit words, not all zero */
  constructor(state: readonly [number, number, number, number]) {
    [this.#a, this.#b, this.#c, this.#d] = state;
  }

  /** @param seed 0..2^32-1 */
  static fromSeed(seed: number): Xoshiro128 {
    const [low, high] = splitmix64(BigInt(seed), 2) as [bigint, bigint];
    // All four words can be zero for no seed: splitmix64 is a bijection, so two of its outputs in a row are
    // never both zero.
    return new Xoshiro128([u32(low), u32(low >> 32n), u32(high), u32(high >> 32n)]);
  }

  /** Uniform on 0..2^32-1. */
  nextUint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }

  /**
   * Uniform on the multiples of 2^-53 in [0, 1): the high 27 bits of one word, then the high 26 of the next.
   */
  nextDouble(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 2 ** 26 + low) * 2 ** -53;
  }
}

function rotateLeft(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

/** The first outputs of splitmix64 (Vigna, https://prng.di.unimi.it/splitmix64.c) from a seed. */
export function splitmix64(seed: bigint, count: number): bigint[] {
  return Array.from({ length: count }, () => {
    seed = u64(seed + 0x9e3779b97f4a7c15n);
    let z = seed;
    z = u64((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = u64((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  });
}

function u32(x: bigint): number {
  return Number(BigInt.asUintN(32, x));
}

function u64(x: bigint): bigint {
  return BigInt.asUintN(64, x);
}

/** A seed from the platform's entropy, for callers that gave none. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}
