/**
 * The quantizer: checkpoint -> calibrate -> analyse -> policy -> equalize -> round weights -> W4A8 checkpoint (FPTQ, Algorithm 1).
 */
import type { OutputFolder } from "../checkpoint/byte-source.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { MemoryFolder } from "../checkpoint/memory-folder.ts";
import type { ModelConfig } from "../architecture/model-config.ts";
import { SafetensorsWriter } from "../checkpoint/safetensors/safetensors-writer.ts";
import { allLinearModules, LINEAR_INPUTS } from "../architecture/tensor-names.ts";
import { RecipeError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { ActivationStats } from "./calibrate/activation-stats.ts";
import { analyse, type InputAnalysis } from "./decide/analyse.ts";
import { calibrate, type CalibrateOptions } from "./calibrate/calibrate.ts";
import { checkDifferentiable } from "../training/student.ts";
import { chooseGroupSizes } from "./recipe/group-size.ts";
import { foldFactors, type ModuleFactors } from "./transform/fold.ts";
import { foldCheckpoint } from "./transform/folded-checkpoint.ts";
import { distillQuantized } from "./distill-quantized.ts";
import { linearInputName } from "./decide/linear-inputs.ts";
import { writeModelFiles } from "./write/model-files.ts";
import { checkOverrides, selectPolicies } from "./decide/policy.ts";
import { type InputPlan, planInput, planQuantization } from "./decide/quantization-plan.ts";
import { quantizeLayers } from "./quantize-layers.ts";
import { type ModuleErrors, quantizeTensors, type QuantizeTensorsOptions, type RoundedModule } from "./write/quantize-tensors.ts";
import { channelStatsSuffice, type Recipe, type StatsRecipe } from "./recipe/recipe.ts";
import { buildReport, type QuantizationReport } from "./write/report.ts";
import type { OutputErrors } from "./round/round-input.ts";
import { openRowRounder, type RowRounder } from "./round/row-rounder.ts";
import { StageClock } from "./stage-clock.ts";
import { collectWeightStats } from "./calibrate/weight-stats.ts";

export interface QuantizeModelOptions extends CalibrateOptions {
  /** Where the samples are from, for the report. */
  readonly calibrationSource?: string | undefined;
  /** Sequences to distil on, one for each step, again from the first where they end; if none, those of the calibration. */
  readonly distillationSamples?: readonly Int32Array[] | undefined;
}

/**
 * Quantizes a model.
 *
 * @param samples calibration sequences (`calibration-data.ts`)
 * @param output committed when everything is written, discarded if anything fails
 * @throws RecipeError, CheckpointError, UnsupportedModelError, NumericError, CapabilityError, AbortError
 */
export async function quantizeModel(
  original: Checkpoint,
  samples: readonly Int32Array[],
  recipe: Recipe,
  output: OutputFolder,
  host: Host,
  options: QuantizeModelOptions = {},
): Promise<QuantizationReport> {
  const clock = new StageClock();
  const { distillationSamples: further = [] } = options;
  const toDistil = further.length > 0 ? further : samples;
  return discardOnError(output, async () => {
    checkBefore(original, recipe); // what cannot work is refused before minutes of calibration
    const checkpoint = await clock.time("fold", () => fold(original, samples, recipe, host, options));
    if (channelStatsSuffice(recipe)) {
      const stats = await clock.time("calibrate", () => calibrate(checkpoint, samples, host, options));
      return writeFromStats(checkpoint, stats, recipe, output, host, { ...options, clock }, toDistil);
    }
    const layers = await clock.time("calibrate", () => quantizeLayers(checkpoint, samples, recipe, host, options, clock));
    const decided = { ...layers, rounder: NOTHING_LEFT_TO_ROUND };
    return writeQuantized(checkpoint, recipe, output, host, decided, { ...options, clock }, toDistil);
  });
}

/** Samples that folds are found from: they are rounded to powers of two, so a few will do. */
const FOLD_SAMPLES = 8;

/** @returns the checkpoint itself if the recipe folds nothing */
async function fold(
  checkpoint: Checkpoint,
  samples: readonly Int32Array[],
  { folds }: Recipe,
  host: Host,
  options: CalibrateOptions,
): Promise<Checkpoint> {
  if (folds.length === 0) return checkpoint;
  const stats = await calibrate(checkpoint, samples.slice(0, FOLD_SAMPLES), host, options);
  const factors = new Map<string, ModuleFactors>();
  for (const [l, layer] of stats.entries()) {
    for (const [module, found] of foldFactors(checkpoint.config, l, layer, folds)) factors.set(module, found);
  }
  return foldCheckpoint(checkpoint, factors);
}

export interface QuantizeWithStatsOptions extends QuantizeTensorsOptions {
  readonly threads?: number | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
  readonly calibrationSource?: string | undefined;
  /** Knows what earlier stages took. */
  readonly clock?: StageClock | undefined;
}

/**
 * The same from statistics already collected: several recipes can share one calibration.
 *
 * @throws RecipeError also for a recipe that needs Hessians, folds or distils
 */
export async function quantizeWithStats(
  checkpoint: Checkpoint,
  stats: ActivationStats,
  recipe: Recipe,
  output: OutputFolder,
  host: Host,
  options: QuantizeWithStatsOptions = {},
): Promise<QuantizationReport> {
  return discardOnError(output, async () => {
    checkBefore(checkpoint, recipe);
    const refuse = (need: string) =>
      new RecipeError(`recipe "${recipe.name}": statistics of channels are not enough, it needs ${need}`);
    if (!channelStatsSuffice(recipe)) throw refuse("the samples");
    if (recipe.folds.length > 0) throw refuse("those of the folded model");
    if (recipe.distillSteps > 0) throw refuse("the samples");
    return writeFromStats(checkpoint, stats, recipe, output, host, { ...options, clock: options.clock ?? new StageClock() });
  });
}

interface ClockedOptions extends QuantizeWithStatsOptions {
  readonly clock: StageClock;
}

async function writeFromStats(
  checkpoint: Checkpoint,
  stats: ActivationStats,
  recipe: StatsRecipe,
  output: OutputFolder,
  host: Host,
  options: ClockedOptions,
  toDistil: readonly Int32Array[] = [],
): Promise<QuantizationReport> {
  const { clock, signal } = options;
  const { config } = checkpoint;
  const { equalize, policy, overrides, round, scales } = recipe;
  const analysis = await clock.time("decide", async () =>
    analyse(stats, equalize, equalize.kind === "smoothquant" ? await collectWeightStats(checkpoint, signal) : undefined),
  );
  const groupSizes = chooseGroupSizes(config, recipe.groupSize);
  const inputs = selectPolicies(analysis, policy, overrides, equalize.kind !== "none").map((row, index) =>
    planInput(analysis[index]!, row, groupSizes[row.input]),
  );
  const rounder = await openRowRounder(round, scales, config, host, options);
  try {
    return await writeQuantized(checkpoint, recipe, output, host, { stats, analysis, inputs, rounder }, options, toDistil);
  } finally {
    await rounder.dispose();
  }
}

interface Decided {
  readonly stats: ActivationStats;
  readonly analysis: readonly InputAnalysis[];
  readonly inputs: readonly InputPlan[];
  readonly rounder: RowRounder;
  /** What was rounded layer by layer. */
  readonly rounded?: ReadonlyMap<string, RoundedModule>;
  readonly errors?: ReadonlyMap<string, ModuleErrors>;
  readonly outputs?: ReadonlyMap<string, OutputErrors>;
}

async function writeQuantized(
  checkpoint: Checkpoint,
  recipe: Recipe,
  output: OutputFolder,
  host: Host,
  decided: Decided,
  options: ClockedOptions,
  toDistil: readonly Int32Array[],
): Promise<QuantizationReport> {
  const { stats, analysis, inputs, rounder, rounded } = decided;
  const { clock, calibrationSource = "unnamed samples" } = options;
  const plan = planQuantization(checkpoint.config, stats, inputs, recipe);
  // What is distilled is read again before it is written where it belongs.
  const first = recipe.distillSteps > 0 ? new MemoryFolder(`${output.name} before distillation`) : output;
  const writer = new SafetensorsWriter(first, plan.tensors);
  const secondMoment = ({ layer, input }: InputPlan) => stats[layer]![input].secondMoment;
  const written = await clock.time(rounded ? "write" : "round and write", () =>
    quantizeTensors(checkpoint, plan, writer, { rounder, rounded, secondMoment }, options),
  );
  await writer.finish();
  const report = (losses?: readonly number[]) =>
    buildReport({
      source: checkpoint.name,
      calibrationSource,
      plan,
      stats,
      analysis,
      errors: new Map([...(decided.errors ?? []), ...written.errors]),
      compensated: written.compensated,
      outputs: decided.outputs,
      losses,
      bytes: writer.totalBytes,
      clock,
    });
  let losses: readonly number[] | undefined;
  if (first instanceof MemoryFolder) {
    await writeModelFiles(first, checkpoint, plan, report());
    const work = () => distillQuantized(checkpoint, first, toDistil, plan, output, host, options);
    losses = await clock.time("distill", work);
  }
  const final = report(losses);
  await writeModelFiles(output, checkpoint, plan, final);
  await output.commit();
  return final;
}

/** Embedding and head are rounded to nearest whatever the recipe; all else came rounded. */
const NOTHING_LEFT_TO_ROUND: RowRounder = {
  round: (_weight, _format, { tensor }) => {
    throw new RecipeError(`${tensor}: was to be rounded with its layer`);
  },
  dispose: () => Promise.resolve(),
};

/** Nothing half-written stays behind, whatever went wrong. */
async function discardOnError<T>(output: OutputFolder, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await output.discard();
    throw error;
  }
}

/** @throws RecipeError if a module of the model has no such rank */
function checkRank(config: ModelConfig, { lorcRank }: Recipe): void {
  for (const { name, outFeatures: N, inFeatures: K } of allLinearModules(config)) {
    if (lorcRank > Math.min(N, K)) throw new RecipeError(`lorcRank: got ${lorcRank}, but ${name} is only ${N} x ${K}`);
  }
}

/** @throws RecipeError for what can be known to fail before anything is read */
function checkBefore({ name, quantization, config }: Checkpoint, recipe: Recipe): void {
  if (quantization) throw new RecipeError(`${name}: already quantized; start from the original floating-point model`);
  chooseGroupSizes(config, recipe.groupSize);
  checkRank(config, recipe);
  if (recipe.distillSteps > 0) checkDifferentiable(name, config);
  const names = Array.from({ length: config.layers }, (_, layer) => LINEAR_INPUTS.map((input) => linearInputName(layer, input)));
  checkOverrides(names.flat(), recipe.overrides);
}
