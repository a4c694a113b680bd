/** Running statistics of each channel at every observed site of one layer, in linear memory. */
import type { ModelConfig } from "../../architecture/model-config.ts";
import { linearModules } from "../../architecture/tensor-names.ts";
import type { Pointer } from "../../kernels/kernel-exports.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import { type ChannelStats, type LayerStats, OBSERVED_SITES, type ObservedSite } from "./activation-stats.ts";
import type { RegionCursor } from "../round/rounding-memory.ts";

interface SiteRegions {
  readonly K: number;
  readonly sumSquares: Pointer; // f64[K]
  readonly min: Pointer; // f32[K]
  readonly max: Pointer; // f32[K]
}

export type ChannelRegions = Readonly<Record<ObservedSite, SiteRegions>>;

export function placeChannels(cursor: RegionCursor, config: ModelConfig): ChannelRegions {
  const channels = siteChannels(config);
  const place = (site: ObservedSite): SiteRegions => {
    const K = channels[site];
    return { K, sumSquares: cursor.take(8 * K), min: cursor.take(4 * K), max: cursor.take(4 * K) };
  };
  return ofSites(place);
}

/** Columns of each observed activation. */
function siteChannels(config: ModelConfig): Record<ObservedSite, number> {
  const K = (input: "qkv" | "o" | "gate_up" | "down") => linearModules(config, 0, input)[0]!.inFeatures;
  const kv = config.kvHeads * config.headDim;
  return { qkv: K("qkv"), o: K("o"), gate_up: K("gate_up"), down: K("down"), k: kv, v: kv };
}

function ofSites<T>(make: (site: ObservedSite) => T): Record<ObservedSite, T> {
  return Object.fromEntries(OBSERVED_SITES.map((site) => [site, make(site)])) as Record<ObservedSite, T>;
}

export class ChannelObservers {
  readonly #kernels: Kernels;
  readonly #sites: ChannelRegions;

  constructor(kernels: Kernels, sites: ChannelRegions) {
    this.#kernels = kernels;
    this.#sites = sites;
  }

  reset(): void {
    for (const site of OBSERVED_SITES) {
      const { K, sumSquares, min, max } = this.#sites[site];
      this.#kernels.f64(sumSquares, K).fill(0);
      this.#kernels.f32(min, K).fill(Infinity);
      this.#kernels.f32(max, K).fill(-Infinity);
    }
  }

  observe(site: ObservedSite, x: Pointer, M: number, K: number, stride: number): void {
    const { sumSquares, min, max } = this.#sites[site];
    this.#kernels.run.observe_f32(x, min, max, sumSquares, M, K, stride);
  }

  /** A copy of what was seen since `reset`. */
  read(tokens: number): LayerStats {
    return ofSites((site) => this.readSite(site, tokens));
  }

  readSite(site: ObservedSite, tokens: number): ChannelStats {
    const { K, sumSquares, min, max } = this.#sites[site];
    return {
      min: this.#kernels.f32(min, K).slice(),
      max: this.#kernels.f32(max, K).slice(),
      secondMoment: this.#kernels.f64(sumSquares, K).map((sum) => sum / tokens),
      tokens,
    };
  }
}
