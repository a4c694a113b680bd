/** Running statistics of each channel at every observed site of one layer, in linear memory. */
import type { Pointer } from "../../kernels/pointer.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import type { Site } from "../../model/block.ts";
import type { Planner } from "../../model/workspace/workspace.ts";
import type { ChannelStats, LayerStats } from "./activation-stats.ts";

interface SiteRegions {
  readonly K: number;
  readonly sumSquares: Pointer; // f64[K]
  readonly min: Pointer; // f32[K]
  readonly max: Pointer; // f32[K]
}

/** In the order data flows, k and v last. */
export type ChannelRegions = ReadonlyMap<Site, SiteRegions>;

export function placeChannels({ plan, description }: Planner): ChannelRegions {
  const { kvHeads: Hkv, headDim: D } = description.config;
  const place = (site: Site, K: number): [Site, SiteRegions] => {
    const reserve = (bytes: number, what: string) => plan.reserve("scratch", bytes * K, `${what} of ${site}`);
    return [site, { K, sumSquares: reserve(8, "squares"), min: reserve(4, "minima"), max: reserve(4, "maxima") }];
  };
  const inputs = description.blocks[0]!.inputs.map(({ name, width }) => place(name, width));
  return new Map([...inputs, place("k", Hkv * D), place("v", Hkv * D)]);
}

export class ChannelObservers {
  readonly #kernels: Kernels;
  readonly #sites: ChannelRegions;
  /** Those that saw something: a layer without attention has no k and v. */
  readonly #observed = new Set<Site>();

  constructor(kernels: Kernels, sites: ChannelRegions) {
    this.#kernels = kernels;
    this.#sites = sites;
  }

  reset(): void {
    this.#observed.clear();
    for (const { K, sumSquares, min, max } of this.#sites.values()) {
      this.#kernels.f64(sumSquares, K).fill(0);
      this.#kernels.f32(min, K).fill(Infinity);
      this.#kernels.f32(max, K).fill(-Infinity);
    }
  }

  /** Sees f32[M, K] at `x`, rows `stride` elements apart. */
  observe(site: Site, x: Pointer, M: number, stride: number): void {
    this.#observed.add(site);
    const { K, sumSquares, min, max } = this.#sites.get(site)!;
    this.#kernels.run.observe_f32(x, min, max, sumSquares, M, K, stride);
  }

  /** A copy of what was seen since `reset`. */
  read(tokens: number): LayerStats {
    const sites = [...this.#sites.keys()]
      .filter((site) => this.#observed.has(site))
      .map((site) => [site, this.readSite(site, tokens)]);
    return Object.fromEntries(sites) as unknown as LayerStats;
  }

  readSite(site: Site, tokens: number): ChannelStats {
    const { K, sumSquares, min, max } = this.#sites.get(site)!;
    return {
      min: this.#kernels.f32(min, K).slice(),
      max: this.#kernels.f32(max, K).slice(),
      secondMoment: this.#kernels.f64(sumSquares, K).map((sum) => sum / tokens),
      tokens,
    };
  }
}
