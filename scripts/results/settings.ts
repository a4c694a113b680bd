/** Which model and texts the results are of, and how much of them. */
import { fileURLToPath } from "node:url";

export interface Settings {
  /** Paths. */
  readonly model: string;
  readonly text: string;
  readonly calibration: string;
  readonly lambada: string;
  readonly hellaswag: string;
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

const shared = (relative: string) => fileURLToPath(new URL(`../../../shared/${relative}`, import.meta.url));

export const DEFAULT_SETTINGS: Settings = {
  model: shared("models/SmolLM2-135M-Instruct.Q4_1.gguf"),
  text: shared("data/wiki.test.txt"),
  calibration: shared("data/wiki.valid.txt"),
  lambada: shared("data/lambada_test.jsonl"),
  hellaswag: shared("data/hellaswag_val_400.jsonl"),
  contextSize: 512,
  chunks: 16,
  partChunks: 4,
  samples: 32,
  lambadaItems: 500,
  hellaswagItems: 400,
};
