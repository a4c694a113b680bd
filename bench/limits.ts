/**
 * The limits kernels are compared with, measured in the same run: the build's dot product (`assembly/limits.probe.ts`), and plain reads of as many
 * bytes as the kernel reads. Of several loops the best counts.
 */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";

interface Probe {
  readonly MACS_PER_PRODUCT: WebAssembly.Global;
  readonly [loop: `products_${string}` | `read_${string}`]: (pointer: number, count: number) => number;
}

const PRODUCTS = { products_8: 8, products_10: 10, products_12: 12, products_13: 13, products_loaded_8: 8 } as const;
const READS = ["read_1", "read_2", "read_4"] as const;
const OPERANDS = 65_536;

export class Limits {
  private readonly probe: Probe;
  private readonly memory = new WebAssembly.Memory({ initial: 2 });
  private written = OPERANDS;
  private dotPeak = 0;

  constructor(build: "simd128" | "relaxed") {
    const module = new WebAssembly.Module(readFileSync(new URL(`../build/limits-${build}.wasm`, import.meta.url)));
    this.probe = new WebAssembly.Instance(module, { env: { memory: this.memory } }).exports as unknown as Probe;
    this.write(4096);
  }

  /** Multiply-accumulates a second of the build's dot product; the best of all calls so far. */
  dots(): number {
    const { probe } = this;
    for (const [loop, products] of Object.entries(PRODUCTS) as [keyof typeof PRODUCTS, number][]) {
      const steps = Math.round(400_000 / products);
      const seconds = bestOf(40, () => probe[loop]!(OPERANDS, steps));
      this.dotPeak = Math.max(this.dotPeak, (steps * products * probe.MACS_PER_PRODUCT.value) / seconds);
    }
    return this.dotPeak;
  }

  /** Bytes a second of the best plain loop that reads `bytes` again and again. */
  reads(bytes: number): number {
    const whole = Math.max(256, bytes & ~255);
    this.write(whole);
    const repeats = Math.ceil(1e6 / whole);
    const seconds = READS.map((loop) =>
      bestOf(80, () => {
        for (let i = 0; i < repeats; i++) this.probe[loop]!(OPERANDS, whole);
      }),
    );
    return (whole * repeats) / Math.min(...seconds);
  }

  /** One loop over `bytes` bytes. */
  reader(loop: (typeof READS)[number], bytes: number): () => void {
    this.write(bytes);
    return () => void this.probe[loop]!(OPERANDS, bytes & ~255);
  }

  /** Pages never written are all one page of zeros to the system, which reads at the speed of the first-level cache. */
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

/** Shortest time of a call, in seconds, over `milliseconds` after a warm-up as long. */
function bestOf(milliseconds: number, run: () => unknown): number {
  let best = Infinity;
  const begin = performance.now();
  for (let now = begin; now < begin + 2 * milliseconds;) {
    run();
    const then = performance.now();
    if (now >= begin + milliseconds || best === Infinity) best = Math.min(best, then - now);
    now = then;
  }
  return best / 1000;
}

/** Bytes a second that `threads` threads read together, each its own share of `bytes` at the same time. */
export async function readsTogether(threads: number, bytes: number): Promise<number> {
  // Node 20 takes no loader from a worker's options: the worker registers it.
  const file = JSON.stringify(new URL("limits-worker.ts", import.meta.url).href);
  const source = `import("tsx/esm/api").then(({ register }) => { register(); return import(${file}); })`;
  const workers = Array.from({ length: threads }, () => new Worker(source, { eval: true, workerData: bytes / threads }));
  const message = <T>(worker: Worker) =>
    new Promise<T>((resolve, reject) => void worker.once("message", resolve).once("error", reject));
  await Promise.all(workers.map((worker) => message(worker))); // each is warm
  let best = 0;
  for (let loop = 0; loop < READS.length; loop++) {
    const rates = workers.map((worker) => message<number>(worker));
    for (const worker of workers) worker.postMessage(loop);
    best = Math.max(
      best,
      (await Promise.all(rates)).reduce((sum, rate) => sum + rate, 0),
    );
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  return best;
}

/** For `limits-worker.ts`: bytes a second of one loop over 300 ms, the mean, since its fellows run only as long. */
export function readFor(limits: Limits, loop: number, bytes: number): number {
  const run = limits.reader(READS[loop]!, bytes);
  let count = 0;
  const begin = performance.now();
  let now = begin;
  for (; now < begin + 300; now = performance.now(), count++) run();
  return (count * bytes) / ((now - begin) / 1000);
}
