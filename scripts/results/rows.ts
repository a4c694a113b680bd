/**
 * What `docs/results.md` compares, as data: a row is a recipe and what to evaluate of it; a section shows
 * some of the rows side by side.
 */
import type { RecipeOptions } from "../../src/quantizer/recipe/recipe-options.ts";
import type { TestSet } from "./test-sets.ts";

/**
 * "text": perplexity, and beside float32 its ratio, KL divergence and top-1 agreement; "lambada": the last
 * words; "hellaswag": multiple choice; "parts": its loss by part, in a section of its own;
 * "testSet": the row's test set, every item, beside float32.
 */
export type Evaluation = "text" | "lambada" | "hellaswag" | "parts" | "testSet";

/** What the model is calibrated on: the calibration text, or as many random tokens of seed 0. */
export type CalibrationKind = "text" | "random";

export interface Row {
  /** Key of its measurement. */
  readonly id: string;
  readonly label: string;
  /** A preset; undefined: the float model itself, or what is in `folder`. */
  readonly recipe?: string;
  /** A model that is there already: its path in the repository. */
  readonly folder?: string;
  /** What is changed in the preset. */
  readonly options?: RecipeOptions | undefined;
  /** Default "text". */
  readonly calibration?: CalibrationKind;
  readonly evaluate: readonly Evaluation[];
  readonly testSet?: TestSet;
  /** Whether the errors of each layer are kept, for the figure. */
  readonly layerErrors?: boolean;
}

export interface Section {
  readonly title: string;
  /** What is compared and why. Results belong into `docs/results.notes.md`. */
  readonly about: string;
  /** Ids of rows, in the order shown. */
  readonly rows: readonly string[];
}

const TEXT = ["text"] as const;
const TEXT_AND_WORDS = ["text", "lambada"] as const;
const ALL = ["text", "lambada", "hellaswag"] as const;

export const FLOAT_ROW = "float32";

const RECIPES: readonly Row[] = [
  { id: FLOAT_ROW, label: "float32", evaluate: ALL },
  { id: "rtn", label: "RTN, per token", recipe: "rtn", evaluate: ALL, layerErrors: true },
  { id: "fptq-best", label: "FPTQ best", recipe: "fptq-best", evaluate: ALL, layerErrors: true },
  {
    id: "embedded",
    label: "The model in this repository",
    folder: "models/smollm2-135m-instruct-w4a8",
    evaluate: ALL,
  },
  {
    id: "kept-static",
    label: "FPTQ, codes kept, static but for down",
    recipe: "fptq",
    options: { weights: "keep", scales: "bf16", v0: 0, v1: 30, ranges: "l3", kvCache: "q8t" },
    evaluate: TEXT,
  },
  { id: "fptq", label: "FPTQ", recipe: "fptq", evaluate: TEXT_AND_WORDS, layerErrors: true },
  { id: "fptq+gptq", label: "FPTQ + GPTQ", recipe: "fptq+gptq", evaluate: TEXT_AND_WORDS, layerErrors: true },
  { id: "rtn-static", label: "RTN, static", recipe: "rtn-static", evaluate: TEXT_AND_WORDS },
  { id: "smoothquant", label: "SmoothQuant W8A8, per token", recipe: "smoothquant", evaluate: TEXT_AND_WORDS },
  {
    id: "smoothquant-w4a8",
    label: "SmoothQuant W4A8, groups, per token",
    recipe: "smoothquant",
    options: { weights: "int4" },
    evaluate: TEXT_AND_WORDS,
  },
  {
    id: "gptq-w4a8",
    label: "GPTQ W4A8, per token",
    recipe: "gptq",
    options: { activations: "int8" },
    evaluate: TEXT_AND_WORDS,
  },
  { id: "awq-w4a8", label: "AWQ W4A8, per token", recipe: "awq", options: { activations: "int8" }, evaluate: TEXT_AND_WORDS },
  { id: "gptq", label: "GPTQ W4A16", recipe: "gptq", evaluate: TEXT_AND_WORDS },
  { id: "awq", label: "AWQ W4A16", recipe: "awq", evaluate: TEXT_AND_WORDS },
  { id: "zeroquant-fp", label: "ZeroQuant-FP", recipe: "zeroquant-fp", evaluate: TEXT_AND_WORDS },
  {
    id: "zeroquant-fp+lorc",
    label: "ZeroQuant-FP + LoRC",
    recipe: "zeroquant-fp",
    options: { lorcRank: 8 },
    evaluate: TEXT_AND_WORDS,
  },
  { id: "fptquant", label: "FPTQuant W4A8, reconstructed", recipe: "fptquant", evaluate: TEXT_AND_WORDS },
];

/** Codes of 4 bits under static scales for inputs and cache: what FPTQuant is made for. */
const W4A4: readonly Row[] = (
  [
    ["rtn", "RTN", "rtn-static", {}],
    ["smoothquant", "SmoothQuant", "smoothquant", { weights: "int4" }],
    ["gptq", "GPTQ", "gptq", {}],
    ["fptquant", "FPTQuant, reconstructed", "fptquant-w4a4", {}],
  ] as const
).map(([id, label, recipe, options]) => ({
  id: `${id}-w4a4`,
  label: `${label} W4A4, static, 4-bit cache`,
  recipe,
  options: id === "fptquant" ? undefined : { ...options, activations: "int4", kvCache: "q4" },
  evaluate: TEXT,
}));

/** What each part of ZeroQuant-FP is worth: its weights, its activations, and its constraints on scales. */
const ZEROQUANT_FP: readonly Row[] = (
  [
    ["int4", "int4 weights", { weights: "int4" }],
    ["int8", "int8 activations", { activations: "int8" }],
    ["e5m2", "E5M2 activations", { activations: "fp8-e5m2" }],
    ["m1", "scales powers of two (M1)", { scaleConstraint: "m1" }],
    ["m2", "scales of a row in powers of two (M2)", { scaleConstraint: "m2" }],
  ] as const satisfies [string, string, RecipeOptions][]
).map(([id, label, options]) => ({
  id: `zeroquant-fp-${id}`,
  label: `ZeroQuant-FP, ${label}`,
  recipe: "zeroquant-fp",
  options,
  evaluate: TEXT,
}));

/** FPTQ, Table 10: what SmoothQuant needs at W4A8 to get near FPTQ. */
const SMOOTHQUANT: readonly Row[] = [
  {
    id: "smoothquant-static",
    label: "SmoothQuant W8A8, static",
    recipe: "smoothquant",
    options: { policy: "static" },
    evaluate: TEXT_AND_WORDS,
  },
  {
    id: "smoothquant-w4a8-pts",
    label: "SmoothQuant W4A8, channels, static",
    recipe: "smoothquant",
    options: { weights: "int4", groupSize: "channel", policy: "static" },
    evaluate: TEXT_AND_WORDS,
  },
  {
    id: "smoothquant-w4a8-ptk",
    label: "SmoothQuant W4A8, channels, per token",
    recipe: "smoothquant",
    options: { weights: "int4", groupSize: "channel" },
    evaluate: TEXT_AND_WORDS,
  },
  {
    id: "smoothquant-w4a8-fg",
    label: "SmoothQuant W4A8, groups, static, down per token",
    recipe: "smoothquant",
    options: { weights: "int4", policy: "static", overrides: [{ pattern: "*.down", policy: "dynamic" }] },
    evaluate: TEXT_AND_WORDS,
  },
];

const thresholdRow = (v0: number, v1: number): Row => ({
  id: `fptq-v0-${v0}-v1-${v1}`,
  label: `FPTQ, v0 = ${v0}, v1 = ${v1}`,
  recipe: "fptq",
  options: { v0, v1 },
  evaluate: TEXT,
});

const THRESHOLDS: readonly Row[] = [
  thresholdRow(0, 150),
  thresholdRow(5, 150),
  thresholdRow(10, 150),
  thresholdRow(15, 15),
  thresholdRow(50, 150),
  thresholdRow(150, 150),
  { id: "fptq-auto", label: "FPTQ, policy auto", recipe: "fptq", options: { policy: "auto" }, evaluate: TEXT },
];

/**
 * With v0 = 0 every QKV and gate/up is equalized, so that alpha has the most to change; alpha = 1 is among
 * the thresholds.
 */
const ALPHAS: readonly Row[] = [0.5, 0.75, 1.25].map((alpha) => ({
  id: `fptq-alpha-${alpha}`,
  label: `FPTQ, v0 = 0, alpha = ${alpha}`,
  recipe: "fptq",
  options: { v0: 0, alpha },
  evaluate: TEXT,
}));

const GROUP_SIZES: readonly Row[] = ([32, 64, "channel"] as const).map((groupSize) => ({
  id: `fptq-group-${groupSize}`,
  label: groupSize === "channel" ? "FPTQ, a scale per channel" : `FPTQ, groups of ${groupSize}`,
  recipe: "fptq",
  options: { groupSize },
  evaluate: TEXT,
}));

/** FPTQ, Table 6. */
const CALIBRATIONS: readonly Row[] = [
  { id: "fptq-random", label: "FPTQ W4A8, random tokens", recipe: "fptq", calibration: "random", evaluate: TEXT_AND_WORDS },
  { id: "fptq-w8a8", label: "FPTQ W8A8, text", recipe: "fptq", options: { weights: "int8" }, evaluate: TEXT_AND_WORDS },
  {
    id: "fptq-w8a8-random",
    label: "FPTQ W8A8, random tokens",
    recipe: "fptq",
    options: { weights: "int8" },
    calibration: "random",
    evaluate: TEXT_AND_WORDS,
  },
];

const BY_PART: readonly Row[] = [
  {
    id: "embedded-parts",
    label: "Where the model in this repository loses",
    folder: "models/smollm2-135m-instruct-w4a8",
    evaluate: ["parts"],
  },
];

const TEST_SETS: readonly Row[] = (
  [
    ["openbookqa", "OpenBookQA", "openbookqa"],
    ["winogrande", "WinoGrande", "winogrande"],
    ["arc-challenge", "ARC-Challenge", "arcChallenge"],
    ["hellaswag", "HellaSwag, 400 items", "hellaswag"],
    ["lambada", "LAMBADA", "lambada"],
  ] as const
).map(([id, label, testSet]) => ({
  id: `embedded-${id}`,
  label,
  folder: "models/smollm2-135m-instruct-w4a8",
  evaluate: ["testSet"],
  testSet,
}));

/** In the order they are measured. */
export const ROWS: readonly Row[] = [
  ...RECIPES,
  ...BY_PART,
  ...TEST_SETS,
  ...ZEROQUANT_FP,
  ...W4A4,
  ...SMOOTHQUANT,
  ...THRESHOLDS,
  ...ALPHAS,
  ...GROUP_SIZES,
  ...CALIBRATIONS,
];

const ids = (rows: readonly Row[]) => rows.map(({ id }) => id);

/** The first is also drawn. */
export const SECTIONS: readonly Section[] = [
  {
    title: "Recipes",
    about: `Every recipe as its paper has it, and the W4A8 forms of those whose papers stop elsewhere. Embedding, head and KV cache are
int8 in all but the first row. The model in this repository is FPTQ with the codes of its source kept and a scale per token for every
input and for the cache; its folder says how.`,
    rows: ids(RECIPES),
  },
  {
    title: "ZeroQuant-FP, part by part",
    about: `Weights in FP4 as the paper has them, and in int4; activations in E4M3, in E5M2, and in int8, all with a scale per token; and weight scales held to powers of two in the
paper's two ways. 8-bit floats are simulated: rounded exactly, multiplied in float32.`,
    rows: ["zeroquant-fp", ...ids(ZEROQUANT_FP), "zeroquant-fp+lorc"],
  },
  {
    title: "Four bits everywhere",
    about: `Weights, inputs and KV cache in int4, all of the latter under static scales; simulated in kernels of 8 bits. Embedding and head
stay int8.`,
    rows: [FLOAT_ROW, ...ids(W4A4)],
  },
  {
    title: "SmoothQuant, step by step",
    about: `The FPTQ paper's Table 10: SmoothQuant with one static scale per input, with a scale per token, and with groups and a scale
per token only at the down projection, beside its own W8A8. \`channels\`: one weight scale per output channel; \`groups\`: one per
group of 64 or 128.`,
    rows: [
      FLOAT_ROW,
      "smoothquant-static",
      "smoothquant",
      "smoothquant-w4a8-pts",
      "smoothquant-w4a8-ptk",
      "smoothquant-w4a8-fg",
      "smoothquant-w4a8",
      "fptq",
    ],
  },
  {
    title: "Thresholds",
    about: `Up to v0 an input gets one static scale as it is; between v0 and v1 it is equalized first where a norm can absorb that; from
v1 on it gets a scale per token. The paper has 15 and 150. Policy \`auto\` measures instead what a static scale costs.`,
    rows: ["fptq", ...ids(THRESHOLDS), "rtn"],
  },
  {
    title: "Strength of the equalization",
    about: `alpha of LAE, s = absmax / log2(2 + absmax)^alpha, with v0 = 0 so that every QKV and gate/up is equalized. The paper has 1.`,
    rows: ["fptq-alpha-0.5", "fptq-alpha-0.75", "fptq-v0-0-v1-150", "fptq-alpha-1.25"],
  },
  {
    title: "Group size",
    about:
      "Weights that share a scale. FPTQ's row takes the largest of 128, 64 and 32 that divides: 64 for all but the down projection, which has 128.",
    rows: ["fptq-group-32", "fptq-group-64", "fptq", "fptq-group-channel"],
  },
  {
    title: "GPTQ after the equalization",
    about:
      "The FPTQ paper's Table 7, on this model: weights rounded to the nearest code, or by GPTQ, both behind LAE and under FPTQ's policy.",
    rows: ["fptq", "fptq+gptq"],
  },
  {
    title: "Calibration on text or on random tokens",
    about:
      "The FPTQ paper's Table 6, on this model: the same number of tokens, of the calibration text or drawn at random (seed 0).",
    rows: ["fptq-w8a8", "fptq-w8a8-random", "fptq", "fptq-random"],
  },
];

/** llama.cpp re-quantizing the same file: given to this project, not measured here. */
export const GIVEN = [
  { name: "llama.cpp Q4_0", pplRatio: 1.176 },
  { name: "llama.cpp Q4_K_M, 4.8 bits", pplRatio: 1.032 },
] as const;
