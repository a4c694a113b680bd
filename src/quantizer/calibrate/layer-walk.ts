/**
 * Samples through a float model one layer at a time, with somebody looking on: calibration, and rounding
 * while a layer is in memory.
 */
import type { Block, InputName, LinearInput } from "../../architecture/description.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { RecipeError, throwIfAborted } from "../../errors.ts";
import type { Work } from "../../host/work.ts";
import type { Pointer } from "../../kernels/pointer.ts";
import { blockWork, type Site } from "../../model/block.ts";
import { EventLoopPacer } from "../../model/event-loop-pacer.ts";
import { LayerStream } from "../../model/layer-stream.ts";
import type { Planner } from "../../model/workspace/workspace.ts";

/** f32[M, K] at `x`, rows `stride` elements apart. */
export interface Seen {
  readonly site: Site;
  readonly x: Pointer;
  readonly M: number;
  readonly K: number;
  readonly stride: number;
}

export interface LayerVisitor {
  /**
   * Whether `finishInput` replaces weights, and all that comes after them is to be of the new ones: the rest
   * of the layer, and later layers.
   */
  readonly replaces: boolean;
  begin(): void;
  /** Sees an activation of one sample: each site once for each sample. */
  observe(sample: number, seen: Seen): void;
  /**
   * All samples have been seen at `input`, and at k and v once it is behind them; in the order data flows.
   */
  finishInput(input: LinearInput): Promise<void>;
  /** The layer is done. */
  end(): void;
}

export interface LayerWalkOptions<Own> {
  /** Least scratch of each thread, for kernels of the visitor's. */
  readonly threadScratch?: number;
  /** Plans regions of the visitor's in the memory of the layer. */
  place(planner: Planner): Own;
  /** Makes the visitor once memory exists. */
  visit(stream: LayerStream, own: Own): LayerVisitor;
}

/**
 * @param samples sequences of token ids, each run from position 0 on its own
 * @throws RecipeError if there are no samples; CheckpointError, UnsupportedModelError, OptionError,
 *   CapabilityError, AbortError; NumericError naming the layer whose output has NaN or infinity
 */
export async function walkLayers<Own>(
  checkpoint: Checkpoint,
  samples: readonly Int32Array[],
  work: Work,
  { threadScratch, place, visit }: LayerWalkOptions<Own>,
): Promise<void> {
  const tokens = countTokens(samples);
  const rows = Math.max(...samples.map((sample) => sample.length));
  const { stream, own } = await LayerStream.open(checkpoint, work, { rows, threadScratch }, place);
  try {
    const hidden: Float32Array[] = [];
    for (const sample of samples) hidden.push(await stream.embed(sample));
    const walk = new LayerWalk(stream, hidden, tokens, visit(stream, own), work);
    for (const block of stream.description.blocks) await walk.through(block);
  } finally {
    await stream.dispose();
  }
}

class LayerWalk {
  readonly #stream: LayerStream;
  readonly #hidden: readonly Float32Array[];
  readonly #tokens: number;
  readonly #visitor: LayerVisitor;
  readonly #work: Work;
  readonly #pacer: EventLoopPacer;
  /** Times that each token goes through a layer, in all layers together. */
  readonly #passes: number;
  #tokensThroughLayers = 0;

  constructor(stream: LayerStream, hidden: readonly Float32Array[], tokens: number, visitor: LayerVisitor, work: Work) {
    this.#stream = stream;
    this.#hidden = hidden;
    this.#tokens = tokens;
    this.#visitor = visitor;
    this.#work = work;
    this.#pacer = new EventLoopPacer(work.host);
    const { blocks } = stream.description;
    this.#passes = blocks.reduce((sum, { inputs }) => sum + (visitor.replaces ? inputs.length + 1 : 1), 0);
  }

  async through(block: Block): Promise<void> {
    await this.#stream.loadLayer(block.layer);
    this.#visitor.begin();
    if (this.#visitor.replaces) await this.#replacing(block);
    else {
      await this.#pass(block, (state, sample) => {
        this.#stream.run(state, (site, x, M, K, stride) => this.#visitor.observe(sample, { site, x, M, K, stride }));
      });
      for (const input of block.inputs) await this.#visitor.finishInput(input);
    }
    this.#visitor.end();
  }

  /**
   * The layer again from its beginning for each input, since what comes before has changed; most of it is
   * behind the last one.
   */
  async #replacing(block: Block): Promise<void> {
    const earlier = new Set<InputName>();
    for (const input of block.inputs) {
      const isNew = (site: Site) => (site === "k" || site === "v" ? input.name === "o" : !earlier.has(site));
      await this.#pass(block, (state, sample) => {
        this.#stream.runUntil(input.name, state, (site, x, M, K, stride) => {
          if (isNew(site)) this.#visitor.observe(sample, { site, x, M, K, stride });
        });
      });
      await this.#visitor.finishInput(input);
      earlier.add(input.name);
    }
    await this.#pass(block, (state) => this.#stream.run(state));
  }

  async #pass(block: Block, run: (state: Float32Array, sample: number) => void): Promise<void> {
    const { signal, onProgress } = this.#work;
    const { config } = this.#stream.description;
    for (const [sample, state] of this.#hidden.entries()) {
      throwIfAborted(signal, `calibration, layer ${block.layer}`);
      run(state, sample);
      const rows = state.length / config.hiddenSize;
      this.#tokensThroughLayers += rows;
      const done = Math.floor(this.#tokensThroughLayers / this.#passes);
      onProgress?.({ phase: "calibrate", done, total: this.#tokens, unit: "tokens" });
      this.#pacer.count(blockWork(block, config, rows, 0));
      if (this.#pacer.due()) await this.#pacer.letEventsRun();
    }
  }
}

/** @throws RecipeError if there are none */
export function countTokens(samples: readonly Int32Array[]): number {
  const tokens = samples.reduce((sum, sample) => sum + sample.length, 0);
  if (tokens === 0) throw new RecipeError("calibration: no samples, need at least one token");
  return tokens;
}
