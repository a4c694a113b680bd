/** Makes the report of a quantization of what its stages say. */
import { type ActivationStats, summarizeStats } from "../calibrate/activation-stats.ts";
import { type InputAnalysis, summarizeRanges } from "../decide/analyze-inputs.ts";
import { addErrors, errorStats, type ModuleErrors, NO_ERRORS } from "../round/error-stats.ts";
import { isFloat8 } from "../../checkpoint/formats/float8.ts";
import { simulationNote } from "../../checkpoint/quantization/simulated-activations.ts";
import { policyName } from "../decide/policy.ts";
import type { InputPlan, QuantizationPlan } from "../decide/quantization-plan.ts";
import type { Recipe } from "../recipe/recipe.ts";
import type { BlockErrors } from "../round/learn-rounding.ts";
import type { OutputErrors } from "../round/round-input.ts";
import { rowBits } from "../recipe/stored-bits.ts";
import type { StageClock } from "../stage-clock.ts";
import type { Distillation } from "../../training/distill.ts";
import type {
  DistillationSummary,
  KeptSummary,
  LayerInputReport,
  LocalStageReport,
  QuantizationReport,
} from "./quantization-report.ts";

export interface ReportInputs {
  readonly source: string;
  readonly calibrationSource: string;
  readonly plan: QuantizationPlan;
  readonly stats: ActivationStats;
  readonly analysis: readonly InputAnalysis[];
  /** By module name. */
  readonly errors: ReadonlyMap<string, ModuleErrors>;
  /** Sums of squares that low-rank terms leave, by module name. */
  readonly compensated: ReadonlyMap<string, number>;
  /** By input name; undefined if the recipe looked at no Hessians. */
  readonly outputs: ReadonlyMap<string, OutputErrors> | undefined;
  /** By layer, where rounding was learned. */
  readonly blocks: readonly BlockErrors[] | undefined;
  readonly distillation?: Distillation | undefined;
  readonly tuned: readonly LocalStageReport[];
  readonly bytes: number;
  readonly clock: StageClock;
}

export function buildReport({
  source,
  calibrationSource,
  plan,
  stats,
  analysis,
  errors,
  compensated,
  outputs,
  blocks,
  distillation,
  tuned,
  bytes,
  clock,
}: ReportInputs): QuantizationReport {
  const nmse = (module: string) => (errors.has(module) ? errorStats(errors.get(module)!.chosen).nmse : null);
  const activations = summarizeStats(stats);
  const { description } = plan;
  const { embedding, head } = description;
  const trained = distillation?.tuned;
  return {
    format_version: 1,
    source: source.split(/[\\/]/).findLast((part) => part !== "") ?? source,
    recipe: plan.recipe,
    calibration: { source: calibrationSource, tokens: activations.tokens },
    layers: plan.inputs.map((input) => layerInputReport(plan, input, { errors, compensated, outputs, tuned: trained })),
    kv_cache:
      plan.cache?.flatMap((scales, layer) => {
        if (!scales) return [];
        const { attention: name } = description.blocks[layer]!;
        return {
          name,
          k_range: scales.kRange,
          v_range: scales.vRange,
          k_scale: trained?.get(`${name}.k_scale`)?.[0] ?? scales.kScale,
          v_scale: trained?.get(`${name}.v_scale`)?.[0] ?? scales.vScale,
        };
      }) ?? null,
    ranges: summarizeRanges(analysis),
    activations,
    embedding_nmse: nmse(embedding.name),
    head_nmse: head === undefined || head === embedding ? null : nmse(head.name),
    kept: plan.recipe.weights === "keep" ? summarizeKept(plan, errors) : null,
    bits_per_weight: bitsPerWeight(plan),
    blocks:
      blocks?.map(({ name, nearest, searched, learned }) => ({
        name,
        nearest_output_nmse: nearest,
        searched_output_nmse: searched,
        learned_output_nmse: learned,
      })) ?? null,
    distillation: distillation ? summarizeDistillation(distillation, plan.recipe) : null,
    local_stage: tuned.length > 0 ? tuned : null,
    simulated: simulated(plan.recipe),
    static_share: staticShare(plan),
    bytes,
    seconds: clock.total,
    stages: clock.stages,
  };
}

function summarizeDistillation(
  { losses, validation, kept, stopped }: Distillation,
  { distillLoss: loss, distillTrain: trained }: Recipe,
): DistillationSummary {
  const mean = (some: readonly number[]) => some.reduce((sum, each) => sum + each, 0) / some.length;
  const [first, best] = [validation[0], validation.find(({ step }) => step === kept)];
  return {
    loss,
    trained,
    steps: losses.length,
    first_loss: mean(losses.slice(0, 8)),
    last_loss: mean(losses.slice(-8)),
    validation: first && best ? { first_loss: first.loss, kept_loss: best.loss, kept_step: kept } : null,
    stopped: stopped ?? null,
  };
}

interface Measured extends Pick<ReportInputs, "errors" | "compensated" | "outputs"> {
  /** Tensors as they were tuned, by name; undefined without distillation. */
  readonly tuned: Distillation["tuned"] | undefined;
}

function layerInputReport(
  { modules: plans, recipe }: QuantizationPlan,
  input: InputPlan,
  { errors, compensated, outputs, tuned }: Measured,
): LayerInputReport {
  const names = [...plans.values()].filter((plan) => plan.input === input).map(({ module }) => module.name);
  const output = outputs?.get(input.name);
  const modules = names.map((name) => errors.get(name)!);
  const chosen = modules.map((module) => module.chosen).reduce(addErrors, NO_ERRORS);
  const total = errorStats(chosen);
  const left = names.reduce((sum, name) => sum + (compensated.get(name) ?? 0), 0);
  const relative = (error: number | undefined) => (error === undefined || !output ? null : error / (output.signal || 1));
  const nearest = errorStats(modules.map((module) => module.nearest).reduce(addErrors, NO_ERRORS));
  return {
    name: input.name,
    range: input.range,
    equalized_range: input.equalizedRange,
    policy: policyName(input.policy, recipe.equalize.kind),
    override: input.override ?? null,
    input_scale: tuned?.get(`${names[0]!}.input_scale`)?.[0] ?? input.inputScale ?? null,
    group_size: input.groupSize,
    ...(recipe.bits !== undefined && { weights: input.weights ?? recipe.weights }),
    weight_nmse: total.nmse,
    nearest_weight_nmse: nearest.nmse,
    kept_share: recipe.weights === "keep" ? modules.reduce((sum, { kept }) => sum + kept, 0) / chosen.count : null,
    lorc_weight_nmse: recipe.lorcRank > 0 ? left / (chosen.signal || 1) : null,
    output_nmse: relative(output?.chosen),
    nearest_output_nmse: relative(output?.nearest),
    static_output_nmse: output?.activations?.static ?? null,
    dynamic_output_nmse: output?.activations?.dynamic ?? null,
    weight_sqnr_db: total.sqnrDb,
    weight_max_abs_error: total.maxAbsError,
    weight_rounded_to_zero: total.roundedToZero,
  };
}

function summarizeKept({ modules }: QuantizationPlan, errors: ReadonlyMap<string, ModuleErrors>): KeptSummary {
  const inBlocks = [...modules].flatMap(([name, { input }]) => (input ? [{ name, ...errors.get(name)! }] : []));
  const weights = inBlocks.reduce((sum, { chosen }) => sum + chosen.count, 0);
  return {
    share: inBlocks.reduce((sum, { kept }) => sum + kept, 0) / weights,
    rounded: inBlocks.filter(({ kept }) => kept === 0).map(({ name }) => name),
  };
}

function bitsPerWeight({ modules, recipe }: QuantizationPlan): number {
  let weights = 0;
  let bits = 0;
  for (const { module, input } of modules.values()) {
    if (!input) continue;
    const { outFeatures, inFeatures } = module;
    weights += outFeatures * inFeatures;
    bits += outFeatures * rowBits(input.weights ?? recipe.weights, inFeatures, input.groupSize, recipe);
    bits += 16 * recipe.lorcRank * (outFeatures + inFeatures);
  }
  return bits / weights;
}

function simulated({ activations }: Recipe): string | null {
  return activations === "int4" || isFloat8(activations) ? simulationNote(activations) : null;
}

function staticShare({ inputs, recipe }: QuantizationPlan): number | null {
  if (recipe.activations !== "int8" && recipe.activations !== "int4") return null;
  return inputs.filter(({ policy }) => policy.kind === "static").length / inputs.length;
}
