/** What was measured, and the figures made of it. */
export interface Measurements {
  readonly date: string;
  readonly machine: {
    readonly cpu: string;
    readonly threads: number;
    readonly memory: number;
    /** Those that decide how fast a dot product of bytes is; none where the system does not say. */
    readonly instructionSets: readonly string[];
  };
  /** File name of the GGUF that all files were made of. */
  readonly model: string;
  readonly quick: boolean;
  readonly repetitions: number;
  readonly browser: string;
  readonly tests: readonly TestDescription[];
  readonly layer: { readonly name: string; readonly N: number; readonly K: number; readonly G: number; readonly M: number };
  readonly layerTests: readonly TestDescription[];
  readonly models: Result[];
  readonly layers: Result[];
  minutes: number;
}

export interface TestDescription {
  readonly name: string;
  /** Tokens, or rows of a layer, in one repetition. */
  readonly tokens: number;
}

/** One engine with one number of threads. */
export interface Result {
  readonly name: string;
  readonly threads: number;
  readonly version: string;
  readonly details: string;
  readonly samplesMs: Readonly<Record<string, readonly number[]>>;
  /** Why there are no, or no further, samples; empty if nothing failed. */
  readonly failure: string;
}

export interface Rate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Tokens per second of a test: median, lowest and highest. */
export function rateOf({ samplesMs }: Result, { name, tokens }: TestDescription): Rate | undefined {
  const rates = (samplesMs[name] ?? []).map((ms) => (1000 * tokens) / ms).toSorted((a, b) => a - b);
  if (rates.length === 0) return undefined;
  const middle = rates.length >> 1;
  const median = rates.length % 2 === 1 ? rates[middle]! : (rates[middle - 1]! + rates[middle]!) / 2;
  return { median, low: rates[0]!, high: rates.at(-1)! };
}

/** Three digits, without an exponent. */
export const significant = (value: number) => `${Number(value.toPrecision(value >= 1000 ? 4 : 3))}`;
