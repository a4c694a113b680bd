/** Everything about one linear input of one layer while its Hessian is in memory: equalize, round, measure, decide. */
import type { LinearInput } from "../../architecture/tensor-names.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import { staticScale } from "../decide/activation-scale.ts";
import { activationErrors, type ActivationErrors } from "../decide/activation-error.ts";
import type { ChannelStats } from "../calibrate/activation-stats.ts";
import { analyseInput, type InputAnalysis } from "../decide/analyse.ts";
import { searchFactors } from "../transform/awq.ts";
import { equalizeColumns } from "../transform/equalize.ts";
import { measureErrors } from "./error-stats.ts";
import { GptqRounder } from "./gptq.ts";
import { expandHessian, type Hessian, hessianDiagonal } from "../calibrate/hessian.ts";
import { OutputError } from "./output-error.ts";
import { selectPolicies } from "../decide/policy.ts";
import { type InputPlan, planInput } from "../decide/quantization-plan.ts";
import type { ModuleErrors } from "../write/quantize-tensors.ts";
import { dequantizeRows, type QuantizedRows, quantizeRows, type RowFormat } from "./quantize-weights.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { refineRows } from "./refine.ts";
import type { GptqRegions } from "./rounding-memory.ts";
import { searchRows } from "./scale-search.ts";
import { raiseToColumns } from "../calibrate/weight-stats.ts";

export interface ObservedInput {
  readonly layer: number;
  readonly input: LinearInput;
  readonly stats: ChannelStats;
  readonly hessian: Hessian;
  /** Rows of a few samples, f32[tokens, K] each; only for policy "auto". */
  readonly kept: readonly Float32Array[];
  /** Modules that read the input, and their weights, f32[N, K]. */
  readonly names: readonly string[];
  readonly weights: readonly Float32Array[];
  readonly groupSize: number;
}

/** Mean square over tokens, summed over the out_features of all linears at the input. */
export interface OutputErrors {
  /** Of the output itself. */
  readonly signal: number;
  /** Of what rounding weights adds: as it was done, and to nearest. */
  readonly chosen: number;
  readonly nearest: number;
  /** Relative errors of rounding activations; measured for policy "auto". */
  readonly activations: ActivationErrors | undefined;
}

export interface RoundedInput {
  readonly analysis: InputAnalysis;
  readonly plan: InputPlan;
  readonly modules: readonly { name: string; rows: QuantizedRows; errors: ModuleErrors }[];
  readonly output: OutputErrors;
}

export class InputRounder {
  readonly #kernels: Kernels;
  readonly #regions: GptqRegions;
  readonly #recipe: Recipe;

  constructor(kernels: Kernels, regions: GptqRegions, recipe: Recipe) {
    this.#kernels = kernels;
    this.#regions = regions;
    this.#recipe = recipe;
  }

  /** @throws RecipeError naming the input if its Hessian cannot be used, or the tensor that has NaN or infinity */
  round(observed: ObservedInput): RoundedInput {
    const { layer, input, stats, hessian, groupSize, names } = observed;
    const { equalize, policy: rule, overrides, scales, scaleConstraint: constraint } = this.#recipe;
    const format = { K: hessian.K, G: groupSize, type: this.#recipe.weights, constraint };
    const analysis = analyseInput(layer, input, stats, equalize, this.#weightAbsmax(observed));
    const [row] = selectPolicies([analysis], rule, overrides, equalize.kind !== "none");
    const plan = planInput(
      analysis,
      row!,
      groupSize,
      row!.policy.equalize ? this.#factors(observed, analysis, format) : undefined,
    );
    const { factors } = plan;
    const weights = factors ? observed.weights.map((weight) => equalizeColumns(weight, factors)) : observed.weights;
    const rounded = this.#roundWeights(observed, weights, factors, format);
    const nearest = weights.map((weight, i) =>
      quantizeRows(weight, format.K, format.G, format.type, { tensor: `${names[i]}.weight`, firstRow: 0 }, scales, constraint),
    );
    const error = OutputError.load(this.#kernels, this.#regions, hessian);
    const cost = (rows: readonly QuantizedRows[]) =>
      rows.reduce((sum, quantized, i) => sum + error.of(roundingError(weights[i]!, quantized, factors)), 0);
    const output = {
      signal: observed.weights.reduce((sum, weight) => sum + error.of(weight), 0),
      chosen: cost(rounded),
      nearest: this.#recipe.round.kind === "nearest" ? cost(rounded) : cost(nearest),
      activations: rule.kind === "auto" ? this.#activationErrors(observed, plan, weights) : undefined,
    };
    const modules = rounded.map((rows, i) => ({
      name: names[i]!,
      rows,
      errors: { chosen: measureErrors(weights[i]!, rows), nearest: measureErrors(weights[i]!, nearest[i]!) },
    }));
    return { analysis, plan: this.#decide(plan, output), modules, output };
  }

  #weightAbsmax({ hessian, weights }: ObservedInput): Float32Array | undefined {
    if (this.#recipe.equalize.kind !== "smoothquant") return undefined;
    const absmax = new Float32Array(hessian.K);
    for (const weight of weights) raiseToColumns(absmax, weight);
    return absmax;
  }

  #factors({ hessian, weights }: ObservedInput, { factors }: InputAnalysis, format: RowFormat): Float32Array | undefined {
    if (this.#recipe.equalize.kind !== "awq") return factors;
    const error = OutputError.load(this.#kernels, this.#regions, hessian);
    return searchFactors(hessian, weights, format, this.#recipe.scales, error);
  }

  #roundWeights(
    { hessian, names }: ObservedInput,
    weights: readonly Float32Array[],
    factors: Float32Array | undefined,
    format: RowFormat,
  ): QuantizedRows[] {
    const { round, scales } = this.#recipe;
    const origin = (i: number) => ({ tensor: `${names[i]}.weight`, firstRow: 0 });
    switch (round.kind) {
      case "nearest":
        return weights.map((weight, i) =>
          quantizeRows(weight, format.K, format.G, format.type, origin(i), scales, format.constraint),
        );
      case "search": {
        const importance = round.weighting === "hessian" ? Float32Array.from(hessianDiagonal(hessian, factors)) : undefined;
        return weights.map((weight) => searchRows(this.#kernels, this.#regions, weight, importance, format, scales));
      }
      case "gptq": {
        const [kernels, regions] = [this.#kernels, this.#regions];
        const gptq = new GptqRounder(kernels, regions, hessian, factors, round, scales);
        const rounded = weights.map((weight, i) => gptq.round(weight, format, origin(i)));
        if (round.refine === 0) return rounded;
        expandHessian(kernels, regions, hessian, factors, gptq.added);
        return rounded.map((rows, i) => refineRows(kernels, regions, weights[i]!, rows, round.refine, scales));
      }
    }
  }

  #activationErrors({ kept, hessian }: ObservedInput, plan: InputPlan, weights: readonly Float32Array[]): ActivationErrors {
    const x = new Float32Array(kept.reduce((sum, rows) => sum + rows.length, 0));
    kept.reduce((offset, rows) => {
      x.set(rows, offset);
      return offset + rows.length;
    }, 0);
    const scale = staticScale(plan.equalizedRange);
    return activationErrors(this.#kernels, this.#regions, x, hessian.K, plan.factors, scale, weights);
  }

  /** Policy "auto", where no override has decided: static unless that adds more than its tolerance allows. */
  #decide(plan: InputPlan, { activations }: OutputErrors): InputPlan {
    const rule = this.#recipe.policy;
    if (rule.kind !== "auto" || plan.override !== undefined || !activations) return plan;
    if (activations.static - activations.dynamic <= rule.tolerance) return plan;
    return { ...plan, policy: { ...plan.policy, kind: "dynamic" }, inputScale: undefined };
  }
}

/** (w - Q(w)) / s, f32[N, K]: an error of equalized weights as the unequalized input meets it. */
function roundingError(weight: Float32Array, rows: QuantizedRows, factors: Float32Array | undefined): Float32Array {
  const error = dequantizeRows(rows);
  for (let i = 0; i < error.length; i++) error[i] = (weight[i]! - error[i]!) / (factors?.[i % rows.K] ?? 1);
  return error;
}
