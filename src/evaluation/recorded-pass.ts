/**
 * A forward pass that remembers the logits it has given, so that one model can be compared with many over the
 * same text and is run over it once. Memory: f32[V] for every row of logits asked for; 0.8 GB for 16 chunks
 * of 512 of which the second halves are scored, V = 49152.
 */
import type { ModelConfig } from "../architecture/model-config.ts";
import type { ForwardOptions, ForwardPass, LogitsBlock } from "../model/forward-pass.ts";

interface RecordedBlock extends LogitsBlock {
  losses?: { readonly targets: string; readonly values: Float64Array };
}

export class RecordedPass implements ForwardPass {
  readonly config: ModelConfig;
  readonly contextSize: number;
  readonly mostTokens: number;
  readonly #pass: ForwardPass;
  readonly #mostBytes: number;
  #bytes = 0;
  /** By the ids up to and with those asked for, and how many of them were asked for. */
  readonly #blocks = new Map<string, RecordedBlock[]>();
  #ids: number[] = [];
  /** How many of `#ids` the model itself has in its cache: it is run when its logits are needed. */
  #evaluated = 0;
  /** The block the model has just computed, which is still in its memory, and its copy. */
  #fresh: { readonly block: LogitsBlock; readonly copy: RecordedBlock } | undefined;

  /**
   * @param pass may be used for other things as long as it is left empty
   * @param mostBytes of logits that are kept; for what comes after them the model is run each time
   */
  constructor(pass: ForwardPass, mostBytes = Infinity) {
    this.#pass = pass;
    this.#mostBytes = mostBytes;
    this.config = pass.config;
    this.contextSize = pass.contextSize;
    this.mostTokens = pass.mostTokens;
  }

  get ids(): readonly number[] {
    return this.#ids;
  }

  get length(): number {
    return this.#ids.length;
  }

  get evaluated(): number {
    return this.#pass.evaluated;
  }

  createSequence(): never {
    throw new Error("createSequence: a recorded pass has one sequence only");
  }

  async forward(ids: ArrayLike<number>, { logits, signal }: ForwardOptions): Promise<undefined> {
    if (logits === "last") throw new Error(`logits: got "last", a recorded pass gives none or blocks`);
    const added = Array.from(ids);
    const before = this.#ids;
    this.#ids = [...before, ...added];
    if (logits === "none") return undefined;

    const key = `${added.length}:${this.#ids.join(",")}`;
    const recorded = this.#blocks.get(key);
    if (recorded) {
      for (const block of recorded) logits(block);
      return undefined;
    }
    // An interrupted run may have left more there.
    this.#pass.truncate(this.#evaluated);
    const missing = before.slice(this.#evaluated);
    if (missing.length > 0) await this.#pass.forward(missing, { logits: "none", signal });
    const blocks: RecordedBlock[] = [];
    const keep = (block: LogitsBlock) => {
      const copy: RecordedBlock = { ...block, values: block.values.slice() };
      blocks.push(copy);
      this.#fresh = { block, copy };
      logits(copy);
      this.#fresh = undefined;
    };
    await this.#pass.forward(added, { logits: keep, signal });
    this.#evaluated = this.#ids.length;
    const bytes = blocks.reduce((sum, { values }) => sum + values.byteLength, 0);
    if (this.#bytes + bytes > this.#mostBytes) return undefined;
    this.#bytes += bytes;
    this.#blocks.set(key, blocks);
    return undefined;
  }

  truncate(length: number): void {
    this.#ids = this.#ids.slice(0, length);
    this.#evaluated = Math.min(this.#evaluated, length);
    this.#pass.truncate(this.#evaluated);
  }

  /**
   * @throws Error for a recorded block and other targets than then: a chunk that begins like another one and
   *   ends otherwise
   */
  crossEntropy(block: RecordedBlock, targets: ArrayLike<number>): Float64Array {
    const wanted = Array.from(targets).join(",");
    if (block === this.#fresh?.copy) {
      block.losses = { targets: wanted, values: this.#pass.crossEntropy(this.#fresh.block, targets).slice() };
    }
    if (block.losses?.targets !== wanted) throw new Error("crossEntropy: other targets than when the block was recorded");
    return block.losses.values;
  }

  softmax(logits: Float32Array, temperature: number): Float32Array {
    return this.#pass.softmax(logits, temperature);
  }

  argmax(logits: Float32Array): number {
    return this.#pass.argmax(logits);
  }

  klDivergence(base: Float32Array, logits: Float32Array): number {
    return this.#pass.klDivergence(base, logits);
  }
}
