/**
 * Rounds weights under searched scales a few rows at a time, without looking at more of their input than the
 * mean square of each channel.
 */
import { type Description, widestInput } from "../../architecture/description.ts";
import type { Work } from "../../host/work.ts";
import { openKernelMemory } from "../../model/open-kernel-memory.ts";
import { searchLevels } from "./line-search.ts";
import type { ModuleRows } from "./module-rows.ts";
import { checkFinite, type RowFormat, type RowsOrigin } from "./quantize-weights.ts";
import { placeRounding, type RoundingMemory } from "./rounding-memory.ts";
import { searchRows } from "./scale-search.ts";

export class SearchRounder {
  readonly #memory: RoundingMemory;
  readonly #weighted: boolean;

  private constructor(memory: RoundingMemory, weighted: boolean) {
    this.#memory = memory;
    this.#weighted = weighted;
  }

  /**
   * @param weighting of errors: none, or the mean square of each channel of the input
   * @throws CapabilityError, OptionError
   */
  static async open(weighting: "uniform" | "hessian", description: Description, work: Work): Promise<SearchRounder> {
    const { kernels, placed } = await openKernelMemory(work, (plan) => placeRounding(plan, widestInput(description)));
    return new SearchRounder({ kernels, regions: placed }, weighting === "hessian");
  }

  /**
   * @param weight f32[rows, K]
   * @param moment mean square of each channel of the input, f32[K]; used if errors are weighted by it
   * @throws RecipeError naming tensor, row and column of the first NaN or infinity
   */
  round(weight: Float32Array, format: RowFormat, origin: RowsOrigin, moment: Float32Array): ModuleRows {
    checkFinite(weight, format.K, origin);
    const search = format.type === "int4m" ? searchLevels : searchRows;
    return search(this.#memory, weight, this.#weighted ? moment : undefined, format);
  }

  async dispose(): Promise<void> {
    await this.#memory.kernels.dispose();
  }
}
