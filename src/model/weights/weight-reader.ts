/**
 * Reads tensors in the order of the file, whatever the order in which they are asked for and the memory they
 * go to: a file that comes over the network then comes once, from its start to its end, and a disk is read
 * the way it reads best.
 */
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import type { KeptRows } from "../../checkpoint/quantization/kept-form.ts";
import { throwIfAborted } from "../../errors.ts";

/** Reads that are under way before the first of them is placed: the disk works while rows are packed. */
const READS_AHEAD = 4;

/** A part of loading: reads, and gives what puts into place what was read. */
interface Step {
  readonly tensor: string;
  readonly read: () => Promise<() => void>;
}

/** What a module's weights are in the file. */
interface ModuleTensors {
  readonly first: string;
  readonly file: string;
  readonly bytes: number;
}

export class WeightReader {
  readonly checkpoint: Checkpoint;
  readonly #modules: ReadonlyMap<string, ModuleTensors>;
  readonly #signal: AbortSignal | undefined;
  readonly #onBytes: (bytes: number) => void;
  readonly #steps: Step[] = [];

  /** @param onBytes told how many stored bytes each read consumed */
  constructor(checkpoint: Checkpoint, signal: AbortSignal | undefined, onBytes: (bytes: number) => void) {
    this.checkpoint = checkpoint;
    this.#modules = moduleTensors(checkpoint);
    this.#signal = signal;
    this.#onBytes = onBytes;
  }

  /**
   * Asks for what `read` reads.
   * @param tensor where in the file it stands
   */
  ask<T>(tensor: string, read: () => Promise<T>, place: (values: T) => void): void {
    const step = async () => {
      const values = await read();
      return () => place(values);
    };
    this.#steps.push({ tensor, read: step });
  }

  /** Reads everything asked for. @throws CheckpointError, UnsupportedModelError, AbortError */
  async run(): Promise<void> {
    const positions = new Map([...this.checkpoint.tensors.keys()].map((tensor, position) => [tensor, position]));
    const position = ({ tensor }: Step) => positions.get(tensor) ?? 0; // absent ones are reported when they are read
    const steps = this.#steps.splice(0).toSorted((a, b) => position(a) - position(b));
    const reading: Promise<() => void>[] = [];
    const readNext = (step: Step | undefined) => {
      const read = step?.read();
      read?.catch(() => {}); // thrown when its turn comes
      if (read) reading.push(read);
    };
    for (let i = 0; i < READS_AHEAD; i++) readNext(steps[i]);
    try {
      for (let i = 0; i < steps.length; i++) {
        const place = await reading.shift()!;
        readNext(steps[i + READS_AHEAD]);
        place();
      }
    } finally {
      await Promise.allSettled(reading); // nobody may close a file that is being read
    }
  }

  /** Rows of a module that is stored quantized. */
  async readKept(name: string, outFeatures: number, rows: readonly [number, number]): Promise<KeptRows> {
    throwIfAborted(this.#signal, `loading ${name}`);
    const kept = await this.checkpoint.readKept(name, { rows, signal: this.#signal });
    this.#onBytes((this.module(name).bytes * kept.rows) / outFeatures);
    return kept;
  }

  /** A tensor of floats, or rows of it. */
  async readF32(tensor: string, rows?: readonly [number, number]): Promise<Float32Array> {
    throwIfAborted(this.#signal, `loading ${tensor}`);
    const values = await this.checkpoint.readF32(tensor, { rows, signal: this.#signal });
    const info = this.checkpoint.tensors.get(tensor)!;
    this.#onBytes(rows ? (info.bytes * (rows[1] - rows[0])) / info.shape[0]! : info.bytes);
    return values;
  }

  /** The tensors of a module. */
  module(name: string): ModuleTensors {
    return this.#modules.get(name) ?? { first: name, file: this.checkpoint.name, bytes: 1 };
  }
}

/** By module: its tensors but the bias, and low-rank terms, which are modules of their own. */
function moduleTensors({ tensors }: Checkpoint): ReadonlyMap<string, ModuleTensors> {
  const modules = new Map<string, ModuleTensors>();
  for (const { name, file, bytes } of tensors.values()) {
    const dot = name.lastIndexOf(".");
    const [module, kind] = [name.slice(0, dot), name.slice(dot + 1)];
    if (kind === "bias") continue;
    const known = modules.get(module);
    modules.set(module, known ? { ...known, bytes: known.bytes + bytes } : { first: name, file, bytes });
  }
  return modules;
}
