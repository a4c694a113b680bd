/** Rounds a weight a few rows at a time, without looking at more of its input than the mean square of each channel. */
import type { ModelConfig } from "../../architecture/model-config.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import { NULL } from "../../kernels/pointer.ts";
import { resolveThreads } from "../../model/load-options.ts";
import { beginMemoryPlan, openKernels, withQuantizer } from "../../model/model-memory.ts";
import type { Host } from "../../host/host.ts";
import { checkFinite, type QuantizedRows, quantizeRows, type RowFormat, type RowsOrigin } from "./quantize-weights.ts";
import { placeRounding, RegionCursor, type RoundingRegions } from "./rounding-memory.ts";
import type { RoundingMethod } from "../recipe/rounding-method.ts";
import type { ScaleType } from "../recipe/scale-type.ts";
import { searchRows } from "./scale-search.ts";

export interface RowRounder {
  /**
   * @param weight f32[rows, K]
   * @param importance mean square of each channel of the input, f32[K]; used if the method weights errors by it
   * @throws RecipeError naming tensor, row and column of the first NaN or infinity
   */
  round(weight: Float32Array, format: RowFormat, origin: RowsOrigin, importance: Float32Array | undefined): QuantizedRows;
  dispose(): Promise<void>;
}

export interface RowRounderOptions {
  readonly threads?: number | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** @throws CapabilityError, OptionError */
export async function openRowRounder(
  method: Exclude<RoundingMethod, { kind: "gptq" }>,
  scaleType: ScaleType,
  config: ModelConfig,
  host: Host,
  options: RowRounderOptions = {},
): Promise<RowRounder> {
  if (method.kind === "nearest") {
    return {
      round: (weight, { K, G, type, constraint }, origin) => quantizeRows(weight, K, G, type, origin, scaleType, constraint),
      dispose: () => Promise.resolve(),
    };
  }
  const { hiddenSize: E, heads: H, headDim: D, ffnSize: F } = config;
  const maxK = Math.max(E, H * D, F);
  const planning = await withQuantizer(host, await beginMemoryPlan(host, config, resolveThreads(options, host), 1, 1));
  const cursor = new RegionCursor(NULL);
  placeRounding(cursor, maxK);
  const base = planning.plan.reserve("scratch", cursor.end, "rows being rounded");
  const kernels = openKernels(host, planning);
  await kernels.threadsStarted();
  return new SearchRounder(kernels, placeRounding(new RegionCursor(base), maxK), scaleType, method.weighting === "hessian");
}

class SearchRounder implements RowRounder {
  readonly #kernels: Kernels;
  readonly #regions: RoundingRegions;
  readonly #scaleType: ScaleType;
  readonly #weighted: boolean;

  constructor(kernels: Kernels, regions: RoundingRegions, scaleType: ScaleType, weighted: boolean) {
    this.#kernels = kernels;
    this.#regions = regions;
    this.#scaleType = scaleType;
    this.#weighted = weighted;
  }

  round(weight: Float32Array, format: RowFormat, origin: RowsOrigin, importance: Float32Array | undefined): QuantizedRows {
    checkFinite(weight, format.K, origin);
    const used = this.#weighted ? importance : undefined;
    return searchRows(this.#kernels, this.#regions, weight, used, format, this.#scaleType);
  }

  async dispose(): Promise<void> {
    await this.#kernels.dispose();
  }
}
