/** One step of long work. Callers derive percent and time left from `done` and `total`. */
export interface Progress {
  /** What is going on, for a person: "load", "calibrate", "quantize", "write", "perplexity". */
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly unit: "bytes" | "tokens" | "layers" | "tensors" | "chunks" | "items";
}

export type OnProgress = (progress: Progress) => void;
