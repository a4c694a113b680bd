/** What was decided and what it cost, as data: `quantization-report.json`, and what the command line prints. */
import { type ActivationStats, type StatsSummary, summarizeStats } from "./activation-stats.ts";
import { type InputAnalysis, type RangeSummary, summarizeRanges } from "./analyse.ts";
import { addErrors, type ErrorSums, errorStats, NO_ERRORS } from "./error-stats.ts";
import { EMBEDDING, HEAD, linearModules } from "../checkpoint/tensor-names.ts";
import { type PolicyName, policyName } from "./policy.ts";
import type { InputPlan, QuantizationPlan } from "./quantization-plan.ts";
import type { Recipe } from "./recipe.ts";

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
  /** Errors of rounding the linears that read this input, taken together, after equalization. */
  readonly weight_nmse: number;
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
  /** Bits stored per weight of the linear layers in the blocks, scales included. */
  readonly bits_per_weight: number;
  /** Size of all tensors written. */
  readonly bytes: number;
  readonly seconds: number;
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
  readonly errors: ReadonlyMap<string, ErrorSums>;
  readonly bytes: number;
  readonly seconds: number;
}

export function buildReport({
  source,
  calibrationSource,
  plan,
  stats,
  analysis,
  errors,
  bytes,
  seconds,
}: ReportInputs): QuantizationReport {
  const nmse = (module: string) => (errors.has(module) ? errorStats(errors.get(module)!).nmse : null);
  const activations = summarizeStats(stats);
  return {
    format_version: 1,
    source: source.split(/[\\/]/).findLast((part) => part !== "") ?? source,
    recipe: plan.recipe,
    calibration: { source: calibrationSource, tokens: activations.tokens },
    layers: plan.inputs.map((input) => layerInputReport(plan, input, errors)),
    kv_cache:
      plan.cache?.map(({ kRange, vRange, kScale, vScale }, layer) => ({
        name: `model.layers.${layer}.self_attn`,
        k_range: kRange,
        v_range: vRange,
        k_scale: kScale,
        v_scale: vScale,
      })) ?? null,
    ranges: summarizeRanges(analysis),
    activations,
    embedding_nmse: nmse(EMBEDDING),
    head_nmse: nmse(HEAD),
    bits_per_weight: bitsPerWeight(plan),
    bytes,
    seconds,
  };
}

function layerInputReport(
  { config }: QuantizationPlan,
  input: InputPlan,
  errors: ReadonlyMap<string, ErrorSums>,
): LayerInputReport {
  const modules = linearModules(config, input.layer, input.input);
  const total = errorStats(modules.map(({ name }) => errors.get(name)!).reduce(addErrors, NO_ERRORS));
  return {
    name: input.name,
    range: input.range,
    equalized_range: input.equalizedRange,
    policy: policyName(input.policy),
    override: input.override ?? null,
    input_scale: input.inputScale ?? null,
    group_size: input.groupSize,
    weight_nmse: total.nmse,
    weight_sqnr_db: total.sqnrDb,
    weight_max_abs_error: total.maxAbsError,
    weight_rounded_to_zero: total.roundedToZero,
  };
}

function bitsPerWeight({ config, inputs }: QuantizationPlan): number {
  let weights = 0;
  let bits = 0;
  for (const { layer, input, groupSize } of inputs) {
    for (const { outFeatures, inFeatures } of linearModules(config, layer, input)) {
      weights += outFeatures * inFeatures;
      bits += outFeatures * (4 * inFeatures + 32 * (inFeatures / groupSize));
    }
  }
  return bits / weights;
}
