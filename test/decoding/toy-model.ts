/**
 * A language model whose distributions are known: the logits of the next token are a function of the ids so
 * far, given by the test. It keeps a KV cache of ids, evaluates in chunks, yields between them and honours
 * the signal there, as the contract says.
 */
import { type ModelConfig, USUAL } from "../../src/architecture/model-config.ts";
import { NULL } from "../../src/kernels/pointer.ts";
import type { TextPass } from "../../src/decoding/token-cache.ts";
import type { ForwardOptions, LogitsBlock } from "../../src/model/forward-pass.ts";
import { throwIfAborted } from "../../src/errors.ts";

export interface ToyModel {
  readonly vocabSize: number;
  readonly contextSize?: number;
  readonly chunkSize?: number;
  /** f32[V] after these ids. */
  readonly logits: (ids: readonly number[]) => ArrayLike<number>;
}

export class ToyForwardPass implements TextPass {
  readonly config: ModelConfig;
  readonly contextSize: number;
  readonly #model: ToyModel;
  /** What the KV cache holds. */
  readonly cached: number[] = [];
  /** Ids behind those, of which nothing is computed. */
  readonly #appended: number[] = [];
  /** Sizes of the calls to `forward`, in order. */
  readonly calls: number[] = [];
  /** Ids that went through it. */
  evaluated = 0;
  /** Called before each chunk. */
  onChunk: () => void = () => {};
  /** Called with how many ids went through it. */
  count: (ids: number) => void = () => {};

  constructor(model: ToyModel) {
    this.#model = model;
    this.contextSize = model.contextSize ?? 64;
    this.config = toyConfig(model.vocabSize);
  }

  get ids(): readonly number[] {
    return [...this.cached, ...this.#appended];
  }

  get mostTokens(): number {
    return this.contextSize;
  }

  get length(): number {
    return this.cached.length + this.#appended.length;
  }

  /** One with a cache of its own, whose calls are counted here. */
  createSequence(): ToyForwardPass & Disposable {
    const { calls } = this;
    const sequence = new ToyForwardPass(this.#model);
    const onChunk = () => this.onChunk();
    const count = (ids: number) => (this.evaluated += ids);
    return Object.assign(sequence, { calls, onChunk, count, [Symbol.dispose]: () => sequence.truncate(0) });
  }

  async forward(ids: ArrayLike<number>, { logits, read, signal }: ForwardOptions): Promise<Float32Array | undefined> {
    if (this.length + ids.length > this.contextSize) throw new Error("toy model: the cache is full");
    if (ids.length === 0) throw new Error("toy model: nothing to evaluate");
    this.calls.push(ids.length);
    this.cached.push(...this.#appended.splice(0));
    const chunkSize = this.#model.chunkSize ?? Infinity;
    for (let begin = 0; begin < ids.length; begin += chunkSize) {
      this.onChunk();
      await new Promise((resolve) => setTimeout(resolve, 0));
      throwIfAborted(signal, "toy model");
      const end = Math.min(ids.length, begin + chunkSize);
      const rows: Float32Array[] = [];
      for (let i = begin; i < end; i++) {
        this.cached.push(ids[i]!);
        this.evaluated++;
        this.count(1);
        if (typeof logits === "function") rows.push(Float32Array.from(this.#model.logits(this.cached)));
      }
      if (typeof logits === "function") {
        const values = new Float32Array(rows.length * this.config.vocabSize);
        rows.forEach((row, r) => values.set(row, r * this.config.vocabSize));
        logits({ values, pointer: NULL, firstRow: begin, rows: rows.length });
      }
    }
    const last = logits === "last" ? Float32Array.from(this.#model.logits(this.cached)) : undefined;
    if (!last || !read) return last;
    read(last);
    return undefined;
  }

  append(ids: readonly number[]): void {
    this.#appended.push(...ids);
  }

  truncate(length: number): void {
    this.#appended.length = Math.max(0, Math.min(this.#appended.length, length - this.cached.length));
    this.cached.length = Math.min(length, this.cached.length);
  }

  softmax(logits: Float32Array, temperature: number): Float32Array {
    return softmax(logits, temperature);
  }

  argmax(logits: Float32Array): number {
    return logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
  }

  crossEntropy(block: LogitsBlock, targets: ArrayLike<number>): Float64Array {
    const V = this.config.vocabSize;
    if (targets.length !== block.rows) throw new Error(`toy model: ${targets.length} targets for ${block.rows} rows`);
    return Float64Array.from(targets, (target, r) => negativeLogLikelihood(block.values.subarray(r * V, (r + 1) * V), target));
  }

  klDivergence(base: Float32Array, logits: Float32Array): number {
    const [p, q] = [logSoftmax(base), logSoftmax(logits)];
    return p.reduce((sum, lnP, v) => sum + Math.exp(lnP) * (lnP - q[v]!), 0);
  }
}

/** Rounded to f32, as wasm gives it. */
export function softmax(logits: ArrayLike<number>, temperature: number): Float32Array {
  const weights = new Float64Array(logits.length);
  let max = -Infinity;
  for (let i = 0; i < logits.length; i++) max = Math.max(max, logits[i]!);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += weights[i] = Math.exp((logits[i]! - max) / temperature);
  return Float32Array.from(weights, (w) => w / sum);
}

/** ln p of every token, f64[V]. */
export function logSoftmax(logits: ArrayLike<number>): Float64Array {
  const lnSum = negativeLogLikelihood(logits, 0) + logits[0]!;
  return Float64Array.from(logits, (value) => value - lnSum);
}

export function negativeLogLikelihood(logits: ArrayLike<number>, target: number): number {
  return Math.log(Array.from(logits).reduce((sum, x) => sum + Math.exp(x), 0)) - logits[target]!;
}

function toyConfig(vocabSize: number): ModelConfig {
  return {
    ...USUAL,
    architecture: "llama",
    vocabSize,
    hiddenSize: 4,
    layers: 1,
    heads: 1,
    kvHeads: 1,
    headDim: 4,
    ffnSize: 4,
    norm: "rms",
    rmsNormEps: 1e-5,
    positions: "rope",
    rotaryDim: 4,
    ropeTheta: 10000,
    ropeScaling: { kind: "none" },
    contextLength: 1 << 20,
    attentionWindows: [0],
    tiedEmbedding: true,
    attentionBias: "none",
    mlpBias: false,
    headBias: false,
    activation: "silu",
    gatedMlp: true,
    parallelResidual: false,
    qkNorm: "none",
  };
}
