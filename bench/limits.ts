/**
 * The limits kernels are compared with, measured in the same run: the dot product of the build or form
 * (`assembly/limits.probe.ts`), and plain reads of as many bytes as the kernel reads. The best of several
 * loops counts. `limits-threads.ts` measures the same of several threads together.
 */
import { readFileSync } from "node:fs";

/** What there are dot products of: those of the builds, and that of the module `relaxed-i16`. */
export const LIMIT_BUILDS = ["simd128", "relaxed", "relaxed-i16"] as const;
export type LimitBuild = (typeof LIMIT_BUILDS)[number];

interface Probe {
  readonly MACS_PER_PRODUCT: WebAssembly.Global;
  readonly [loop: `products_${string}` | `read_${string}`]: (pointer: number, count: number) => number;
}

const PRODUCTS = { products_8: 8, products_10: 10, products_12: 12, products_13: 13, products_loaded_8: 8 } as const;
type ProductLoop = keyof typeof PRODUCTS;
export const PRODUCT_LOOPS = Object.keys(PRODUCTS) as ProductLoop[];
export const READ_LOOPS = ["read_1", "read_2", "read_4"] as const;
export type LimitLoop = ProductLoop | (typeof READ_LOOPS)[number];

const OPERANDS = 65_536;

export class Limits {
  private readonly probe: Probe;
  private readonly memory = new WebAssembly.Memory({ initial: 2 });
  private written = OPERANDS;
  private dotPeak = 0;

  constructor(build: LimitBuild) {
    const module = new WebAssembly.Module(readFileSync(new URL(`../build/limits-${build}.wasm`, import.meta.url)));
    this.probe = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports as unknown as Probe;
    this.write(4096);
  }

  /** Multiply-accumulates a second of the build's dot product; the best of all calls so far. */
  dots(): number {
    for (const loop of PRODUCT_LOOPS) this.dotPeak = Math.max(this.dotPeak, this.best(loop, 0, 40));
    return this.dotPeak;
  }

  /** Bytes a second of the best plain loop that reads `bytes` again and again. */
  reads(bytes: number): number {
    return Math.max(...READ_LOOPS.map((loop) => this.best(loop, bytes, 80)));
  }

  /**
   * Multiply-accumulates or bytes a second, the mean over some time: what counts where fellow threads run
   * only as long.
   */
  mean(loop: LimitLoop, bytes: number, milliseconds: number): number {
    const { work, run } = this.call(loop, bytes);
    const begin = performance.now();
    let calls = 0;
    let now = begin;
    for (; now < begin + milliseconds; now = performance.now(), calls++) run();
    return (calls * work) / ((now - begin) / 1000);
  }

  /** The same of the shortest call, after a warm-up as long. */
  private best(loop: LimitLoop, bytes: number, milliseconds: number): number {
    const { work, run } = this.call(loop, bytes);
    let best = Infinity;
    const begin = performance.now();
    for (let now = begin; now < begin + 2 * milliseconds;) {
      run();
      const then = performance.now();
      if (now >= begin + milliseconds || best === Infinity) best = Math.min(best, then - now);
      now = then;
    }
    return work / (best / 1000);
  }

  /** A call long enough for the clock, and the multiply-accumulates or bytes of it. */
  private call(loop: LimitLoop, bytes: number): { work: number; run: () => void } {
    const run = this.probe[loop]!;
    if (loop in PRODUCTS) {
      const products = PRODUCTS[loop as ProductLoop];
      const steps = Math.round(400_000 / products);
      return { work: steps * products * (this.probe.MACS_PER_PRODUCT.value as number), run: () => void run(OPERANDS, steps) };
    }
    const whole = Math.max(256, bytes & ~255);
    this.write(whole);
    const repeats = Math.ceil(1e6 / whole);
    const read = () => {
      for (let i = 0; i < repeats; i++) run(OPERANDS, whole);
    };
    return { work: whole * repeats, run: read };
  }

  /**
   * Pages never written are all one page of zeros to the system, which reads at the speed of the first-level
   * cache.
   */
  private write(bytes: number): void {
    const end = OPERANDS + bytes;
    const missing = end - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65_536));
    if (end <= this.written) return;
    const words = new Uint32Array(this.memory.buffer, this.written, (end - this.written) >> 2);
    for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x9e3779b1);
    this.written = end;
  }
}
