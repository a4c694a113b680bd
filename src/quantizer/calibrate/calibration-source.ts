/**
 * Which tokens a model is calibrated on: a text, or random tokens where there is none (FPTQ's data-free mode,
 * Table 6).
 */
import { longestContext } from "../../architecture/rope-scaling.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { OptionError, RecipeError, UnsupportedModelError } from "../../errors.ts";
import { need } from "../../need.ts";
import { type OptionKeys, optionKeys } from "../../option-keys.ts";
import { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { samplesFromRandomTokens, samplesFromText, textFromJsonLines } from "./calibration-data.ts";

/** What a model is calibrated on: a text, token ids, or random tokens. */
export type CalibrationSource =
  /**
   * `name` is for messages and the report; a name that ends in `.jsonl` means one object with a `text` per
   * line.
   */
  { readonly kind: "text"; readonly text: string; readonly name: string } | { readonly kind: "random"; readonly seed: number };

export interface CalibrationOptions {
  /** Random tokens with seed 0 by default. */
  readonly calibration?: CalibrationSource | undefined;
  /** Sequences to run. Default 32. */
  readonly samples?: number | undefined;
  /** Tokens in each sequence. Default 512, or the model's context if that is shorter. */
  readonly contextSize?: number | undefined;
}

export const CALIBRATION_OPTIONS: OptionKeys = optionKeys<CalibrationOptions>({ calibration: 0, samples: 0, contextSize: 0 });

export interface CalibrationSamples {
  readonly samples: readonly Int32Array[];
  /** Sequences behind those in the same text, as many as were asked for or as there are. */
  readonly distillationSamples: readonly Int32Array[];
  /**
   * Some of those, evenly apart, so that a text of several kinds has them all among them; not distilled on.
   */
  readonly validationSamples: readonly Int32Array[];
  /** For the report. */
  readonly source: string;
}

/** Times that a sequence is distilled on at most: beyond that a model learns its text by heart. */
const MOST_REPEATS = 8;

/** What a recipe wants behind the samples of the calibration. */
export interface DistillationSequences {
  readonly distillSteps: number;
  readonly distillValidation: number;
}

const NONE: DistillationSequences = { distillSteps: 0, distillValidation: 0 };

/**
 * @throws RecipeError if the text is empty or too short, naming the tokens or sequences found and needed;
 *   OptionError for counts outside their domain; UnsupportedModelError if the checkpoint has no tokenizer
 */
export function calibrationSamples(
  checkpoint: Checkpoint,
  options: CalibrationOptions,
  distillation: DistillationSequences = NONE,
): CalibrationSamples {
  const extraSamples = distillation.distillSteps + distillation.distillValidation;
  const { vocabSize, contextLength } = checkpoint.config;
  const samples = positive("samples", options.samples ?? 32, 65_536);
  const ctxSize = positive("contextSize", options.contextSize ?? Math.min(512, contextLength), longestContext(checkpoint.config));
  const calibration = options.calibration ?? { kind: "random", seed: 0 };
  need.oneOf("calibration.kind", calibration.kind, ["text", "random"]);
  const tokenizer = checkpoint.tokenizer && new Tokenizer(checkpoint.tokenizer, checkpoint.name);
  if (calibration.kind === "random") {
    const { seed } = calibration;
    const exclude = tokenizer?.specialIds ?? new Set<number>();
    const drawn = samplesFromRandomTokens({ vocabSize, exclude, seed, samples: samples + extraSamples, ctxSize });
    return { ...divide(drawn, samples, distillation), source: `random tokens, seed ${seed}` };
  }
  if (!tokenizer) throw new UnsupportedModelError(`${checkpoint.name}: has no tokenizer to read calibration text with`);
  const { name } = calibration;
  const encode = (piece: string) => tokenizer.encode(piece, { addSpecialTokens: false, parseSpecial: false });
  const text = name.endsWith(".jsonl") ? textFromJsonLines(calibration.text, name) : calibration.text;
  const bosTokenId = tokenizer.addedBosTokenId;
  const found = samplesFromText(text, { name, encode, bosTokenId, samples, ctxSize, extraSamples });
  checkEnough(found.length - samples, distillation, name);
  return { ...divide(found, samples, distillation), source: name };
}

/** @throws RecipeError if a text has too little behind the calibration's samples */
function checkEnough(found: number, { distillSteps, distillValidation }: DistillationSequences, name: string): void {
  if (distillSteps === 0) return;
  const needed = distillValidation + Math.ceil(distillSteps / MOST_REPEATS);
  if (found >= needed) return;
  throw new RecipeError(
    `calibration text ${name}: got ${found} sequences behind those calibrated on, need ${needed} for ${distillSteps} steps of distillation (each at most ${MOST_REPEATS} times) and ${distillValidation} held out: fewer samples, fewer steps or more text`,
  );
}

function divide(
  all: readonly Int32Array[],
  samples: number,
  { distillValidation }: DistillationSequences,
): Pick<CalibrationSamples, "samples" | "distillationSamples" | "validationSamples"> {
  const behind = all.slice(samples);
  const isHeld = (i: number) =>
    Math.floor(((i + 1) * distillValidation) / behind.length) > Math.floor((i * distillValidation) / behind.length);
  return {
    samples: all.slice(0, samples),
    distillationSamples: behind.filter((_, i) => !isHeld(i)),
    validationSamples: behind.filter((_, i) => isHeld(i)),
  };
}

function positive(option: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new OptionError(`${option}: got ${value}, need a whole number from 1 to ${most}`);
}
