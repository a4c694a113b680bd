/**
 * Tensors of modules that a file lays out in another way (`StoredOrder`), in canonical order: weights
 * [out_features, in_features], rows of all q, then all k, then all v.
 *
 *   by_head      rows in runs of D: `.weight`, the tensors of packed weights, `.bias`, `.lora_B.weight`
 *   transposed   floats stored as [in_features, out_features]: `.weight` alone, packed weights are as used
 */
import { blockModules, type Description, type LinearModule } from "../../architecture/description.ts";
import { byHeadRuns } from "../../architecture/by-head-rows.ts";
import { lowRankTensors } from "../../architecture/tensors.ts";
import { CheckpointError } from "../../errors.ts";
import type { TensorInfo } from "../checkpoint.ts";

type Rows = readonly [begin: number, end: number];
/** Reads rows of a tensor as the file has them; a vector has one row per element. */
export type ReadStoredRows = (rows: Rows) => Promise<Uint8Array>;

/**
 * Stored bytes that are read at once although not all of them are wanted: cheaper than a read per head, and
 * little memory.
 */
const SPAN_BYTES = 1024 * 1024;
/** Stored bytes transposed at once. */
const PIECE_BYTES = 4 * 1024 * 1024;
/**
 * Out_features of a piece that are transposed together, so that the lines of memory written to stay in the
 * cache.
 */
const TILE = 64;

export class StoredOrders {
  readonly #modules: ReadonlyMap<string, LinearModule>;
  readonly #headDim: number;
  /**
   * The tensor transposed last; rows of it are read one piece after another or several at a time, and each
   * piece needs the whole.
   */
  #transposed: { readonly name: string; readonly bytes: Promise<Uint8Array> } | undefined;

  constructor(description: Description) {
    const modules = new Map<string, LinearModule>();
    for (const module of blockModules(description)) {
      for (const tensor of tensorsInStoredOrder(module)) modules.set(tensor, module);
    }
    this.#modules = modules;
    this.#headDim = description.config.headDim;
  }

  /** Whether the file has a tensor in another order than the canonical one. */
  has(name: string): boolean {
    return this.#modules.has(name);
  }

  /**
   * Gives a tensor of the file the shape it has in canonical order.
   *
   * @throws CheckpointError if a transposed tensor does not have the shape of its module
   */
  canonical(stored: TensorInfo): TensorInfo {
    const module = this.#modules.get(stored.name);
    if (module?.storedOrder !== "transposed") return stored;
    const { outFeatures: N, inFeatures: K } = module;
    const [rows, columns, ...others] = stored.shape;
    if (rows === K && columns === N && others.length === 0) return { ...stored, shape: [N, K] };
    throw new CheckpointError(
      `${stored.file}: tensor ${stored.name}: got shape [${stored.shape.join(", ")}], need [${K}, ${N}]: in_features by out_features`,
    );
  }

  /**
   * Reads canonical rows `[begin, end)` of a tensor that `has` is true for.
   *
   * @throws CheckpointError if the rows are outside the tensor or cannot be read
   */
  async read(info: TensorInfo, [begin, end]: Rows, read: ReadStoredRows): Promise<Uint8Array> {
    const rows = info.shape[0]!;
    if (!(Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && begin <= end && end <= rows)) {
      throw new CheckpointError(`${info.file}: tensor ${info.name}: got rows ${begin} to ${end}, need rows within 0 to ${rows}`);
    }
    if (this.#modules.get(info.name)?.storedOrder === "transposed") return this.#readTransposed(info, [begin, end], read);
    return readByHead(info, this.#headDim, [begin, end], read);
  }

  /** Frees what is kept. */
  clear(): void {
    this.#transposed = undefined;
  }

  async #readTransposed(info: TensorInfo, [begin, end]: Rows, read: ReadStoredRows): Promise<Uint8Array> {
    const rowBytes = info.bytes / info.shape[0]!;
    if (this.#transposed?.name !== info.name) {
      this.#transposed = undefined; // before the next one is made: there is memory for one
      if (begin === 0 && end === info.shape[0]) return transposed(info, read); // nothing more will be asked for
      this.#transposed = { name: info.name, bytes: transposed(info, read) };
    }
    const kept = this.#transposed;
    try {
      return (await kept.bytes).slice(begin * rowBytes, end * rowBytes);
    } catch (error) {
      if (this.#transposed === kept) this.#transposed = undefined;
      throw error;
    }
  }
}

/** Names of the modules whose floats are stored transposed: `Conv1D` in transformers. */
export function transposedModules(description: Description): ReadonlySet<string> {
  return new Set(blockModules(description).flatMap(({ name, storedOrder }) => (storedOrder === "transposed" ? [name] : [])));
}

function tensorsInStoredOrder({ name, storedOrder }: LinearModule): readonly string[] {
  if (storedOrder === undefined) return [];
  if (storedOrder === "transposed") return [`${name}.weight`];
  const own = ["weight", "weight_packed", "weight_scale", "weight_minimum", "weight_multiplier", "bias"].map(
    (kind) => `${name}.${kind}`,
  );
  return [...own, lowRankTensors(name).b];
}

async function readByHead(
  { shape, bytes }: TensorInfo,
  headDim: number,
  [begin, end]: Rows,
  read: ReadStoredRows,
): Promise<Uint8Array> {
  const rowBytes = bytes / shape[0]!;
  const result = new Uint8Array((end - begin) * rowBytes);
  const runs = byHeadRuns(shape[0]!, headDim, begin, end);
  const first = runs.reduce((least, { stored }) => Math.min(least, stored), Infinity);
  const last = runs.reduce((most, { stored, rows }) => Math.max(most, stored + rows), 0);
  const span = (last - first) * rowBytes <= SPAN_BYTES && runs.length > 0 ? await read([first, last]) : undefined;
  for (const { stored, canonical, rows } of runs) {
    const from = (stored - first) * rowBytes;
    const run = span ? span.subarray(from, from + rows * rowBytes) : await read([stored, stored + rows]);
    result.set(run, (canonical - begin) * rowBytes);
  }
  return result;
}

/** A whole tensor stored as [K, N], as [N, K]; the file is read in pieces. */
async function transposed({ shape, bytes }: TensorInfo, read: ReadStoredRows): Promise<Uint8Array> {
  const [N, K] = shape as [number, number];
  const elementBytes = bytes / (N * K);
  const result = new Uint8Array(bytes);
  const rowsAtOnce = Math.max(1, Math.floor(PIECE_BYTES / (N * elementBytes)));
  for (let k = 0; k < K; k += rowsAtOnce) {
    const end = Math.min(K, k + rowsAtOnce);
    const piece = await read([k, end]);
    transposeInto(elements(result, elementBytes), K, k, elements(piece, elementBytes), N);
  }
  return result;
}

/**
 * Transposes the bytes of a matrix of 2 or 4 bytes an element: a float weight for a file that has it the
 * other way around.
 */
export function transposeBytes(bytes: Uint8Array, rows: number, columns: number): Uint8Array {
  const elementBytes = bytes.length / (rows * columns);
  const result = new Uint8Array(bytes.length);
  transposeInto(elements(result, elementBytes), rows, 0, elements(bytes, elementBytes), columns);
  return result;
}

type Elements = Uint16Array | Uint32Array;

/** The same bytes as elements of 2 or 4 bytes, moved if they do not lie at a multiple of that. */
function elements(bytes: Uint8Array, elementBytes: number): Elements {
  const { buffer, byteOffset, length } = bytes.byteOffset % elementBytes === 0 ? bytes : bytes.slice();
  return elementBytes === 2 ? new Uint16Array(buffer, byteOffset, length / 2) : new Uint32Array(buffer, byteOffset, length / 4);
}

/** result[n, firstColumn + r] = piece[r, n], the result having K columns and the piece N. */
function transposeInto(result: Elements, K: number, firstColumn: number, piece: Elements, N: number): void {
  const rows = piece.length / N;
  for (let tile = 0; tile < N; tile += TILE) {
    const tileEnd = Math.min(N, tile + TILE);
    for (let r = 0; r < rows; r++) {
      for (let n = tile; n < tileEnd; n++) result[n * K + firstColumn + r] = piece[r * N + n]!;
    }
  }
}
