/** The limits of several threads together: each does its share of the same loop at the same time. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type LimitBuild, type LimitLoop, PRODUCT_LOOPS, READ_LOOPS } from "./limits.ts";

/** To a worker, which answers with a rate. */
export interface LimitOrder {
  readonly loop: LimitLoop;
  readonly bytes: number;
  readonly milliseconds: number;
}

const ROUNDS = 3;
const MILLISECONDS = 60;

export class LimitThreads {
  private readonly workers: readonly Worker[];
  private dotPeak = 0;

  constructor(build: LimitBuild, threads: number) {
    // Node 20 takes no loader from a worker's options: the worker registers it.
    const file = JSON.stringify(new URL("limits-worker.ts", import.meta.url).href);
    const source = `import("tsx/esm/api").then(({ register }) => { register(); return import(${file}); })`;
    this.workers = Array.from({ length: threads }, () => new Worker(source, { eval: true, workerData: build }));
  }

  /** Multiply-accumulates a second of all threads; the best of all calls so far. */
  async dots(): Promise<number> {
    return (this.dotPeak = Math.max(this.dotPeak, await this.best(PRODUCT_LOOPS, 0)));
  }

  /** Bytes a second of all threads, each reading its share of `bytes` again and again. */
  reads(bytes: number): Promise<number> {
    return this.best(READ_LOOPS, bytes);
  }

  async end(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  private async best(loops: readonly LimitLoop[], bytes: number): Promise<number> {
    let best = 0;
    for (const loop of loops) {
      for (let round = 0; round < ROUNDS; round++) best = Math.max(best, await this.together(loop, bytes));
    }
    return best;
  }

  private async together(loop: LimitLoop, bytes: number): Promise<number> {
    const order: LimitOrder = { loop, bytes: bytes / this.workers.length, milliseconds: MILLISECONDS };
    const rates = this.workers.map((worker) => once(worker, "message") as Promise<[rate: number]>);
    for (const worker of this.workers) worker.postMessage(order);
    return (await Promise.all(rates)).reduce((sum, [rate]) => sum + rate, 0);
  }
}
