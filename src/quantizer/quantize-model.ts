/**
 * The quantizer: checkpoint -> calibrate -> analyse -> policy -> equalize -> round weights -> W4A8 checkpoint (FPTQ, Algorithm 1).
 */
import type { OutputFolder } from "../checkpoint/byte-source.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { SafetensorsWriter } from "../checkpoint/safetensors-writer.ts";
import { RecipeError } from "../errors.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { ActivationStats } from "./activation-stats.ts";
import { analyse } from "./analyse.ts";
import { calibrate, type CalibrateOptions } from "./calibrate.ts";
import { chooseGroupSizes } from "./group-size.ts";
import { writeModelFiles } from "./model-files.ts";
import { selectPolicies } from "./policy.ts";
import { planQuantization } from "./quantization-plan.ts";
import { quantizeTensors, type QuantizeTensorsOptions } from "./quantize-tensors.ts";
import type { Recipe } from "./recipe.ts";
import { buildReport, type QuantizationReport } from "./report.ts";

export interface QuantizeModelOptions extends CalibrateOptions {
  /** Where the samples are from, for the report. */
  readonly calibrationSource?: string | undefined;
}

/**
 * Quantizes a model.
 *
 * @param samples calibration sequences (`calibration-data.ts`)
 * @param output committed when everything is written, discarded if anything fails
 * @throws RecipeError, CheckpointError, UnsupportedModelError, NumericError, CapabilityError, AbortError
 */
export async function quantizeModel(
  checkpoint: Checkpoint,
  samples: readonly Int32Array[],
  recipe: Recipe,
  output: OutputFolder,
  runtime: Runtime,
  options: QuantizeModelOptions = {},
): Promise<QuantizationReport> {
  const started = performance.now();
  const stats = await discardOnError(output, async () => {
    refuseQuantized(checkpoint);
    chooseGroupSizes(checkpoint.config, recipe.groupSize); // what cannot work is refused before minutes of calibration
    return calibrate(checkpoint, samples, runtime, options);
  });
  return quantizeWithStats(checkpoint, stats, recipe, output, { ...options, started });
}

export interface QuantizeWithStatsOptions extends QuantizeTensorsOptions {
  readonly calibrationSource?: string | undefined;
  /** `performance.now()` when the work began; now if undefined. */
  readonly started?: number | undefined;
}

/** The same from statistics already collected: several recipes can share one calibration. */
export async function quantizeWithStats(
  checkpoint: Checkpoint,
  stats: ActivationStats,
  recipe: Recipe,
  output: OutputFolder,
  { calibrationSource = "unnamed samples", started = performance.now(), ...options }: QuantizeWithStatsOptions = {},
): Promise<QuantizationReport> {
  return discardOnError(output, async () => {
    refuseQuantized(checkpoint);
    const analysis = analyse(stats, recipe.equalize);
    const policies = selectPolicies(analysis, recipe.policy, recipe.overrides);
    const plan = planQuantization(checkpoint.config, stats, analysis, policies, recipe);
    const writer = new SafetensorsWriter(output, plan.tensors);
    const errors = await quantizeTensors(checkpoint, plan, writer, options);
    await writer.finish();
    const seconds = (performance.now() - started) / 1000;
    const report = buildReport({
      source: checkpoint.name,
      calibrationSource,
      plan,
      stats,
      analysis,
      errors,
      bytes: writer.totalBytes,
      seconds,
    });
    await writeModelFiles(output, checkpoint, plan, report);
    await output.commit();
    return report;
  });
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

function refuseQuantized({ name, quantization }: Checkpoint): void {
  if (quantization) throw new RecipeError(`${name}: already quantized; start from the original floating-point model`);
}
