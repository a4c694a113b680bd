/**
 * Recipes that look at whole activations: the float model runs one layer at a time, and while a layer's
 * Hessians are in memory its inputs are decided on and its weights rounded. What is kept of a layer is its
 * codes and scales.
 */
import { type ByInput, describeModel, type InputName, type LinearInput, widestInput } from "../../architecture/description.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { staticCacheBits } from "../../checkpoint/quantization/quantization-config.ts";
import type { Work } from "../../host/work.ts";
import type { LayerStream } from "../../model/layer-stream.ts";
import type { Planner } from "../../model/workspace/workspace.ts";
import { absmax, type ChannelStats, type LayerStats } from "../calibrate/activation-stats.ts";
import { ChannelObservers, type ChannelRegions, placeChannels } from "../calibrate/channel-observers.ts";
import { HessianObservers, type HessianRegions, placeHessians } from "../calibrate/hessian.ts";
import { countTokens, type LayerVisitor, type Seen, walkLayers } from "../calibrate/layer-walk.ts";
import { SpreadRows } from "../calibrate/spread-rows.ts";
import type { InputAnalysis } from "../decide/analyze-inputs.ts";
import type { CacheRanges, InputPlan } from "../decide/quantization-plan.ts";
import { searchRange } from "../decide/range-search.ts";
import { chooseGroupSizes } from "../recipe/group-size.ts";
import type { Recipe } from "../recipe/recipe.ts";
import type { StageClock } from "../stage-clock.ts";
import type { ModuleErrors } from "./error-stats.ts";
import { readCodes } from "./kept-codes.ts";
import { dequantizeModule, type StoredModule, storedModule } from "./module-rows.ts";
import { InputRounder, type OutputErrors, type RoundedInput } from "./round-input.ts";
import { gptqScratchBytes, type GptqRegions, placeGptq } from "./rounding-memory.ts";

/**
 * Sequences of which every row is kept until its layer is done, to measure what rounding activations costs.
 */
const KEPT_SAMPLES = 4;

export interface QuantizedLayers {
  readonly stats: LayerStats[];
  /** In the order data flows, as are `inputs`. */
  readonly analysis: InputAnalysis[];
  readonly inputs: InputPlan[];
  /** By module name, as are `errors`. */
  readonly modules: Map<string, StoredModule>;
  readonly errors: Map<string, ModuleErrors>;
  /** By input name. */
  readonly outputs: Map<string, OutputErrors>;
  /** One per layer where ranges are searched, else empty. */
  /** undefined for a layer without attention */
  readonly cacheRanges: (CacheRanges | undefined)[];
}

/** What quantizing layers is given. */
export interface LayersToQuantize {
  /** The model as its files have it, for codes that are kept. */
  readonly original: Checkpoint;
  /** The same with its folds. */
  readonly checkpoint: Checkpoint;
  readonly samples: readonly Int32Array[];
  readonly recipe: Recipe;
  /** Told how long rounding takes. */
  readonly clock: StageClock;
}

/** @throws as `walkLayers`; RecipeError naming the input whose Hessian cannot be used */
export async function quantizeLayers(task: LayersToQuantize, work: Work): Promise<QuantizedLayers> {
  const { checkpoint, samples, recipe } = task;
  const result: QuantizedLayers = {
    stats: [],
    analysis: [],
    inputs: [],
    modules: new Map(),
    errors: new Map(),
    outputs: new Map(),
    cacheRanges: [],
  };
  const groupSizes = chooseGroupSizes(describeModel(checkpoint.config), recipe.groupSize);
  await walkLayers(checkpoint, samples, work, {
    threadScratch: gptqScratchBytes(Math.max(...Object.values(groupSizes))),
    place: placeRegions,
    visit: (stream, regions) => new RoundingVisitor({ ...task, signal: work.signal, groupSizes, stream }, regions, result),
  });
  return result;
}

interface Regions {
  readonly channels: ChannelRegions;
  readonly hessians: HessianRegions;
  readonly gptq: GptqRegions;
}

function placeRegions(planner: Planner): Regions {
  return {
    channels: placeChannels(planner),
    hessians: placeHessians(planner),
    gptq: placeGptq(planner.plan, widestInput(planner.description)),
  };
}

interface RoundingTask extends LayersToQuantize {
  readonly stream: LayerStream;
  readonly groupSizes: ByInput<number>;
  readonly signal: AbortSignal | undefined;
}

class RoundingVisitor implements LayerVisitor {
  readonly replaces: boolean;
  readonly #task: RoundingTask;
  readonly #tokens: number;
  readonly #result: QuantizedLayers;
  readonly #channels: ChannelObservers;
  readonly #hessians: HessianObservers;
  readonly #rounder: InputRounder;
  readonly #kept = new Map<InputName, Float32Array[]>();
  readonly #spread: SpreadRows | undefined;

  constructor(task: RoundingTask, regions: Regions, result: QuantizedLayers) {
    const { stream, samples, recipe } = task;
    const { kernels } = stream;
    this.#task = task;
    this.#tokens = countTokens(samples);
    this.#result = result;
    this.#channels = new ChannelObservers(kernels, regions.channels);
    this.#hessians = new HessianObservers(kernels, regions.hessians);
    this.#rounder = new InputRounder({ kernels, regions: regions.gptq }, recipe);
    this.#spread = recipe.ranges === undefined ? undefined : new SpreadRows(kernels, this.#tokens);
    this.replaces = recipe.round.kind === "gptq" && recipe.round.propagate === "quantized";
  }

  begin(): void {
    this.#channels.reset();
    this.#hessians.reset();
    this.#kept.clear();
    this.#spread?.clear();
  }

  observe(sample: number, seen: Seen): void {
    const { site, x, M, K, stride } = seen;
    this.#channels.observe(site, x, M, stride);
    this.#spread?.observe(seen);
    if (site === "k" || site === "v") return;
    this.#hessians.observe(site, x, M);
    const { recipe, stream } = this.#task;
    if (recipe.policy.kind !== "auto" || sample >= KEPT_SAMPLES) return;
    this.#kept.set(site, [...(this.#kept.get(site) ?? []), stream.kernels.f32(x, M * K).slice()]);
  }

  async finishInput(input: LinearInput): Promise<void> {
    const { original, checkpoint, recipe, signal, clock, groupSizes } = this.#task;
    const weights = await Promise.all(input.modules.map(({ name }) => checkpoint.readF32(`${name}.weight`, { signal })));
    const codes = await Promise.all(
      input.modules.map(({ name }) => (recipe.weights === "keep" ? readCodes(original, name, { signal }) : undefined)),
    );
    const rounded = await clock.time("round", () =>
      this.#rounder.round({
        input,
        stats: this.#channels.readSite(input.name, this.#tokens),
        hessian: this.#hessians.read(input, this.#tokens),
        kept: this.#kept.get(input.name) ?? [],
        spread: this.#spread?.rows(input.name),
        weights,
        codes,
        groupSize: groupSizes[input.name]!,
      }),
    );
    this.#keep(rounded);
    if (this.replaces) this.#replace(input, rounded);
  }

  end(): void {
    const stats = this.#channels.read(this.#tokens);
    this.#result.stats.push(stats);
    const { ranges, kvCache } = this.#task.recipe;
    const spread = this.#spread;
    if (ranges === undefined || !spread) return;
    const search = (half: "k" | "v", seen: ChannelStats) => {
      const rows = { x: spread.rows(half), K: seen.min.length, factors: undefined };
      return searchRange(rows, absmax(seen), ranges, undefined, staticCacheBits(kvCache));
    };
    const { k, v } = stats;
    this.#result.cacheRanges.push(k && v ? { k: search("k", k), v: search("v", v) } : undefined);
  }

  #keep({ analysis, plan, modules, output }: RoundedInput): void {
    const result = this.#result;
    result.analysis.push(analysis);
    result.inputs.push(plan);
    result.outputs.set(plan.name, output);
    for (const { name, rows, errors } of modules) {
      result.modules.set(name, storedModule(rows));
      result.errors.set(name, errors);
    }
  }

  /**
   * What comes after is computed with what rounding left of the weights; norms stay, so equalization is taken
   * back.
   */
  #replace({ name }: LinearInput, { modules, plan: { factors } }: RoundedInput): void {
    let row = 0;
    for (const { rows } of modules) {
      const weight = dequantizeModule(rows);
      if (factors) for (let i = 0; i < weight.length; i++) weight[i]! /= factors[i % rows.K]!;
      this.#task.stream.replaceRows(name, row, weight);
      row += rows.rows;
    }
  }
}
