/**
 * Linear modules whose weights another program stored as integers (`integer-scheme.ts`), read as the floats
 * they stand for or in a form that kernels multiply. To everyone else such a module has one tensor,
 * `<module>.weight`.
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { ReadOptions, TensorInfo } from "../checkpoint.ts";
import { decodeF32, floatDecoder } from "../formats/float-formats.ts";
import { transposeBytes } from "../safetensors/stored-order.ts";
import { type IntegerModule, integerKeptForm } from "./integer-module.ts";
import { awqWords, gptqWords, orderColumns, packSigned, unpackZeroRows, unpackZeros, wordsOf } from "./integer-words.ts";
import type { KeptForm, KeptRows } from "./kept-form.ts";
import { zeroPoints } from "./zero-points.ts";

/** Reads stored rows of a tensor of the file. */
export type ReadTensor = (name: string, options: ReadOptions) => Promise<Uint8Array>;

/** Rows of a module: codes from the lowest bits of words up, and for each group a scale and a zero point. */
interface IntegerRows {
  readonly words: Int32Array;
  readonly scales: Float32Array;
  readonly zeros: Uint8Array;
}

type Rows = readonly [begin: number, end: number];

export class IntegerModules {
  readonly #modules: ReadonlyMap<string, IntegerModule>;
  readonly #read: ReadTensor;
  /** The module read last whose rows lie one beside the other: each piece needs the whole. */
  #whole: { readonly name: string; readonly rows: Promise<IntegerRows> } | undefined;

  constructor(modules: readonly IntegerModule[], read: ReadTensor) {
    this.#modules = new Map(modules.map((module) => [module.name, module]));
    this.#read = read;
  }

  /** The module whose weights a tensor is. */
  ofTensor(name: string): IntegerModule | undefined {
    return name.endsWith(WEIGHT) ? this.#modules.get(name.slice(0, -WEIGHT.length)) : undefined;
  }

  get(name: string): IntegerModule | undefined {
    return this.#modules.get(name);
  }

  keptForm(module: IntegerModule): KeptForm | undefined {
    return integerKeptForm(module);
  }

  /**
   * Rows in the module's kept form, columns in the order that `readOrder` gives.
   *
   * @throws CheckpointError if numbers are none that weights can have
   */
  async readKept(module: IntegerModule, { rows, signal }: ReadOptions = {}): Promise<KeptRows> {
    const form = integerKeptForm(module);
    const where = module.codes.file;
    if (!form)
      throw new CheckpointError(`${where}: ${module.name}: got 8 bits with zero points and F32 scales, need F16 or BF16`);
    const [begin, end] = checkRows(module, rows);
    const order = await this.readOrder(module, signal);
    const read = await this.#readRows(module, [begin, end], signal);
    const words = order ? orderColumns(read.words, order, module.scheme.bits) : read.words;
    if (form.form === "qb8aw") return { rows: end - begin, arrays: [words, affineOf(read)] };
    if (form.form !== "qb4zw") return { rows: end - begin, arrays: [words, read.scales] };
    const parts = module.G / form.groupSize;
    return { rows: end - begin, arrays: [words, repeat(read.scales, parts), repeat(read.zeros, parts)] };
  }

  /**
   * Rows as floats, scale * (code - zero), rounded once; columns as the model has them.
   *
   * @throws CheckpointError if numbers are none that weights can have
   */
  async readF32(module: IntegerModule, { rows, signal }: ReadOptions = {}): Promise<Float32Array> {
    const { K, G, scheme } = module;
    const [begin, end] = checkRows(module, rows);
    const groupOf = (await this.#readGroups(module, signal)) ?? Int32Array.from({ length: K }, (_, k) => Math.floor(k / G));
    const { words, scales, zeros } = await this.#readRows(module, [begin, end], signal);
    const values = new Float32Array((end - begin) * K);
    const codesInWord = 32 / scheme.bits;
    const [groups, rowWords, mask] = [K / G, Math.ceil(K / codesInWord), 2 ** scheme.bits - 1];
    for (let row = 0, at = 0; row < end - begin; row++) {
      for (let k = 0; k < K; k++) {
        const group = row * groups + groupOf[k]!;
        const code = (words[row * rowWords + Math.floor(k / codesInWord)]! >>> (scheme.bits * (k % codesInWord))) & mask;
        values[at++] = scales[group]! * (code - zeros[group]!);
      }
    }
    return values;
  }

  /**
   * Which column each column of kept rows is: all of the first group, then all of the second; undefined where
   * that is how they lie.
   *
   * @throws CheckpointError if a column is of a group there is not, or groups are not of one size
   */
  async readOrder(module: IntegerModule, signal?: AbortSignal): Promise<Int32Array | undefined> {
    const groupOf = await this.#readGroups(module, signal);
    if (!groupOf || groupOf.every((group, k) => group === Math.floor(k / module.G))) return undefined;
    const { G, K } = module;
    const next = Int32Array.from({ length: K / G }, (_, group) => group * G);
    const order = new Int32Array(K);
    for (let k = 0; k < K; k++) order[next[groupOf[k]!]++] = k; // in a group of more columns than G: over the next group's
    const odd = next.findIndex((end, group) => end !== (group + 1) * G);
    if (odd < 0) return order;
    const { file, name } = module.groupIndex!;
    throw new CheckpointError(`${file}: tensor ${name}: got ${next[odd]! - odd * G} columns of group ${odd}, need ${G}`);
  }

  /** Frees what is kept. */
  clear(): void {
    this.#whole = undefined;
  }

  /** The group of each column, where a tensor says so. */
  async #readGroups({ groupIndex, scheme, K, G }: IntegerModule, signal?: AbortSignal): Promise<Int32Array | undefined> {
    if (!groupIndex) return undefined;
    const groupOf = wordsOf(await this.#read(groupIndex.name, { signal }));
    const where = `${groupIndex.file}: tensor ${groupIndex.name}`;
    const outside = groupOf.findIndex((group) => group < 0 || group >= K / G);
    if (outside >= 0) {
      throw new CheckpointError(`${where}: column ${outside}: got group ${groupOf[outside]}, need one from 0 to ${K / G - 1}`);
    }
    if (scheme.anyOrder) return groupOf;
    const moved = groupOf.findIndex((group, k) => group !== Math.floor(k / G));
    if (moved < 0) return undefined;
    throw new CheckpointError(
      `${where}: column ${moved}: got group ${groupOf[moved]}, need ${Math.floor(moved / G)}: quantization_config has desc_act false`,
    );
  }

  async #readRows(module: IntegerModule, [begin, end]: Rows, signal: AbortSignal | undefined): Promise<IntegerRows> {
    const { layout } = module.scheme;
    if (layout === "packed" || layout === "int8") return this.#readPacked(module, [begin, end], signal);
    if (this.#whole?.name !== module.name) this.#whole = { name: module.name, rows: this.#readByColumns(module, signal) };
    const kept = this.#whole;
    try {
      const { words, scales, zeros } = await kept.rows;
      const part = <T extends Int32Array | Float32Array | Uint8Array>(array: T) =>
        array.subarray((begin * array.length) / module.N, (end * array.length) / module.N) as T;
      return { words: part(words), scales: part(scales), zeros: part(zeros) };
    } catch (error) {
      if (this.#whole === kept) this.#whole = undefined;
      throw error;
    }
  }

  /** GPTQ and AWQ: all rows. */
  async #readByColumns(module: IntegerModule, signal: AbortSignal | undefined): Promise<IntegerRows> {
    const { N, K, G, codes, scheme } = module;
    const { bits, layout, zeroOffset } = scheme;
    const isAwq = layout === "awq";
    const stored = await this.#read(codes.name, { signal });
    const words = isAwq ? awqWords(stored, K, N) : gptqWords(stored, (K * bits) / 32, N);
    const scales = await this.#readScales(module.scales, {}, signal);
    const byChannel = transposeBytes(new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength), K / G, N);
    const zeros = unpackZeros(wordsOf(await this.#read(module.zeros!.name, { signal })), N, { bits, isAwq });
    const mask = 2 ** bits - 1;
    // AutoGPTQ adds the 1 in so many bits: the largest becomes 0.
    for (let i = 0; i < zeros.length; i++) zeros[i] = (zeros[i]! + zeroOffset) & mask;
    if (scheme.symmetric) checkSymmetric(module, zeros);
    return { words, scales: decodeF32(byChannel), zeros };
  }

  /** compressed-tensors: some rows. */
  async #readPacked(module: IntegerModule, rows: Rows, signal: AbortSignal | undefined): Promise<IntegerRows> {
    const { K, G, codes, scheme } = module;
    const { bits, layout } = scheme;
    const isTensor = scheme.groupSize === "tensor";
    const count = rows[1] - rows[0];
    const stored = await this.#read(codes.name, { rows, signal });
    const words = layout === "packed" ? wordsOf(stored) : packSigned(signed(stored), K, bits);
    if (layout === "int8" && bits === 4) checkNibbles(module, signed(stored));
    const scales = await this.#readScales(module.scales, isTensor ? {} : { rows }, signal);
    const zeros = await this.#readZeros(module, rows, signal);
    const all = (count * K) / G;
    return { words, scales: isTensor ? repeat(scales, all) : scales, zeros: isTensor ? repeat(zeros, all) : zeros };
  }

  async #readZeros({ K, G, zeros, scheme }: IntegerModule, rows: Rows, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { bits, groupSize } = scheme;
    const isTensor = groupSize === "tensor";
    const middle = 2 ** (bits - 1);
    if (!zeros) return new Uint8Array(isTensor ? 1 : ((rows[1] - rows[0]) * K) / G).fill(middle);
    if (zeros.type === "I32") {
      const codesInWord = 32 / bits;
      const first = Math.floor(rows[0] / codesInWord);
      const stored = await this.#read(zeros.name, { rows: [first, Math.ceil(rows[1] / codesInWord)], signal });
      const base = first * codesInWord;
      return unpackZeroRows(wordsOf(stored), K / G, [rows[0] - base, rows[1] - base], bits);
    }
    const stored = signed(await this.#read(zeros.name, { rows: isTensor ? undefined : rows, signal }));
    const values = Int16Array.from(stored, (value) => value + middle);
    return bits === 4 ? zeroPoints(`${zeros.file}: tensor ${zeros.name}`, values) : Uint8Array.from(values);
  }

  async #readScales(
    { name, type, file }: TensorInfo,
    options: ReadOptions,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const decode = floatDecoder(type);
    if (!decode) throw new UnsupportedModelError(`${file}: tensor ${name}: got ${type} scales, need F32, F16 or BF16`);
    const scales = decode(await this.#read(name, { ...options, signal }));
    const bad = scales.findIndex((scale) => !Number.isFinite(scale));
    if (bad < 0) return scales;
    throw new CheckpointError(`${file}: tensor ${name}: element ${bad} of a part: got ${scales[bad]}, need a finite number`);
  }
}

const WEIGHT = ".weight";

function checkRows({ codes, N, name }: IntegerModule, rows: ReadOptions["rows"]): Rows {
  const [begin, end] = rows ?? [0, N];
  if (Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && begin <= end && end <= N) return [begin, end];
  throw new CheckpointError(`${codes.file}: ${name}: got rows ${begin} to ${end}, need rows within 0 to ${N}`);
}

/** Files that say so are multiplied without zero points. */
function checkSymmetric({ scheme, K, G, zeros }: IntegerModule, values: Uint8Array): void {
  const middle = 2 ** (scheme.bits - 1);
  const other = values.findIndex((zero) => zero !== middle);
  if (other < 0) return;
  const [channel, group] = [Math.floor((other * G) / K), other % (K / G)];
  throw new CheckpointError(
    `${zeros!.file}: tensor ${zeros!.name}: channel ${channel}, group ${group}: got zero point ${values[other]}, need ${middle}: quantization_config has sym true`,
  );
}

function checkNibbles({ codes }: IntegerModule, q: Int8Array): void {
  const outside = q.find((value) => value < -8 || value > 7);
  if (outside === undefined) return;
  throw new CheckpointError(`${codes.file}: tensor ${codes.name}: got ${outside} among weights of 4 bits, need -8 to 7`);
}

function signed({ buffer, byteOffset, byteLength }: Uint8Array): Int8Array {
  return new Int8Array(buffer, byteOffset, byteLength);
}

/** Each value so many times. */
function repeat<T extends Float32Array | Uint8Array>(values: T, times: number): T {
  if (times === 1) return values;
  const repeated = new (values.constructor as new (length: number) => T)(values.length * times);
  for (let i = 0; i < values.length; i++) repeated.fill(values[i]!, i * times, (i + 1) * times);
  return repeated;
}

/** Scale and -scale * zero in turns. */
function affineOf({ scales, zeros }: IntegerRows): Float32Array {
  const affine = new Float32Array(2 * scales.length);
  for (let g = 0; g < scales.length; g++) {
    affine[2 * g] = scales[g]!;
    affine[2 * g + 1] = -(scales[g]! * zeros[g]!);
  }
  return affine;
}
