/**
 * From decisions to files: plans the tensors, writes them, distils what was written if the recipe does, and
 * reports.
 */
import { describeModel } from "../../architecture/description.ts";
import type { OutputFolder } from "../../checkpoint/byte-source.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { MemoryFolder } from "../../checkpoint/memory-folder.ts";
import { SafetensorsWriter } from "../../checkpoint/safetensors/safetensors-writer.ts";
import type { Work } from "../../host/work.ts";
import type { Distillation } from "../../training/distill.ts";
import type { ActivationStats } from "../calibrate/activation-stats.ts";
import type { InputAnalysis } from "../decide/analyze-inputs.ts";
import { type CacheRanges, type InputPlan, planQuantization, type QuantizationPlan } from "../decide/quantization-plan.ts";
import type { Recipe } from "../recipe/recipe.ts";
import type { ModuleErrors } from "../round/error-stats.ts";
import type { StoredModule } from "../round/module-rows.ts";
import type { OutputErrors } from "../round/round-input.ts";
import type { SearchRounder } from "../round/search-rounder.ts";
import type { StageClock } from "../stage-clock.ts";
import type { BlockErrors } from "../round/learn-rounding.ts";
import { equalizedCheckpoint } from "../transform/equalized-checkpoint.ts";
import type { TunedLayer } from "../transform/fptquant/layer-transforms.ts";
import { distillQuantized } from "./distill-quantized.ts";
import { writeModelFiles } from "./model-files.ts";
import { buildReport } from "./build-report.ts";
import type { QuantizationReport } from "./quantization-report.ts";
import { RoundedBefore, RoundWhileReading } from "./rounded-rows.ts";
import { RowReader } from "./row-reader.ts";
import { storedRowOrder } from "./stored-rows.ts";
import { writeModel } from "./write-model.ts";

export interface WritingTask {
  /** The model as its files have it, for codes that are kept. */
  readonly original: Checkpoint;
  /** The float model, with its folds. */
  readonly checkpoint: Checkpoint;
  readonly recipe: Recipe;
  readonly output: OutputFolder;
  /** Where the samples are from. */
  readonly source: string;
  readonly distillationSamples: readonly Int32Array[];
  readonly validationSamples: readonly Int32Array[];
  /** What the local stage of transforms did. */
  readonly tuned: readonly TunedLayer[];
  readonly clock: StageClock;
}

/** What was decided on a model. */
export interface Decided {
  readonly stats: ActivationStats;
  readonly analysis: readonly InputAnalysis[];
  readonly inputs: readonly InputPlan[];
  /** Rounds what is not rounded yet; to nearest if undefined. */
  readonly rounder?: SearchRounder | undefined;
  /** What was rounded layer by layer, and what that did: by module name, by input name, and by block. */
  readonly modules?: ReadonlyMap<string, StoredModule>;
  readonly errors?: ReadonlyMap<string, ModuleErrors>;
  readonly outputs?: ReadonlyMap<string, OutputErrors>;
  /** Those that were searched, by layer. */
  readonly cacheRanges?: readonly (CacheRanges | undefined)[];
  readonly blocks?: readonly BlockErrors[];
}

/** @throws as `writeModel` and `distillQuantized` */
export async function writeQuantized(task: WritingTask, decided: Decided, work: Work): Promise<QuantizationReport> {
  const { checkpoint, recipe, output, source: calibrationSource, clock } = task;
  const { stats, analysis, inputs, outputs, blocks } = decided;
  const plan = planQuantization(describeModel(checkpoint.config), stats, inputs, recipe, decided.cacheRanges);
  // What is distilled is read again before it is written where it belongs.
  const rounded = recipe.distillSteps > 0 ? new MemoryFolder(`${output.name} before distillation`) : undefined;
  const written = await clock.time(decided.modules ? "write" : "round and write", () =>
    writeTensors(task, plan, decided, rounded ?? output, work),
  );
  const { name: source } = checkpoint;
  const common = { source, calibrationSource, plan, stats, analysis, outputs, blocks, tuned: task.tuned };
  const report = (distillation?: Distillation) => buildReport({ ...common, distillation, clock, ...written });
  let distillation: Distillation | undefined;
  if (rounded) {
    await writeModelFiles(rounded, checkpoint, plan, report());
    const model = { checkpoint, rounded, samples: task.distillationSamples, validation: task.validationSamples };
    distillation = await clock.time("distill", () => distillQuantized(model, plan, output, work));
  }
  const final = report(distillation);
  await writeModelFiles(output, checkpoint, plan, final);
  await output.commit();
  return final;
}

interface Written {
  /** By module name; embedding and head among them unless they stay float. */
  readonly errors: ReadonlyMap<string, ModuleErrors>;
  /** Sums of squares that low-rank terms leave, by module name. */
  readonly compensated: ReadonlyMap<string, number>;
  readonly bytes: number;
}

async function writeTensors(
  { original, checkpoint }: WritingTask,
  plan: QuantizationPlan,
  { rounder, stats, modules, errors = new Map() }: Decided,
  folder: OutputFolder,
  work: Work,
): Promise<Written> {
  const reader = new RowReader(equalizedCheckpoint(checkpoint, plan.inputs), work);
  const rounding = new RoundWhileReading(reader, original, plan.recipe, rounder, stats);
  const rows = modules ? new RoundedBefore(modules, reader, rounding) : rounding;
  const writer = new SafetensorsWriter(folder, plan.tensors);
  const rowOrder = storedRowOrder(plan.description);
  const compensated = await writeModel(plan, { reader, rows, rowOrder }, writer);
  await writer.finish();
  return { errors: new Map([...errors, ...rounding.errors]), compensated, bytes: writer.totalBytes };
}
