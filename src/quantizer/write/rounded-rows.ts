/**
 * Where the codes and scales of a module come from, a few rows at a time: rounded while they are written, so
 * that memory stays small whatever the size of the model, or from memory, where they were rounded while their
 * layer was there.
 */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { LinearScheme } from "../../checkpoint/quantization/quantization-config.ts";
import type { ActivationStats } from "../calibrate/activation-stats.ts";
import type { ModulePlan } from "../decide/quantization-plan.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { addErrors, measureErrors, type ModuleErrors, NO_ERRORS } from "../round/error-stats.ts";
import { keepCodes, readCodes } from "../round/kept-codes.ts";
import { mapParts, nearestRows, type StoredModule, storedModule } from "../round/module-rows.ts";
import { checkFinite, type RowFormat, type RowsOrigin } from "../round/quantize-weights.ts";
import type { SearchRounder } from "../round/search-rounder.ts";
import { equalizedMoment } from "../transform/equalize.ts";
import type { RowReader } from "./row-reader.ts";

/** Consecutive rows as they are to be stored. */
export interface RoundedRows {
  readonly stored: StoredModule;
  readonly firstRow: number;
  /** What was rounded, f32[rows, K], where that was asked for. */
  readonly weight: Float32Array | undefined;
}

export interface RoundedRowsSource {
  /**
   * Gives a module's rows, first to last.
   *
   * @param withWeight whether the caller wants to see what was rounded
   * @throws RecipeError naming tensor, row and column of the first NaN or infinity; CheckpointError,
   *   AbortError
   */
  rows(module: ModulePlan, withWeight: boolean): AsyncIterable<RoundedRows>;
}

/** The format of a module's rows. Embedding and head have scales as they come. */
export function rowFormat({ module, input }: ModulePlan, scheme: LinearScheme, recipe: Recipe): RowFormat {
  const { inFeatures: K } = module;
  const { groupSize, weights: type } = scheme;
  const constraint = input ? recipe.scaleConstraint : "none";
  return { K, G: groupSize === "channel" ? K : groupSize, type, scaleType: recipe.scales, constraint };
}

/** Rounds rows as they are read, equalized. */
export class RoundWhileReading implements RoundedRowsSource {
  /** Errors of modules whose rows were all given, by name. */
  readonly errors = new Map<string, ModuleErrors>();
  readonly #reader: RowReader;
  readonly #original: Checkpoint;
  readonly #recipe: Recipe;
  readonly #rounder: SearchRounder | undefined;
  readonly #stats: ActivationStats;

  /**
   * @param original the model as its files have it, for codes that are kept
   * @param rounder of modules in blocks; to nearest if undefined, as embedding and head are: in their 8 bits
   *   a row no better scale would show
   */
  constructor(
    reader: RowReader,
    original: Checkpoint,
    recipe: Recipe,
    rounder: SearchRounder | undefined,
    stats: ActivationStats,
  ) {
    this.#reader = reader;
    this.#original = original;
    this.#recipe = recipe;
    this.#rounder = rounder;
    this.#stats = stats;
  }

  async *rows(plan: ModulePlan, withWeight: boolean): AsyncGenerator<RoundedRows> {
    const { module, scheme, input } = plan;
    const tensor = `${module.name}.weight`;
    const format = rowFormat(plan, scheme!, this.#recipe);
    const moment = input && equalizedMoment(this.#stats[input.layer]![input.input]!.secondMoment, input.factors);
    let errors: ModuleErrors = { chosen: NO_ERRORS, nearest: NO_ERRORS, kept: 0 };
    for await (const { values: weight, firstRow } of this.#reader.blocks(tensor)) {
      checkFinite(weight, format.K, { tensor, firstRow });
      const rows = [firstRow, firstRow + weight.length / format.K] as const;
      const keeps = this.#recipe.weights === "keep" && format.type === "int4m";
      const codes = keeps ? await readCodes(this.#original, module.name, { rows }) : undefined;
      const { stored, ...own } = this.#round(weight, format, { tensor, firstRow }, moment, codes);
      errors = {
        chosen: addErrors(errors.chosen, own.chosen),
        nearest: addErrors(errors.nearest, own.nearest),
        kept: errors.kept + own.kept,
      };
      yield { stored, firstRow, weight: withWeight ? weight : undefined };
    }
    this.errors.set(module.name, errors);
  }

  #round(
    weight: Float32Array,
    format: RowFormat,
    origin: RowsOrigin,
    moment: Float32Array | undefined,
    codes: Uint8Array | undefined,
  ): ModuleErrors & { readonly stored: StoredModule } {
    const plain = nearestRows(weight, format);
    const nearest = measureErrors(weight, plain);
    const kept = codes && keepCodes(weight, codes, format);
    const chosen = kept?.rows ?? (moment && this.#rounder?.round(weight, format, origin, moment));
    const stored = storedModule(chosen ?? plain);
    return { stored, chosen: chosen ? measureErrors(weight, chosen) : nearest, nearest, kept: kept?.kept ?? 0 };
  }
}

/** Gives modules that are in memory, and leaves the others to another source. */
export class RoundedBefore implements RoundedRowsSource {
  readonly #modules: ReadonlyMap<string, StoredModule>;
  readonly #reader: RowReader;
  readonly #others: RoundedRowsSource;

  constructor(modules: ReadonlyMap<string, StoredModule>, reader: RowReader, others: RoundedRowsSource) {
    this.#modules = modules;
    this.#reader = reader;
    this.#others = others;
  }

  async *rows(plan: ModulePlan, withWeight: boolean): AsyncGenerator<RoundedRows> {
    const { name, outFeatures: N } = plan.module;
    const stored = this.#modules.get(name);
    if (!stored) yield* this.#others.rows(plan, withWeight);
    else if (!withWeight) {
      yield { stored, firstRow: 0, weight: undefined };
      this.#reader.skip(`${name}.weight`);
    } else {
      for await (const { values, firstRow } of this.#reader.blocks(`${name}.weight`)) {
        const end = firstRow + values.length / plan.module.inFeatures;
        const rows = mapParts(stored, (array) => array.subarray((firstRow * array.length) / N, (end * array.length) / N));
        yield { stored: rows, firstRow, weight: values };
      }
    }
  }
}
