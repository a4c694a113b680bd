/**
 * Everything about one linear input of one layer while its Hessian is in memory: equalize, round, measure,
 * decide.
 */
import type { LinearInput } from "../../architecture/description.ts";
import type { ChannelStats } from "../calibrate/activation-stats.ts";
import { expandHessian, type Hessian, hessianDiagonal } from "../calibrate/hessian.ts";
import { raiseToColumns } from "../calibrate/weight-stats.ts";
import { activationErrors, type ActivationErrors } from "../decide/activation-error.ts";
import { staticScale } from "../decide/activation-scale.ts";
import { analyzeInput, type InputAnalysis } from "../decide/analyze-inputs.ts";
import { selectPolicies } from "../decide/policy.ts";
import { type InputPlan, planInput, type SearchedInput, staticBits } from "../decide/quantization-plan.ts";
import { columnEnergy, searchRange } from "../decide/range-search.ts";
import { channelsAlike, type Recipe, storedType } from "../recipe/recipe.ts";
import type { GptqMethod } from "../recipe/rounding-method.ts";
import { searchFactors } from "../transform/awq.ts";
import { equalizeColumns } from "../transform/equalize.ts";
import { measureErrors, type ModuleErrors } from "./error-stats.ts";
import { GptqRounder } from "./gptq.ts";
import { linesOf, roundToLines } from "./gptq-levels.ts";
import { keepCodes, type KeptCodeRows } from "./kept-codes.ts";
import { searchLevels } from "./line-search.ts";
import { dequantizeModule, type ModuleRows, nearestRows } from "./module-rows.ts";
import { OutputError } from "./output-error.ts";
import { checkFinite, quantizeRows, type RowFormat } from "./quantize-weights.ts";
import { refineLevels, refineRows } from "./refine.ts";
import type { GptqMemory } from "./rounding-memory.ts";
import { searchRows } from "./scale-search.ts";

export interface ObservedInput {
  readonly input: LinearInput;
  readonly stats: ChannelStats;
  readonly hessian: Hessian;
  /** Rows of a few samples, f32[tokens, K] each; only for policy "auto". */
  readonly kept: readonly Float32Array[];
  /** Rows of all samples, f32[tokens, K]; only where ranges are searched. */
  readonly spread: Float32Array | undefined;
  /** Weights of the input's modules, f32[N, K] each. */
  readonly weights: readonly Float32Array[];
  /** Codes of their source, u8[N, K], of those that keep them. */
  readonly codes: readonly (Uint8Array | undefined)[];
  readonly groupSize: number;
}

/** Mean square over tokens, summed over the out_features of all linears at the input. */
export interface OutputErrors {
  /** Energy of the output itself. */
  readonly signal: number;
  /** Energy that rounding weights adds: as it was done, and to nearest. */
  /** undefined where rounding goes on once the layer is done */
  readonly chosen: number | undefined;
  readonly nearest: number;
  /** The same of 8 bits a weight; measured where some linears may have them. */
  readonly eight: number | undefined;
  /** Relative errors of rounding activations; measured for policy "auto". */
  readonly activations: ActivationErrors | undefined;
}

export interface RoundedInput {
  readonly analysis: InputAnalysis;
  readonly plan: InputPlan;
  readonly modules: readonly { readonly name: string; readonly rows: ModuleRows; readonly errors: ModuleErrors }[];
  readonly output: OutputErrors;
}

export class InputRounder {
  readonly #memory: GptqMemory;
  readonly #recipe: Recipe;

  constructor(memory: GptqMemory, recipe: Recipe) {
    this.#memory = memory;
    this.#recipe = recipe;
  }

  /**
   * @throws RecipeError naming the input if its Hessian cannot be used, or the tensor that has NaN or
   *   infinity
   */
  round(observed: ObservedInput): RoundedInput {
    const { input, hessian } = observed;
    const format = this.#formatOf(observed);
    const { analysis, plan } = this.#plan(observed, format);
    const { factors } = plan;
    const weights = factors ? observed.weights.map((weight) => equalizeColumns(weight, factors)) : observed.weights;
    for (const [i, weight] of weights.entries()) checkFinite(weight, format.K, originOf(input, i));
    const equalized = { ...hessian, factors };
    const kept = weights.map((weight, i) => this.#keepCodes(equalized, weight, observed.codes[i], format));
    const left = weights.filter((_, i) => !kept[i]);
    const others = left.length > 0 ? this.#roundWeights(equalized, input, left, format) : [];
    const rounded = kept.map((module, i) => module?.rows ?? others[left.indexOf(weights[i]!)]!);
    const nearest = weights.map((weight) => nearestRows(weight, format));
    const error = OutputError.load(this.#memory, hessian);
    const cost = (rows: readonly ModuleRows[]) =>
      rows.reduce((sum, quantized, i) => sum + error.of(roundingError(weights[i]!, quantized, factors)), 0);
    const { round, policy, bits } = this.#recipe;
    const inEight = () => weights.map((weight, i) => quantizeRows(weight, eightBits(format), originOf(input, i)));
    const output = {
      signal: observed.weights.reduce((sum, weight) => sum + error.of(weight), 0),
      chosen: round.kind === "autoround" ? undefined : cost(rounded),
      nearest: round.kind === "nearest" ? cost(rounded) : cost(nearest),
      eight: bits === undefined ? undefined : cost(inEight()),
      activations: policy.kind === "auto" ? this.#activationErrors(observed, plan, weights) : undefined,
    };
    const modules = rounded.map((rows, i) => ({
      name: input.modules[i]!.name,
      rows,
      errors: {
        chosen: measureErrors(weights[i]!, rows),
        nearest: measureErrors(weights[i]!, nearest[i]!),
        kept: kept[i]?.kept ?? 0,
      },
    }));
    return { analysis, plan: this.#decide(plan, output), modules, output };
  }

  #formatOf({ hessian, groupSize }: ObservedInput): RowFormat {
    const { weights, scales, scaleConstraint } = this.#recipe;
    return { K: hessian.K, G: groupSize, type: storedType(weights), scaleType: scales, constraint: scaleConstraint };
  }

  /** What can be decided before rounding. */
  #plan(observed: ObservedInput, format: RowFormat): { analysis: InputAnalysis; plan: InputPlan } {
    const { equalize, policy, overrides, activations } = this.#recipe;
    const alike = channelsAlike(this.#recipe);
    const analysis = analyzeInput(observed.input, observed.stats, equalize, this.#weightAbsmax(observed), alike);
    const [row] = selectPolicies([analysis], policy, overrides, equalize.kind !== "none");
    const factors = row!.policy.equalize ? this.#factors(observed, analysis, format) : undefined;
    const searched = { factors, searchRange: this.#rangeSearch(observed) };
    return { analysis, plan: planInput(analysis, row!, { groupSize: observed.groupSize, activations }, searched) };
  }

  #rangeSearch({ spread, weights, hessian: { K } }: ObservedInput): SearchedInput["searchRange"] {
    const { ranges, activations } = this.#recipe;
    const bits = staticBits(activations);
    if (ranges === undefined || spread === undefined) return undefined;
    return (largest, factors) => searchRange({ x: spread, K, factors }, largest, ranges, columnEnergy(weights, K, factors), bits);
  }

  #weightAbsmax({ hessian, weights }: ObservedInput): Float32Array | undefined {
    if (this.#recipe.equalize.kind !== "smoothquant") return undefined;
    const absmax = new Float32Array(hessian.K);
    for (const weight of weights) raiseToColumns(absmax, weight);
    return absmax;
  }

  #factors({ hessian, weights }: ObservedInput, { factors }: InputAnalysis, format: RowFormat): Float32Array | undefined {
    if (this.#recipe.equalize.kind !== "awq") return factors;
    return searchFactors(hessian, weights, format, OutputError.load(this.#memory, hessian));
  }

  /** @param hessian of the equalized input */
  #keepCodes(hessian: Hessian, weight: Float32Array, codes: Uint8Array | undefined, format: RowFormat): KeptCodeRows | undefined {
    const { round } = this.#recipe;
    const search =
      round.kind === "nearest"
        ? "none"
        : round.kind === "search"
          ? round.weighting
          : round.kind === "gptq"
            ? round.search
            : "hessian";
    return codes && keepCodes(weight, codes, format, (rows) => linesOf(this.#memory, rows, hessian, search));
  }

  /** @param hessian of the equalized input */
  #roundWeights(
    hessian: Hessian,
    input: LinearInput,
    weights: readonly Float32Array[],
    format: RowFormat,
  ): readonly ModuleRows[] {
    const { round } = this.#recipe;
    switch (round.kind) {
      case "nearest":
        return weights.map((weight) => nearestRows(weight, format));
      case "autoround": // what it begins with
      case "search": {
        const weighting = round.kind === "search" ? round.weighting : "hessian";
        const importance = weighting === "hessian" ? Float32Array.from(hessianDiagonal(hessian)) : undefined;
        const search = format.type === "int4m" ? searchLevels : searchRows;
        return weights.map((weight) => search(this.#memory, weight, importance, format));
      }
      case "gptq":
        return this.#roundByGptq(hessian, round, input, weights, format);
    }
  }

  #roundByGptq(
    hessian: Hessian,
    method: GptqMethod,
    input: LinearInput,
    weights: readonly Float32Array[],
    format: RowFormat,
  ): readonly ModuleRows[] {
    const memory = this.#memory;
    // Before the factor is made: it is in memory as long as it is needed.
    const lines = format.type === "int4m" && weights.map((weight) => linesOf(memory, weight, hessian, method.search));
    const gptq = new GptqRounder(memory, hessian, method);
    const rounded = weights.map((weight, i) =>
      lines ? roundToLines(gptq, weight, lines[i]!, format, originOf(input, i)) : gptq.round(weight, format, originOf(input, i)),
    );
    if (method.refine === 0) return rounded;
    expandHessian(memory, hessian, gptq.added);
    return rounded.map((rows, i) =>
      "levels" in rows
        ? refineLevels(memory, weights[i]!, rows, method.refine)
        : refineRows(memory, weights[i]!, rows, method.refine),
    );
  }

  #activationErrors({ kept, hessian }: ObservedInput, plan: InputPlan, weights: readonly Float32Array[]): ActivationErrors {
    const x = new Float32Array(kept.reduce((sum, rows) => sum + rows.length, 0));
    kept.reduce((offset, rows) => {
      x.set(rows, offset);
      return offset + rows.length;
    }, 0);
    const scale = staticScale(plan.staticRange);
    return activationErrors(this.#memory, { x, K: hessian.K, factors: plan.factors }, scale, weights);
  }

  /** Policy "auto", where no override has decided: static unless that adds more than its tolerance allows. */
  #decide(plan: InputPlan, { activations }: OutputErrors): InputPlan {
    const rule = this.#recipe.policy;
    if (rule.kind !== "auto" || plan.override !== undefined || !activations) return plan;
    if (activations.static - activations.dynamic <= rule.tolerance) return plan;
    return { ...plan, policy: { ...plan.policy, kind: "dynamic" }, inputScale: undefined };
  }
}

function eightBits(format: RowFormat): RowFormat {
  return { ...format, type: "int8", G: format.K };
}

/** The whole weight of an input's module. */
function originOf({ modules }: LinearInput, i: number) {
  return { tensor: `${modules[i]!.name}.weight`, firstRow: 0 };
}

/** (w - Q(w)) / s, f32[N, K]: an error of equalized weights as the unequalized input meets it. */
function roundingError(weight: Float32Array, rows: ModuleRows, factors: Float32Array | undefined): Float32Array {
  const error = dequantizeModule(rows);
  for (let i = 0; i < error.length; i++) error[i] = (weight[i]! - error[i]!) / (factors?.[i % rows.K] ?? 1);
  return error;
}
