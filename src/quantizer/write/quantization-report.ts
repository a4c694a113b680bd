/**
 * What was decided and what it cost, as data: `quantization-report.json`, and what the command line prints.
 */
import type { StatsSummary } from "../calibrate/activation-stats.ts";
import type { RangeSummary } from "../decide/analyze-inputs.ts";
import type { PolicyName } from "../decide/policy.ts";
import type { Recipe } from "../recipe/recipe.ts";
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
  /** How the input is rounded. */
  readonly policy: PolicyName;
  /** The pattern that set the policy by hand, or null. */
  readonly override: string | null;
  /** null for a dynamic input. */
  readonly input_scale: number | null;
  /** Weights with one scale, along the input. */
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
  /** The same if weights were rounded to nearest. */
  readonly nearest_output_nmse: number | null;
  /**
   * What rounding activations leaves, with one scale and with one per token, each token relative to itself:
   * what policy "auto" decides on.
   */
  readonly static_output_nmse: number | null;
  /** With one scale per token. */
  readonly dynamic_output_nmse: number | null;
  /** Signal to quantization noise of the weights, in decibels; null without noise. */
  readonly weight_sqnr_db: number | null;
  /** Largest error of a weight. */
  readonly weight_max_abs_error: number;
  /** Share of the weights that became 0. */
  readonly weight_rounded_to_zero: number;
}

/** What quantizing did: `quantization-report.json`. */
export interface QuantizationReport {
  /** Version of this form. */
  readonly format_version: 1;
  /** Last part of the source's path or URL. */
  readonly source: string;
  /** Recipe with every choice. */
  readonly recipe: Recipe;
  /** What was calibrated on. */
  readonly calibration: CalibrationDescription;
  /** Inputs of the linear layers, in the order of the model. */
  readonly layers: readonly LayerInputReport[];
  /** int8 cache scales per layer, or null. */
  readonly kv_cache: readonly { name: string; k_range: number; v_range: number; k_scale: number; v_scale: number }[] | null;
  /** Tables 8 and 9 of the paper for this model. */
  readonly ranges: readonly RangeSummary[];
  /** Ranges of activations during calibration. */
  readonly activations: StatsSummary;
  /** NMSE of int8 embedding and head; null where they are stored as floats or, for the head, tied. */
  readonly embedding_nmse: number | null;
  /** NMSE of the int8 head; null where it is stored as floats, or tied. */
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
  /** Seconds it took, calibration included. */
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
