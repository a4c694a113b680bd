/**
 * `docs/results.json`: every measurement with what it was made with, so that only what is missing or has
 * changed is measured again.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { InputName } from "../../src/architecture/description.ts";
import type { Uncertain } from "../../src/evaluation/statistics.ts";
import { REPORT_FILE } from "../../src/quantizer/write/model-files.ts";
import type { Recipe } from "../../src/quantizer/recipe/recipe.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import type { QuantizationReport } from "../../src/quantizer/write/quantization-report.ts";
import type { PartFigures } from "./parts.ts";
import type { CalibrationKind, Evaluation, Row } from "./rows.ts";
import type { Settings } from "./settings.ts";
import type { TestSetFigures } from "./test-sets.ts";

/** Everything a measurement depends on, but the code and the machine. */
export interface MadeWith {
  /**
   * With the preset's own choices, so that a preset that changes makes its rows stale; null for the float
   * model.
   */
  readonly recipe: Recipe | null;
  readonly calibration: CalibrationKind | null;
  readonly evaluate: readonly Evaluation[];
  readonly layerErrors: boolean;
  readonly data: DataDescription;
}

/** Names of files, without folders, and how much of each was used; only what the row looks at. */
export type DataDescription = Readonly<Partial<Record<Exclude<keyof Settings, "threads">, string | number>>>;

export interface Environment {
  readonly date: string;
  readonly cpu: string;
  readonly threads: number;
  /** `node 20.20.2` */
  readonly runtime: string;
  /** Instruction set of the kernels. */
  readonly build: string;
  /** The version of this package. */
  readonly version: string;
}

export interface RowResult {
  readonly madeWith: MadeWith;
  readonly environment: Environment;
  readonly quantization?: QuantizationFigures;
  readonly text?: TextFigures;
  readonly lambada?: { readonly items: number; readonly accuracy: Uncertain; readonly targetPerplexity: Uncertain };
  readonly hellaswag?: { readonly items: number; readonly accuracy: Uncertain; readonly normalizedAccuracy: Uncertain };
  readonly parts?: PartFigures;
  readonly testSet?: TestSetFigures;
  /** The time the whole row took. */
  readonly seconds: number;
  /** Why there are no figures. Such a row is measured again. */
  readonly failure?: string;
}

export interface QuantizationFigures {
  /** With calibration, also where several rows shared one. */
  readonly seconds: number;
  readonly stages: Readonly<Record<string, number>>;
  readonly bitsPerWeight: number;
  /** null where activations stay float. */
  readonly staticShare: number | null;
  readonly bytes: number;
  readonly layerErrors?: LayerErrors;
}

/** NMSE by layer: of weights, and at the output, null where it was not measured. */
export type LayerErrors = Readonly<Record<InputName, { readonly weight: number[]; readonly output: (number | null)[] }>>;

/** Over the second halves of the chunks, llama-perplexity's rule. */
export interface TextFigures {
  /** Targets scored. */
  readonly scored: number;
  readonly ppl: Uncertain;
  /** Beside float32; absent for float32 itself. */
  readonly divergence?: {
    readonly pplRatio: Uncertain;
    readonly kld: Uncertain;
    readonly kldMedian: number;
    readonly sameTop: Uncertain;
  };
}

/** Ranges of the float model's activations over the calibration text, and of LAE's. */
export interface ActivationFigures {
  readonly madeWith: MadeWith;
  readonly environment: Environment;
  readonly ranges: readonly {
    readonly layer: number;
    readonly input: InputName;
    readonly range: number;
    readonly equalizedRange: number;
  }[];
  /** The input that equalizing changes most: max|x| of each channel before and after. */
  readonly telling: { readonly name: string; readonly before: readonly number[]; readonly after: readonly number[] };
}

export interface Results {
  readonly rows: Record<string, RowResult>;
  activations?: ActivationFigures;
}

/** @throws RecipeError if the row's recipe or options are unknown */
export function madeWith(row: Omit<Row, "id" | "label">, settings: Settings): MadeWith {
  const { recipe, folder, options, calibration = "text", evaluate, layerErrors = false } = row;
  const own = folder === undefined ? null : readReport(folder).recipe;
  return {
    recipe: recipe === undefined ? own : resolveRecipe(recipe, options),
    calibration: recipe === undefined ? null : calibration,
    evaluate,
    layerErrors,
    data: dataOf(row, settings),
  };
}

/** What a model in the repository says of itself. */
export function readReport(folder: string): QuantizationReport {
  const path = new URL(`../../${folder}/${REPORT_FILE}`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8")) as QuantizationReport;
}

function dataOf(
  { recipe, calibration = "text", evaluate, testSet }: Omit<Row, "id" | "label">,
  settings: Settings,
): DataDescription {
  const { model, contextSize, chunks, partChunks, samples, lambadaItems, hellaswagItems } = settings;
  return {
    model: basename(model),
    contextSize,
    ...(recipe !== undefined && { samples }),
    ...(recipe !== undefined && calibration === "text" && { calibration: basename(settings.calibration) }),
    ...(evaluate.includes("text") && { text: basename(settings.text), chunks }),
    ...(evaluate.includes("parts") && { text: basename(settings.text), partChunks }),
    ...(evaluate.includes("lambada") && { lambada: basename(settings.lambada), lambadaItems }),
    ...(evaluate.includes("hellaswag") && { hellaswag: basename(settings.hellaswag), hellaswagItems }),
    ...(testSet !== undefined && { [testSet]: basename(settings[testSet]) }),
  };
}

/** Whether a measurement is there, succeeded, and was made with the same. */
export function isCurrent(
  result: { readonly madeWith: MadeWith; readonly failure?: string } | undefined,
  wanted: MadeWith,
): boolean {
  return result !== undefined && result.failure === undefined && isDeepStrictEqual(whole(result.madeWith), whole(wanted));
}

/**
 * As JSON keeps it: without what is undefined. An option that came after a measurement was as `rtn` has it,
 * where every stage that can be left out is.
 */
function whole(made: MadeWith): unknown {
  const { recipe } = made;
  return JSON.parse(JSON.stringify({ ...made, recipe: recipe && { ...resolveRecipe("rtn"), ...recipe } }));
}

export function readResults(path: string): Results {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Results) : { rows: {} };
}

/** Written beside its place and renamed: an interruption leaves the old file whole. */
export function writeResults(path: string, results: Results): void {
  const text = JSON.stringify(results, undefined, 1)
    // Lists of numbers would otherwise take a line for each.
    .replaceAll(
      /\[\s+((?:-?[\d.e+-]+|null)(?:,\s+(?:-?[\d.e+-]+|null))*)\s+\]/g,
      (_, list: string) => `[${list.replaceAll(/\s+/g, " ")}]`,
    );
  writeFileSync(`${path}.partial`, `${text}\n`);
  renameSync(`${path}.partial`, path);
}
