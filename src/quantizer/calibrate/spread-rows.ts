/** Rows of activations from all over the calibration, kept until their layer is done. */
import type { Kernels } from "../../kernels/kernels.ts";
import type { Site } from "../../model/block.ts";
import type { Seen } from "./layer-walk.ts";

/** At most about so many of a site: 12.6 MB of 1536 channels. */
const ROWS = 2048;

export class SpreadRows {
  readonly #kernels: Kernels;
  /** One row in so many is kept. */
  readonly #step: number;
  readonly #kept = new Map<Site, Float32Array[]>();
  readonly #seen = new Map<Site, number>();

  /** @param tokens of the whole calibration */
  constructor(kernels: Kernels, tokens: number) {
    this.#kernels = kernels;
    this.#step = Math.ceil(tokens / ROWS);
  }

  clear(): void {
    this.#kept.clear();
    this.#seen.clear();
  }

  observe({ site, x, M, K, stride }: Seen): void {
    const seen = this.#seen.get(site) ?? 0;
    this.#seen.set(site, seen + M);
    const values = this.#kernels.f32(x, (M - 1) * stride + K);
    const kept = this.#kept.get(site) ?? [];
    this.#kept.set(site, kept);
    for (let m = 0; m < M; m++) if ((seen + m) % this.#step === 0) kept.push(values.slice(m * stride, m * stride + K));
  }

  /** f32[rows, K] */
  rows(site: Site): Float32Array {
    const kept = this.#kept.get(site) ?? [];
    const K = kept[0]?.length ?? 0;
    const rows = new Float32Array(kept.length * K);
    for (const [row, values] of kept.entries()) rows.set(values, row * K);
    return rows;
  }
}
