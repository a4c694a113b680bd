/**
 * A run of training as far as it has come: step, losses, the moments of the optimizer, the best parameters so
 * far. Kept now and then, so that an interrupted run goes on from there and ends with the bits of one that
 * was never interrupted. Nothing in it is drawn at random, so there is no other state.
 *
 * bytes   u32 length of the header | header, JSON | f32 arrays: for each parameter its values and both
 * moments,
 *           then for each its best values, if there are any; little-endian
 */
import type { UnfinishedWork } from "../checkpoint/byte-source.ts";
import { throwIfAborted } from "../errors.ts";
import type { Work } from "../host/work.ts";
import type { AdamState } from "./adam.ts";
import type { Parameters } from "./parameters.ts";

/** Where a run is kept. Its place is to depend on all that the run's result depends on. */
export type RunStore = UnfinishedWork;

/** A look at the validation samples. */
export interface ValidationLoss {
  /** Steps behind it. */
  readonly step: number;
  readonly loss: number;
}

export interface RunState {
  /** Loss of each step's sample before that step. */
  readonly losses: readonly number[];
  readonly validation: readonly ValidationLoss[];
}

interface Header extends RunState {
  readonly format: typeof FORMAT;
  readonly sizes: readonly number[];
  readonly left: readonly (readonly [left1: number, left2: number])[];
  /** The step of the best values, which follow; null if none do. */
  readonly best: number | null;
}

/** To be changed with what a run computes or what is kept of it. */
const FORMAT = "fptq training run 1";

export class TrainingRun {
  readonly #parameters: Parameters;
  readonly #store: RunStore | undefined;
  #losses: number[] = [];
  #validation: ValidationLoss[] = [];
  #best: { readonly step: number; readonly values: readonly Float32Array[] } | undefined;

  private constructor(parameters: Parameters, store: RunStore | undefined) {
    this.#parameters = parameters;
    this.#store = store;
  }

  /**
   * A run from where it was left, its parameters put into the model; from the beginning if nothing was kept.
   */
  static async open(parameters: Parameters, store: RunStore | undefined, work: Work): Promise<TrainingRun> {
    const run = new TrainingRun(parameters, store);
    const kept = await store?.read();
    throwIfAborted(work.signal, "distillation");
    if (!kept) return run;
    // What cannot be used costs time, nothing else.
    if (run.#restore(kept)) work.onWarning?.(`distillation: goes on behind step ${run.step}, kept in ${store!.name}`);
    else work.onWarning?.(`distillation: ${store!.name}: got another version's or damaged, starts from the beginning`);
    return run;
  }

  get step(): number {
    return this.#losses.length;
  }

  get losses(): readonly number[] {
    return this.#losses;
  }

  get validation(): readonly ValidationLoss[] {
    return this.#validation;
  }

  get best(): { readonly step: number; readonly values: readonly Float32Array[] } | undefined {
    return this.#best;
  }

  stepped(loss: number): void {
    this.#losses.push(loss);
  }

  /** Keeps the parameters in memory if this is the lowest loss so far. */
  validated(loss: number): void {
    if (this.#validation.every((earlier) => loss < earlier.loss)) {
      this.#best = { step: this.step, values: this.#parameters.values() };
    }
    this.#validation.push({ step: this.step, loss });
  }

  async save(): Promise<void> {
    if (!this.#store) return;
    const all = this.#parameters.all;
    const states = all.map(({ adam }) => adam.state());
    const header: Header = {
      format: FORMAT,
      losses: this.#losses,
      validation: this.#validation,
      sizes: all.map(({ values }) => values.length),
      left: states.map(({ left1, left2 }) => [left1, left2]),
      best: this.#best?.step ?? null,
    };
    const arrays = all.flatMap(({ values }, i) => [values, states[i]!.mean, states[i]!.square]);
    await this.#store.write(encode(header, [...arrays, ...(this.#best?.values ?? [])]));
  }

  /** @returns false if the bytes are not such a run's */
  #restore(bytes: Uint8Array): boolean {
    const all = this.#parameters.all;
    const sizes = all.map(({ values }) => values.length);
    const decoded = decode(bytes, sizes);
    if (!decoded) return false;
    const { header, arrays } = decoded;
    this.#parameters.restore(all.map((_, i) => arrays[3 * i]!));
    for (const [i, { adam }] of all.entries()) {
      const [left1, left2] = header.left[i]!;
      adam.restore({ mean: arrays[3 * i + 1]!, square: arrays[3 * i + 2]!, left1, left2 } satisfies AdamState);
    }
    this.#losses = [...header.losses];
    this.#validation = [...header.validation];
    if (header.best !== null) this.#best = { step: header.best, values: arrays.slice(3 * all.length) };
    return true;
  }
}

function encode(header: Header, arrays: readonly Float32Array[]): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(4 + json.length + 4 * arrays.reduce((sum, { length }) => sum + length, 0));
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 4);
  let at = 4 + json.length;
  for (const array of arrays) {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at += array.byteLength;
  }
  return bytes;
}

function decode(bytes: Uint8Array, sizes: readonly number[]): { header: Header; arrays: Float32Array[] } | undefined {
  if (bytes.length < 4) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (length > bytes.length - 4) return undefined;
  let header: Header;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))) as Header;
  } catch {
    return undefined;
  }
  if (header.format !== FORMAT || JSON.stringify(header.sizes) !== JSON.stringify(sizes)) return undefined;
  const lengths = [...sizes.flatMap((size) => [size, size, size]), ...(header.best === null ? [] : sizes)];
  const total = lengths.reduce((sum, size) => sum + size, 0);
  if (bytes.length !== 4 + length + 4 * total) return undefined;
  // A copy of its own: words have to begin at a multiple of four bytes.
  const words = new Float32Array(total);
  new Uint8Array(words.buffer).set(bytes.subarray(4 + length));
  let at = 0;
  return { header, arrays: lengths.map((size) => words.slice(at, (at += size))) };
}
