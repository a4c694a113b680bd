/**
 * What was decided and what it cost, as data: `quantization-report.json`, and what the command line prints.
 */
import { type ActivationStats, type StatsSummary, summarizeStats } from "../calibrate/activation-stats.ts";
import { type InputAnalysis, type RangeSummary, summarizeRanges } from "../decide/analyze-inputs.ts";
import { addErrors, errorStats, type ModuleErrors, NO_ERRORS } from "../round/error-stats.ts";
import { isFloat8 } from "../../checkpoint/formats/float8.ts";
import { simulationNote } from "../../checkpoint/quantization/simulated-activations.ts";
import { type PolicyName, policyName } from "../decide/policy.ts";
import type { InputPlan, QuantizationPlan } from "../decide/quantization-plan.ts";
import type { Recipe } from "../recipe/recipe.ts";
import type { BlockErrors } from "../round/learn-rounding.ts";
import type { OutputErrors } from "../round/round-input.ts";
import { rowBits } from "../recipe/stored-bits.ts";
import type { StageClock } from "../stage-clock.ts";
import type { Distillation } from "../../training/distill.ts";
import type { LossKind } from "../../training/loss.ts";
import type { Trainable } from "../../training/trainable.ts";

/** One linear input of one layer. */
export interface LayerInputReport {
  /** `model.layers.0.qkv` */
  readonly name: string;
  /** Largest absolute activation during calibration: v of FPTQ, Algorithm 1. */
  readonly range: number;
  /** The same after equalization. */
  readonly equalized_range: number;
  readonly policy: PolicyName;
  /** The pattern that set the policy by hand, or null. */
  readonly override: string | null;
  /** null for a dynamic input. */
  readonly input_scale: number | null;
  readonly group_size: number;
  /** How the weights are stored, where some of the model's have more bits than others. */
  readonly weights?: Recipe["weights"];
  /** Errors of rounding the linears that read this input, taken together, after equalization. */
  readonly weight_nmse: number;
  /** The same if they were rounded to nearest: what the rounding method started from. */
  readonly nearest_weight_nmse: number;
  /**
   * Share of the weights that have the codes of their source; null unless they were to keep them. Those of
   * modules that are on no grid of 4 bits were rounded.
   */
  readonly kept_share: number | null;
  /** What low-rank terms leave of `weight_nmse`; null without them. */
  readonly lorc_weight_nmse: number | null;
  /**
   * Error rounded weights leave at the output, over the output: mean squares over the calibration; null where
   * it was not measured.
   */
  readonly output_nmse: number | null;
  readonly nearest_output_nmse: number | null;
  /**
   * What rounding activations leaves, with one scale and with one per token, each token relative to itself:
   * what policy "auto" decides on.
   */
  readonly static_output_nmse: number | null;
  readonly dynamic_output_nmse: number | null;
  readonly weight_sqnr_db: number | null;
  readonly weight_max_abs_error: number;
  readonly weight_rounded_to_zero: number;
}

export interface QuantizationReport {
  readonly format_version: 1;
  /** Last part of the source's path or URL. */
  readonly source: string;
  readonly recipe: Recipe;
  readonly calibration: CalibrationDescription;
  readonly layers: readonly LayerInputReport[];
  /** int8 cache scales per layer, or null. */
  readonly kv_cache: readonly { name: string; k_range: number; v_range: number; k_scale: number; v_scale: number }[] | null;
  /** Tables 8 and 9 of the paper for this model. */
  readonly ranges: readonly RangeSummary[];
  readonly activations: StatsSummary;
  /** NMSE of int8 embedding and head; null where they are stored as floats or, for the head, tied. */
  readonly embedding_nmse: number | null;
  readonly head_nmse: number | null;
  /** What became of codes that were to be kept; null where none were to. */
  readonly kept: KeptSummary | null;
  /** Bits stored per weight of the linear layers in the blocks, scales and low-rank terms included. */
  readonly bits_per_weight: number;
  /**
   * What learned rounding did, block by block; null without. Errors of the block's output, over what the
   * block adds to the residual stream, mean squares: rounded to nearest, under searched scales, and as
   * learned.
   */
  readonly blocks:
    | readonly {
        readonly name: string;
        readonly nearest_output_nmse: number;
        readonly searched_output_nmse: number;
        readonly learned_output_nmse: number;
      }[]
    | null;
  /** What distillation did; null without. */
  readonly distillation: DistillationSummary | null;
  /** What the local stage did to transforms, layer by layer; null without. */
  readonly local_stage: readonly LocalStageReport[] | null;
  /** What the model computes by imitation, in words; null if nothing. */
  readonly simulated: string | null;
  /**
   * Share of layer inputs whose activations have one calibrated scale, the fast path; null unless activations
   * are int8 or int4.
   */
  readonly static_share: number | null;
  /** Size of all tensors written. */
  readonly bytes: number;
  readonly seconds: number;
  /** Seconds of each stage. */
  readonly stages: Readonly<Record<string, number>>;
}

export interface KeptSummary {
  /** Weights with the codes of their source, of all in blocks. */
  readonly share: number;
  /** Modules of which none has: they were rounded. */
  readonly rounded: readonly string[];
}

/** One transform of one layer. */
export interface LocalStageReport {
  /** `model.layers.0: transform "value"` */
  readonly name: string;
  /** What is left of the loss that the transform started with. */
  readonly loss: number;
  /** Whether it ended early, with the best before. */
  readonly diverged: boolean;
}

/**
 * Divergence from the float model, in nats: of the samples of some steps, each before its step, and held out.
 */
export interface DistillationSummary {
  readonly loss: LossKind;
  readonly trained: readonly Trainable[];
  /** Steps taken; fewer than the recipe's if training was stopped. */
  readonly steps: number;
  /** Means over the first eight steps, or all if there are fewer, and over the last eight. */
  readonly first_loss: number;
  readonly last_loss: number;
  /**
   * Mean losses of the sequences held out: before the first step and at the best, whose numbers were kept;
   * null without.
   */
  readonly validation: { readonly first_loss: number; readonly kept_loss: number; readonly kept_step: number } | null;
  /** The reason why it ended before its last step, or null. */
  readonly stopped: string | null;
}

export interface CalibrationDescription {
  /** File name, or how tokens were drawn. */
  readonly source: string;
  readonly tokens: number;
}

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
