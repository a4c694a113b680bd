/** What of a layer's activations its transforms are found from: statistics of channels, and some rows. */
import type { Kernels } from "../../../kernels/kernels.ts";
import type { Site } from "../../../model/block.ts";
import type { Planner } from "../../../model/workspace/workspace.ts";
import type { LayerStats } from "../../calibrate/activation-stats.ts";
import { ChannelObservers, type ChannelRegions, placeChannels } from "../../calibrate/channel-observers.ts";
import type { Seen } from "../../calibrate/layer-walk.ts";

/** Rows that are kept at a site, over all samples; and at most so many vectors of a weight are looked at. */
export const KEPT_VECTORS = 64;

const KEPT_SITES: ReadonlySet<Site> = new Set<Site>(["k", "v", "down"]);

export const placeLayerSamples: (planner: Planner) => ChannelRegions = placeChannels;

export class LayerSamples {
  readonly #kernels: Kernels;
  readonly #channels: ChannelObservers;
  readonly #tokens: number;
  readonly #perSample: number;
  readonly #rows = new Map<Site, Float32Array[]>();
  /** Sums of v v^T by value head, f64[D, D]. */
  readonly #second: readonly Float64Array[];
  readonly #headDim: number;

  /** @param tokens of all `samples` together */
  constructor(
    kernels: Kernels,
    regions: ChannelRegions,
    {
      tokens,
      samples,
      kvHeads,
      headDim: D,
    }: { readonly tokens: number; readonly samples: number; readonly kvHeads: number; readonly headDim: number },
  ) {
    this.#kernels = kernels;
    this.#channels = new ChannelObservers(kernels, regions);
    this.#tokens = tokens;
    this.#perSample = Math.max(1, Math.floor(KEPT_VECTORS / samples));
    this.#second = Array.from({ length: kvHeads }, () => new Float64Array(D * D));
    this.#headDim = D;
  }

  reset(): void {
    this.#channels.reset();
    this.#rows.clear();
    for (const sums of this.#second) sums.fill(0);
  }

  observe({ site, x, M, K, stride }: Seen): void {
    this.#channels.observe(site, x, M, stride);
    if (!KEPT_SITES.has(site)) return;
    const values = this.#kernels.f32(x, (M - 1) * stride + K);
    const row = (m: number) => values.subarray(m * stride, m * stride + K);
    if (site === "v") for (let m = 0; m < M; m++) this.#addSecondMoments(row(m));
    const kept = this.#rows.get(site) ?? [];
    this.#rows.set(site, kept);
    const count = Math.min(M, this.#perSample);
    // Spread over the sample, the last token among them.
    for (let i = 1; i <= count; i++) kept.push(row(Math.floor((i * M) / count) - 1).slice());
  }

  #addSecondMoments(v: Float32Array): void {
    const D = this.#headDim;
    for (const [head, sums] of this.#second.entries()) {
      for (let i = 0; i < D; i++) {
        const value = v[head * D + i]!;
        for (let j = 0; j < D; j++) sums[i * D + j]! += value * v[head * D + j]!;
      }
    }
  }

  stats(): LayerStats {
    return this.#channels.read(this.#tokens);
  }

  /** E[v v^T] of each value head. */
  secondMoments(): readonly Float64Array[] {
    return this.#second.map((sums) => sums.map((sum) => sum / this.#tokens));
  }

  rows(site: "k" | "v" | "down"): readonly Float32Array[] {
    return this.#rows.get(site) ?? [];
  }
}
