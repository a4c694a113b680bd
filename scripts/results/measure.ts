/**
 * Makes and measures the model of a row. What rows have in common is made once: the float model, its logits,
 * statistics of channels.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeModel, INPUT_NAMES } from "../../src/architecture/description.ts";
import { multipleChoice, parseChoiceItems } from "../../src/evaluation/choice.ts";
import { klDivergence } from "../../src/evaluation/kl-divergence.ts";
import { lambada, parseLambadaItems } from "../../src/evaluation/lambada.ts";
import { lossByPart } from "../../src/evaluation/loss-by-part.ts";
import { perplexity } from "../../src/evaluation/perplexity.ts";
import { RecordedPass } from "../../src/evaluation/recorded-pass.ts";
import { type Checkpoint, type LanguageModel, loadModel, type OnProgress, openCheckpoint } from "../../src/index.ts";
import { resolveThreads } from "../../src/model/load-options.ts";
import { withTimeLeft } from "../../src/progress.ts";
import type { ActivationStats } from "../../src/quantizer/calibrate/activation-stats.ts";
import { analyzeInputs } from "../../src/quantizer/decide/analyze-inputs.ts";
import { calibrate } from "../../src/quantizer/calibrate/calibrate.ts";
import {
  type CalibrationSamples,
  calibrationSamples,
  type DistillationSequences,
} from "../../src/quantizer/calibrate/calibration-source.ts";
import { quantizeModel, quantizeWithStats } from "../../src/quantizer/quantize-model.ts";
import { needsHessians, type Recipe } from "../../src/quantizer/recipe/recipe.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import type { LayerInputReport, QuantizationReport } from "../../src/quantizer/write/quantization-report.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { Work } from "../../src/host/work.ts";
import { createOutputFolder } from "../../src/host/node/output/node-output-folder.ts";
import { type PartFigures, partFigures } from "./parts.ts";
import {
  type ActivationFigures,
  type Environment,
  type LayerErrors,
  type QuantizationFigures,
  readReport,
  type RowResult,
  type TextFigures,
} from "./results-file.ts";
import type { CalibrationKind, Evaluation, Row } from "./rows.ts";
import type { Settings } from "./settings.ts";
import { measureTestSet, type TestSet } from "./test-sets.ts";

export interface MeasureOptions {
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
  readonly onWarning: (message: string) => void;
}

interface Calibrated extends CalibrationSamples {
  readonly stats: ActivationStats;
  readonly seconds: number;
}

/** The most tokens of a passage or question. */
const LONGEST_ITEM = 1024;

export class Measurement implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #options: MeasureOptions;
  #checkpoint: Promise<Checkpoint> | undefined;
  #float: Promise<{ model: LanguageModel; recorded: RecordedPass }> | undefined;
  readonly #calibrated = new Map<CalibrationKind, Promise<Calibrated>>();

  constructor(settings: Settings, { onProgress, ...options }: MeasureOptions) {
    this.#settings = settings;
    this.#options = { ...options, onProgress: withTimeLeft(onProgress) };
  }

  /** @throws whatever quantizing, loading or evaluating throws */
  async measure(row: Row): Promise<Pick<RowResult, "quantization" | Evaluation>> {
    if (row.folder !== undefined) return this.#measureFolder(row.folder, row);
    if (row.recipe === undefined) return this.#evaluate(row.evaluate, (await this.#floatModel()).model);
    const folder = mkdtempSync(join(tmpdir(), "fptq-results-"));
    try {
      const output = join(folder, "model");
      const report = await this.#quantize(resolveRecipe(row.recipe, row.options), row.calibration ?? "text", output);
      const figures = await this.#evaluateFolder(output, row);
      return { quantization: quantizationFigures(report, row.layerErrors ?? false), ...figures };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async #measureFolder(folder: string, row: Row) {
    const path = fileURLToPath(new URL(`../../${folder}`, import.meta.url));
    return {
      quantization: quantizationFigures(readReport(folder), row.layerErrors ?? false),
      ...(await this.#evaluateFolder(path, row)),
    };
  }

  async #evaluateFolder(path: string, { evaluate, testSet }: Row): Promise<Pick<RowResult, Evaluation>> {
    const parts = evaluate.includes("parts") ? { parts: await this.#lossByPart(path) } : {};
    const others = evaluate.filter((evaluation) => evaluation !== "parts");
    if (others.length === 0) return parts;
    await using model = await this.#load(path);
    const asked = testSet === undefined ? {} : { testSet: await this.#askTestSet(testSet, model) };
    return { ...parts, ...asked, ...(await this.#evaluate(others, model)) };
  }

  async #askTestSet(set: TestSet, model: LanguageModel) {
    const { model: base } = await this.#floatModel();
    return measureTestSet(set, this.#settings, { model, base }, this.#evaluationOptions);
  }

  async #lossByPart(path: string): Promise<PartFigures> {
    const { text, partChunks, contextSize } = this.#settings;
    const quantized = await openCheckpoint(path);
    try {
      const excerpt = { contextSize, chunks: partChunks };
      const base = await this.#openCheckpoint();
      return partFigures(await lossByPart(quantized, base, readFileSync(text, "utf8"), excerpt, this.#work));
    } finally {
      await quantized.close();
    }
  }

  /** Ranges before and after LAE as the preset `fptq` has it. */
  async activations(): Promise<Pick<ActivationFigures, "ranges" | "telling">> {
    const { stats } = await this.#calibrate("text");
    const { config } = await this.#openCheckpoint();
    const analysis = analyzeInputs(describeModel(config), stats, resolveRecipe("fptq").equalize);
    const evened = analysis.filter(({ factors }) => factors !== undefined);
    const gain = ({ range, equalizedRange }: (typeof evened)[number]) => range / equalizedRange;
    const telling = evened.reduce((best, input) => (gain(input) > gain(best) ? input : best));
    const { name, channelAbsmax, factors } = telling;
    return {
      ranges: analysis.map(({ layer, input, range, equalizedRange }) => ({
        layer,
        input,
        range: rounded(range),
        equalizedRange: rounded(equalizedRange),
      })),
      telling: {
        name,
        before: Array.from(channelAbsmax, rounded),
        after: Array.from(channelAbsmax, (value, channel) => rounded(value / factors![channel]!)),
      },
    };
  }

  /** Where this runs. */
  async environment(): Promise<Environment> {
    const { model } = await this.#floatModel();
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
    return {
      date: new Date().toISOString().slice(0, 10),
      cpu: cpus()[0]?.model ?? "unknown",
      threads: resolveThreads(this.#settings, nodeHost),
      runtime: `${nodeHost.name} ${nodeHost.version}`,
      build: model.forwardPass.build,
      version,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#float?.catch(() => undefined))?.model.dispose();
    await (await this.#checkpoint?.catch(() => undefined))?.close();
  }

  /** Statistics already collected are used again; their seconds count for every row that does. */
  async #quantize(recipe: Recipe, kind: CalibrationKind, path: string): Promise<QuantizationReport> {
    const checkpoint = await this.#openCheckpoint();
    const output = await createOutputFolder(path);
    if (needsHessians(recipe) || recipe.distillSteps > 0) {
      return quantizeModel(checkpoint, await this.#samples(kind, recipe), recipe, output, this.#work);
    }
    const { stats, source, seconds } = await this.#calibrate(kind);
    const report = await quantizeWithStats(checkpoint, { stats, source }, recipe, output, this.#work);
    return { ...report, seconds: report.seconds + seconds, stages: { calibrate: seconds, ...report.stages } };
  }

  get #work(): Work {
    return { ...this.#options, host: nodeHost, threads: this.#settings.threads };
  }

  #calibrate(kind: CalibrationKind): Promise<Calibrated> {
    const calibrating = async () => {
      const found = await this.#samples(kind);
      const began = performance.now();
      const stats = await calibrate(await this.#openCheckpoint(), found.samples, this.#work);
      return { ...found, stats, seconds: (performance.now() - began) / 1000 };
    };
    return made(this.#calibrated, kind, calibrating);
  }

  /** @param distillation what is wanted behind the samples of the calibration */
  async #samples(kind: CalibrationKind, distillation?: DistillationSequences): Promise<CalibrationSamples> {
    const { calibration: path, samples, contextSize } = this.#settings;
    const calibration =
      kind === "random"
        ? ({ kind, seed: 0 } as const)
        : ({ kind, text: readFileSync(path, "utf8"), name: basename(path) } as const);
    return calibrationSamples(await this.#openCheckpoint(), { calibration, samples, contextSize }, distillation);
  }

  get #evaluationOptions(): Pick<MeasureOptions, "signal" | "onProgress"> {
    const { signal, onProgress } = this.#options;
    return { signal, onProgress };
  }

  async #evaluate(evaluations: readonly Evaluation[], model: LanguageModel): Promise<Pick<RowResult, Evaluation>> {
    const { lambada: lambadaPath, hellaswag: hellaswagPath, lambadaItems, hellaswagItems } = this.#settings;
    const figures: { -readonly [E in Evaluation]?: RowResult[E] } = {};
    if (evaluations.includes("text")) figures.text = await this.#evaluateText(model);
    if (evaluations.includes("lambada")) {
      const items = parseLambadaItems(readFileSync(lambadaPath, "utf8"), basename(lambadaPath));
      figures.lambada = await lambada(model, items, { ...this.#evaluationOptions, limit: lambadaItems });
    }
    if (evaluations.includes("hellaswag")) {
      const questions = parseChoiceItems(readFileSync(hellaswagPath, "utf8"), basename(hellaswagPath));
      const { items, accuracy, normalizedAccuracy } = await multipleChoice(model, questions, {
        ...this.#evaluationOptions,
        limit: hellaswagItems,
      });
      figures.hellaswag = { items, accuracy, normalizedAccuracy };
    }
    return figures;
  }

  async #evaluateText(model: LanguageModel): Promise<TextFigures> {
    const { text: path, chunks, contextSize } = this.#settings;
    const { model: float, recorded } = await this.#floatModel();
    const { tokenizer } = float;
    const ids = tokenizer.encode(readFileSync(path, "utf8"), { addSpecialTokens: false, parseSpecial: false });
    const options = { ...this.#evaluationOptions, chunks, contextSize, bosTokenId: tokenizer.addedBosTokenId };
    if (model === float) {
      const { secondHalf } = await perplexity(model.forwardPass, ids, options);
      return { scored: secondHalf.scored, ppl: { value: secondHalf.ppl, standardError: secondHalf.standardError } };
    }
    const { scored, ppl, pplRatio, kld, sameTop } = await klDivergence(recorded, model.forwardPass, ids, options);
    return { scored, ppl, divergence: { pplRatio, kld: kld.mean, kldMedian: kld.median, sameTop } };
  }

  #openCheckpoint(): Promise<Checkpoint> {
    return (this.#checkpoint ??= openCheckpoint(this.#settings.model));
  }

  #floatModel(): Promise<{ model: LanguageModel; recorded: RecordedPass }> {
    const loading = async () => {
      const model = await this.#load(this.#settings.model);
      return { model, recorded: new RecordedPass(model.forwardPass) };
    };
    return (this.#float ??= loading());
  }

  async #load(path: string): Promise<LanguageModel> {
    const { threads, contextSize } = this.#settings;
    const checkpoint = await this.#openCheckpoint();
    const fits = Math.min(checkpoint.config.contextLength, Math.max(contextSize, LONGEST_ITEM));
    return loadModel(path, { ...this.#options, threads, contextSize: fits, weights: "f32" });
  }
}

function made<K, V>(values: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  const value = values.get(key) ?? make();
  values.set(key, value);
  return value;
}

function quantizationFigures(report: QuantizationReport, layerErrors: boolean): QuantizationFigures {
  const { seconds, stages, bits_per_weight: bitsPerWeight, static_share: staticShare, bytes, layers } = report;
  const figures = { seconds, stages, bitsPerWeight, staticShare, bytes };
  return layerErrors ? { ...figures, layerErrors: errorsByInput(layers) } : figures;
}

function errorsByInput(layers: readonly LayerInputReport[]): LayerErrors {
  const of = (input: string) => layers.filter(({ name }) => name.endsWith(`.${input}`));
  return Object.fromEntries(
    INPUT_NAMES.map((input) => [
      input,
      {
        weight: of(input).map(({ weight_nmse }) => rounded(weight_nmse)),
        output: of(input).map(({ output_nmse }) => output_nmse && rounded(output_nmse)),
      },
    ]),
  ) as unknown as LayerErrors;
}

/** Four digits are more than a figure shows. */
const rounded = (value: number) => Number(value.toPrecision(4));
