/** Which model and texts the results are of, and how much of them. */
import { existsSync } from "node:fs";
import { findData } from "../data/data-folder.ts";

export interface Settings {
  /** Paths. */
  readonly model: string;
  readonly text: string;
  readonly calibration: string;
  readonly lambada: string;
  readonly hellaswag: string;
  readonly arcChallenge: string;
  readonly winogrande: string;
  readonly openbookqa: string;
  /** Tokens of a chunk and of a calibration sequence. */
  readonly contextSize: number;
  /** Chunks of the text that are scored. */
  readonly chunks: number;
  /** Chunks of it over which a model's loss is split by part. */
  readonly partChunks: number;
  /** Sequences calibrated on. */
  readonly samples: number;
  /** The first so many. */
  readonly lambadaItems: number;
  readonly hellaswagItems: number;
  readonly threads?: number | undefined;
}

/** The settings that are files. */
export const FILES = [
  "model",
  "text",
  "calibration",
  "lambada",
  "hellaswag",
  "arcChallenge",
  "winogrande",
  "openbookqa",
] as const;

/** What `docs/results.json` is of. Files are names, to be found in a folder of data. */
export const DEFAULT_SETTINGS: Settings = {
  model: "SmolLM2-135M-Instruct.Q4_1.gguf",
  text: "wiki.test.txt",
  calibration: "wiki.valid.txt",
  lambada: "lambada_test.jsonl",
  hellaswag: "hellaswag_val_400.jsonl",
  arcChallenge: "arc_challenge_test.jsonl",
  winogrande: "winogrande_dev.jsonl",
  openbookqa: "openbookqa_test.jsonl",
  contextSize: 512,
  chunks: 16,
  partChunks: 4,
  samples: 32,
  lambadaItems: 500,
  hellaswagItems: 400,
};

/** Files by their path: as it was given, or where the folder of data has it; else the name alone. */
export function withPaths(settings: Settings, folder: string): Settings {
  const pathOf = (file: string) => (existsSync(file) ? file : (findData(folder, file) ?? file));
  return { ...settings, ...Object.fromEntries(FILES.map((name) => [name, pathOf(settings[name])])) };
}
