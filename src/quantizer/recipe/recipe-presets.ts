/** Recipes by name. Those of papers keep to the papers; `fptq-best` is what this package recommends. */
import { FOLDS } from "../transform/fold.ts";
import { TRANSFORMS } from "../transform/fptquant/transform-names.ts";
import { DEFAULT_TOLERANCE, PAPER_THRESHOLDS } from "../decide/policy.ts";
import type { Recipe } from "./recipe.ts";
import { GPTQ_DEFAULTS } from "./rounding-method.ts";

/** Names of the recipes: what `recipe` and `--recipe` take. */
export const RECIPE_NAMES = [
  "fptq",
  "fptq+gptq",
  "fptq-best",
  "rtn",
  "rtn-static",
  "smoothquant",
  "gptq",
  "awq",
  "zeroquant-fp",
  "fptquant",
  "fptquant-w4a4",
] as const;
export type RecipeName = (typeof RECIPE_NAMES)[number];

const RTN: Recipe = {
  name: "rtn",
  weights: "int4",
  activations: "int8",
  equalize: { kind: "none" },
  folds: [],
  transforms: [],
  localSteps: 0,
  policy: { kind: "uniform", activations: "dynamic" },
  overrides: [],
  round: { kind: "nearest" },
  groupSize: "auto",
  lorcRank: 0,
  distillSteps: 0,
  distillLoss: "kl",
  distillTrain: ["norms", "scales"],
  distillValidation: 0,
  scales: "f32",
  scaleConstraint: "none",
  embedding: "q8",
  kvCache: "q8",
};

const FPTQ: Recipe = {
  ...RTN,
  name: "fptq",
  equalize: { kind: "lae", alpha: 1 },
  policy: { kind: "range", ...PAPER_THRESHOLDS },
};

/** Steps of FPTQuant's local stage; AIMET's implementation has 200. */
const LOCAL_STEPS = 100;

const CAREFUL_GPTQ: Recipe["round"] = { ...GPTQ_DEFAULTS, search: "hessian", damping: 0.05, refine: 2, propagate: "quantized" };

const FPTQUANT: Recipe = {
  ...RTN,
  name: "fptquant",
  transforms: TRANSFORMS,
  localSteps: LOCAL_STEPS,
  policy: { kind: "uniform", activations: "static" },
  round: CAREFUL_GPTQ,
  groupSize: 32,
  scales: "bf16",
};

const WEIGHT_ONLY = { activations: "none", policy: { kind: "uniform", activations: "none" } } as const;

export const PRESETS: Readonly<Record<RecipeName, Recipe>> = {
  /** Algorithm 1 with its thresholds, equalization folded into norms. */
  fptq: FPTQ,
  /** The paper's Table 7: GPTQ's rounding in place of the nearest. */
  "fptq+gptq": { ...FPTQ, name: "fptq+gptq", round: GPTQ_DEFAULTS },
  /**
   * LAE wherever a norm can absorb it, GPTQ on what rounded layers give, refined; static wherever that
   * measurably costs next to nothing.
   */
  "fptq-best": {
    ...FPTQ,
    name: "fptq-best",
    folds: FOLDS,
    policy: { kind: "auto", tolerance: DEFAULT_TOLERANCE },
    round: CAREFUL_GPTQ,
    groupSize: 32,
    scales: "bf16",
  },
  /** Round to nearest, a scale per token everywhere: what W4A8 means in compressed-tensors. */
  rtn: RTN,
  /** Round to nearest, one calibrated scale per input everywhere: the baseline FPTQ improves on. */
  "rtn-static": { ...RTN, name: "rtn-static", policy: { kind: "uniform", activations: "static" } },
  /**
   * SmoothQuant's own W8A8, a scale per token (its O1); with int4 weights it is the W4A8 of FPTQ's Table 10.
   */
  smoothquant: {
    ...RTN,
    name: "smoothquant",
    weights: "int8",
    groupSize: "channel",
    equalize: { kind: "smoothquant", alpha: 0.5 },
  },
  /** GPTQ's own W4A16, groups with scales to the largest weight. */
  gptq: { ...RTN, ...WEIGHT_ONLY, name: "gptq", round: GPTQ_DEFAULTS, scales: "bf16" },
  /** AWQ's own W4A16: searched equalization, round to nearest. */
  awq: { ...RTN, ...WEIGHT_ONLY, name: "awq", equalize: { kind: "awq" }, scales: "bf16" },
  /**
   * ZeroQuant-FP: E2M1 weights by GPTQ in the largest groups there are (the paper's have 256), E4M3
   * activations with a scale per token.
   */
  "zeroquant-fp": { ...RTN, name: "zeroquant-fp", weights: "fp4", activations: "fp8", round: GPTQ_DEFAULTS, scales: "bf16" },
  /**
   * FPTQuant as reconstructed here (docs/fptquant.md): its transforms with a local stage, every input static.
   * Rounding is that of fptq-best, in place of training end to end.
   */
  fptquant: FPTQUANT,
  /** The same with codes of 4 bits for inputs and cache, static too (the paper's 4-4-4), in operands of 8. */
  "fptquant-w4a4": { ...FPTQUANT, name: "fptquant-w4a4", activations: "int4", kvCache: "q4" },
};
