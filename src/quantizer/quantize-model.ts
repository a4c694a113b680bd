/**
 * The quantizer: checkpoint -> fold -> transform -> calibrate -> analyze -> decide -> equalize -> round ->
 * (distil) -> W4A8 checkpoint (FPTQ, Algorithm 1).
 */
import { allInputs, blockModules, describeModel, type Description } from "../architecture/description.ts";
import type { OutputFolder } from "../checkpoint/byte-source.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { isFloat8 } from "../checkpoint/formats/float8.ts";
import { checkNoDense } from "../checkpoint/pooling.ts";
import { TWO_LEVEL_GROUP } from "../checkpoint/quantization/two-level.ts";
import { CapabilityError, RecipeError } from "../errors.ts";
import type { Work } from "../host/work.ts";
import { checkDifferentiable, checkDistillable } from "../training/differentiable.ts";
import type { ActivationStats } from "./calibrate/activation-stats.ts";
import { calibrate } from "./calibrate/calibrate.ts";
import { collectWeightStats } from "./calibrate/weight-stats.ts";
import { analyzeInputs } from "./decide/analyze-inputs.ts";
import { checkOverrides, selectPolicies } from "./decide/policy.ts";
import { planInput } from "./decide/quantization-plan.ts";
import { chooseGroupSizes } from "./recipe/group-size.ts";
import { channelsAlike, channelStatsSuffice, type Recipe, type StatsRecipe, storedType } from "./recipe/recipe.ts";
import { checkBits, giveEightBits } from "./round/mixed-bits.ts";
import { type LearnedLayers, learnRounding, type LearningTask } from "./round/learn-rounding.ts";
import { quantizeLayers } from "./round/quantize-layers.ts";
import { SearchRounder } from "./round/search-rounder.ts";
import { StageClock } from "./stage-clock.ts";
import { equalizedCheckpoint } from "./transform/equalized-checkpoint.ts";
import { foldModel } from "./transform/fold-model.ts";
import { transformModel } from "./transform/fptquant/transform-model.ts";
import { checkTransforms } from "./transform/fptquant/transform-names.ts";
import type { QuantizationReport } from "./write/quantization-report.ts";
import { writeQuantized, type WritingTask } from "./write/write-quantized.ts";

/** What a model is calibrated on, and distilled. */
export interface QuantizationData {
  /** Calibration sequences (`calibration-data.ts`). */
  readonly samples: readonly Int32Array[];
  /**
   * Sequences to distil on, one for each step, again from the first where they end; if none, those of the
   * calibration.
   */
  readonly distillationSamples?: readonly Int32Array[] | undefined;
  /** Sequences that decide which step's numbers are kept; as many as the recipe says. */
  readonly validationSamples?: readonly Int32Array[] | undefined;
  /** Where the samples are from, for the report. */
  readonly source?: string | undefined;
}

/** Statistics of a calibration that is over. */
export interface CalibratedData {
  readonly stats: ActivationStats;
  /** Where the samples were from, for the report. */
  readonly source?: string | undefined;
}

/**
 * Quantizes a model.
 *
 * @param output committed when everything is written, discarded if anything fails
 * @throws RecipeError, CheckpointError, UnsupportedModelError, NumericError, CapabilityError, AbortError
 */
export async function quantizeModel(
  original: Checkpoint,
  { samples, distillationSamples = [], validationSamples = [], source = "unnamed samples" }: QuantizationData,
  recipe: Recipe,
  output: OutputFolder,
  work: Work,
): Promise<QuantizationReport> {
  const clock = new StageClock();
  return discardOnError(output, async () => {
    checkValidation(validationSamples, recipe);
    checkBefore(original, recipe); // what cannot work is refused before minutes of calibration
    await checkRoom(original, output);
    const folded = await clock.time("fold", () =>
      foldModel(original, samples, { folds: recipe.folds, alike: channelsAlike(recipe) }, work),
    );
    const transform = () => transformModel(folded, samples, recipe, work);
    const { checkpoint, tuned } =
      recipe.transforms.length > 0 ? await clock.time("transform", transform) : { checkpoint: folded, tuned: [] };
    const distilled = distillationSamples.length > 0 ? distillationSamples : samples;
    const task = { original, checkpoint, output, source, distillationSamples: distilled, validationSamples, tuned, clock };
    if (channelStatsSuffice(recipe)) {
      const stats = await clock.time("calibrate", () => calibrate(checkpoint, samples, work));
      return quantizeByStats({ ...task, recipe, samples }, stats, work);
    }
    const layers = await clock.time("calibrate", () => quantizeLayers({ original, checkpoint, samples, recipe, clock }, work));
    if (recipe.bits !== undefined) giveEightBits(layers, describeModel(checkpoint.config), recipe);
    const learned = await learnIfAsked({ checkpoint, recipe, samples, clock }, layers, work);
    return writeQuantized({ ...task, recipe }, { ...layers, ...learned }, work);
  });
}

/**
 * Quantizes a model by statistics already collected: several recipes can share one calibration.
 *
 * @throws RecipeError also for a recipe that needs Hessians, folds or distils
 */
export async function quantizeWithStats(
  checkpoint: Checkpoint,
  { stats, source = "unnamed samples" }: CalibratedData,
  recipe: Recipe,
  output: OutputFolder,
  work: Work,
): Promise<QuantizationReport> {
  return discardOnError(output, async () => {
    checkBefore(checkpoint, recipe);
    await checkRoom(checkpoint, output);
    const refuse = (need: string) => new RecipeError(`recipe "${recipe.name}": got statistics of channels, need ${need}`);
    if (!channelStatsSuffice(recipe)) throw refuse("the samples");
    if (recipe.folds.length > 0) throw refuse("those of the folded model");
    if (recipe.transforms.length > 0) throw refuse("those of the transformed model");
    if (recipe.distillSteps > 0 || recipe.round.kind === "autoround") throw refuse("the samples");
    const nothing = { original: checkpoint, distillationSamples: [], validationSamples: [], tuned: [] };
    return quantizeByStats({ ...nothing, checkpoint, recipe, output, source, clock: new StageClock(), samples: [] }, stats, work);
  });
}

/** Learns to round what was decided on, where the recipe does that. */
async function learnIfAsked(
  { checkpoint, recipe, samples, clock }: Pick<LearningTask, "checkpoint" | "recipe" | "samples"> & Pick<WritingTask, "clock">,
  { stats, inputs }: Pick<LearningTask, "stats" | "inputs">,
  work: Work,
): Promise<Partial<LearnedLayers>> {
  if (recipe.round.kind !== "autoround") return {};
  const equalized = equalizedCheckpoint(checkpoint, inputs);
  return clock.time("learn rounding", () => learnRounding({ checkpoint: equalized, samples, recipe, stats, inputs }, work));
}

async function quantizeByStats(
  task: WritingTask & { readonly recipe: StatsRecipe; readonly samples: readonly Int32Array[] },
  stats: ActivationStats,
  work: Work,
): Promise<QuantizationReport> {
  const { checkpoint, recipe, clock } = task;
  const { equalize, policy, overrides, round } = recipe;
  const description = describeModel(checkpoint.config);
  const analysis = await clock.time("decide", async () => {
    const weightStats = equalize.kind === "smoothquant" ? await collectWeightStats(checkpoint, work.signal) : undefined;
    return analyzeInputs(description, stats, equalize, weightStats, channelsAlike(recipe));
  });
  const groupSizes = chooseGroupSizes(description, recipe.groupSize);
  const inputs = selectPolicies(analysis, policy, overrides, equalize.kind !== "none").map((row, index) =>
    planInput(analysis[index]!, row, { groupSize: groupSizes[row.input]!, activations: recipe.activations }),
  );
  const learned = await learnIfAsked(task, { stats, inputs }, work);
  const rounder = round.kind === "search" ? await SearchRounder.open(round.weighting, description, work) : undefined;
  try {
    return await writeQuantized(task, { stats, analysis, inputs, rounder, ...learned }, work);
  } finally {
    await rounder?.dispose();
  }
}

/** Nothing half-written stays behind, whatever went wrong. */
async function discardOnError<T>(output: OutputFolder, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await output.discard();
    throw error;
  }
}

/** @throws RecipeError for what can be known to fail before anything is read */
function checkBefore(checkpoint: Checkpoint, recipe: Recipe): void {
  const { name, quantization, config } = checkpoint;
  checkNoDense(checkpoint);
  const description = describeModel(config);
  // Integers of another program are read as the floats they stand for.
  const modules = [description.embedding, description.head ?? [], blockModules(description)].flat();
  if (modules.some((module) => quantization?.linear(module.name)))
    throw new RecipeError(`${name}: already quantized; start from the original floating-point model`);
  checkTransforms(recipe.transforms, config);
  checkWidths(description, recipe);
  chooseGroupSizes(description, recipe.groupSize);
  checkRank(description, recipe);
  checkBits(description, recipe);
  if (recipe.round.kind === "autoround") checkDifferentiable(name, config);
  if (recipe.distillSteps > 0) {
    checkDistillable(name, config);
    const hasBiases = blockModules(description).some(({ bias }) => bias);
    if (recipe.distillTrain.includes("biases") && !hasBiases) {
      throw new RecipeError(`distillTrain: got biases, but ${name} has none in its blocks`);
    }
  }
  checkOverrides(
    allInputs(description).map(({ path }) => path),
    recipe.overrides,
  );
}

/** @throws RecipeError */
function checkValidation(samples: readonly Int32Array[], { distillValidation: need }: Recipe): void {
  if (samples.length !== need) throw new RecipeError(`validation: got ${samples.length} sequences, need ${need} by the recipe`);
}

/**
 * Looks for room for the linear weights at 4 bits, the least that any recipe writes: a disk that is too full
 * for them is too full.
 *
 * @throws CapabilityError
 */
async function checkRoom({ config }: Checkpoint, output: OutputFolder): Promise<void> {
  const free = await output.freeBytes?.();
  const least = blockModules(describeModel(config)).reduce((sum, { outFeatures: N, inFeatures: K }) => sum + (N * K) / 2, 0);
  if (free === undefined || free >= least) return;
  throw new CapabilityError(`${output.name}: got ${free} bytes free, need more than ${least}, which the weights alone take`);
}

/**
 * Rows are filled up for the kernels that run a model, not for those that round its weights.
 *
 * @throws RecipeError for a stage that takes whole vectors only, naming the input that has none
 */
function checkWidths(description: Description, recipe: Recipe): void {
  const { weights, round, equalize, policy, ranges = "absmax", activations } = recipe;
  const stages: readonly (readonly [option: string, got: string, need: string, multiple: number])[] = [
    ["weights", weights, "int4, fp4 or int8", storedType(weights) === "int4m" ? TWO_LEVEL_GROUP : 1],
    ["round", round.kind, "nearest", round.kind === "nearest" ? 1 : 8],
    ["equalize", equalize.kind, "none, lae or smoothquant", equalize.kind === "awq" ? 8 : 1],
    ["policy", policy.kind, "uniform or range", policy.kind === "auto" ? 8 : 1],
    ["ranges", ranges, "absmax", ranges === "absmax" ? 1 : 8],
    ["activations", activations, "int8 or none", isFloat8(activations) ? 16 : 1],
  ];
  for (const [option, got, need, multiple] of stages) {
    const input = allInputs(description).find(({ width }) => width % multiple !== 0);
    if (!input) continue;
    const { path, width } = input;
    throw new RecipeError(
      `${option}: got "${got}" for ${path} of ${width} in_features, need ${need}, or a multiple of ${multiple}`,
    );
  }
}

/** @throws RecipeError if a module of the model has no such rank */
function checkRank(description: Description, { lorcRank }: Recipe): void {
  for (const { name, outFeatures: N, inFeatures: K } of blockModules(description)) {
    if (lorcRank > Math.min(N, K)) throw new RecipeError(`lorcRank: got ${lorcRank}, but ${name} is only ${N} x ${K}`);
  }
}
