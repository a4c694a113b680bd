/**
 * A GGUF file as a checkpoint: Hugging Face names, shapes and row order, values dequantized as rows are read.
 */
import { CheckpointError, UnsupportedModelError, throwIfAborted } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";
import type { Checkpoint, GenerationConfig, ReadOptions, TensorInfo, TokenizerFiles } from "../checkpoint.ts";
import type { KeptForm, KeptRows } from "../quantization/kept-form.ts";
import { checkTensors } from "../expected-tensors.ts";
import { dequantize } from "./ggml-dequantize.ts";
import { ggmlKeptForm, ggmlKeptRows } from "./ggml-kept.ts";
import { type GgufTensor, readGguf } from "./gguf.ts";
import { GgufMetadata } from "./gguf-metadata.ts";
import { ggufGenerationConfig } from "./gguf-generation-config.ts";
import { ggufForm, ggufModelConfig } from "./gguf-model-config.ts";
import { ROPE_FACTOR_TENSORS, type RopeFactors } from "./gguf-rope-config.ts";
import { noteUnreadKeys } from "./gguf-variants.ts";
import { interleavedRow } from "../../architecture/gguf-permute.ts";
import { huggingFaceNames } from "../../architecture/gguf-tensor-names.ts";
import { ggufPooling, type Pooling } from "../pooling.ts";
import { ggufTokenizer } from "./gguf-tokenizer.ts";
import type { JsonObject } from "../../json-object.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import { familyOf, writeModelConfig } from "../../architecture/families.ts";

/** Stored bytes read at once: enough to make a read cheap, little beside the values they become. */
const READ_BYTES = 4 * 1024 * 1024;

/**
 * Attention rows that some architectures interleave within each head; tensors that older converters wrote and
 * nothing reads.
 */
const INTERLEAVED = /^blk\.\d+\.attn_[qk]\.(weight|bias)$/;
const CONVOLUTION = /\.shortconv\.conv\.weight$/;
const UNUSED = /^blk\.\d+\.attn_rot_embd(\.weight)?$/;

/**
 * @throws CheckpointError if the file is truncated, corrupt or inconsistent
 * @throws UnsupportedModelError for an architecture, tensor type, tensor or split this package does not read
 */
export async function openGgufCheckpoint(file: ByteSource, signal?: AbortSignal): Promise<Checkpoint> {
  const { metadata: values, tensors } = await readGguf(file, signal);
  const metadata = new GgufMetadata(values, file.name);
  const splits = metadata.integer("split.count") ?? 1;
  if (splits > 1)
    throw new UnsupportedModelError(
      `${file.name}: got one of ${splits} parts of a split GGUF, need the parts merged into one file`,
    );

  const form = ggufForm(metadata, file.name);
  const ropeFactors = await readRopeFactors(file, tensors, signal);
  const config = ggufModelConfig(metadata, tensors, ropeFactors, file.name);

  const interleavedBy = (name: string) => (form.interleavedHeads && INTERLEAVED.test(name) ? config.headDim : undefined);
  const stored = nameTensors(tensors, config, interleavedBy, file.name);
  const infos = new Map(Array.from(stored, ([name, rows]) => [name, tensorInfo(name, rows, file.name)]));
  checkTensors(infos, config, undefined, file.name);

  const generation = ggufGenerationConfig(metadata, config.vocabSize, file.name);
  const bosTokenId = metadata.tokenId("tokenizer.ggml.bos_token_id", config.vocabSize);
  const tokenizer = ggufTokenizer(metadata, file.name);
  const poolingKey = `${form.architecture}.pooling_type`;
  const pooling = ggufPooling(metadata.integer(poolingKey), `${file.name}: ${poolingKey}`);
  noteUnreadKeys(metadata, form);
  const configJson = writeModelConfig(config, { bosTokenId, eosTokenIds: generation.eosTokenIds });
  return new GgufCheckpoint(
    file,
    {
      config,
      configJson,
      generation,
      pooling,
      tokenizer,
      tensors: infos,
      notes: [...metadata.notes, ...(tokenizer?.notes ?? [])],
    },
    stored,
  );
}

/** The place of a tensor's rows. */
interface StoredRows {
  readonly tensor: GgufTensor;
  /** The first of them in the tensor: not 0 where it has those of several modules. */
  readonly firstRow: number;
  readonly rows: number;
  /** Elements of a row. */
  readonly columns: number;
  readonly rowBytes: number;
  /** Head dimension, if the rows of each head are interleaved. */
  readonly interleavedBy: number | undefined;
}

function storedRows(tensor: GgufTensor, interleavedBy: number | undefined): StoredRows {
  const [inner, ...outer] = tensor.dims as [number, ...number[]];
  const isVector = outer.length === 0;
  const rows = isVector ? inner : elements(outer);
  return { tensor, firstRow: 0, rows, columns: isVector ? 1 : inner, rowBytes: tensor.bytes / rows, interleavedBy };
}

async function readRopeFactors(
  file: ByteSource,
  tensors: ReadonlyMap<string, GgufTensor>,
  signal: AbortSignal | undefined,
): Promise<RopeFactors> {
  const found = new Map<string, Float32Array>();
  for (const name of ROPE_FACTOR_TENSORS) {
    const tensor = tensors.get(name);
    if (tensor === undefined) continue;
    if (tensor.type.name !== "F32" || tensor.dims.length !== 1) {
      throw new CheckpointError(
        `${file.name}: tensor "${name}": got ${tensor.type.name} [${tensor.dims.join(", ")}], need an F32 vector`,
      );
    }
    found.set(name, await readRows(file, storedRows(tensor, undefined), 0, tensor.dims[0]!, signal));
  }
  return found;
}

/**
 * The tensors by Hugging Face name. One without such a name would be left out unnoticed, so it is refused.
 */
function nameTensors(
  tensors: ReadonlyMap<string, GgufTensor>,
  config: ModelConfig,
  interleavedBy: (ggufName: string) => number | undefined,
  file: string,
): Map<string, StoredRows> {
  const family = familyOf(config.architecture);
  const stored = new Map<string, StoredRows>();
  for (const tensor of tensors.values()) {
    if (ROPE_FACTOR_TENSORS.includes(tensor.name) || UNUSED.test(tensor.name)) continue;
    const found = huggingFaceNames(tensor.name, family, config);
    // Whether rows of one tensor for q, k and v would be interleaved is not known.
    if (found.length === 0 || (found.length > 1 && family.gguf?.interleavedHeads)) {
      throw new UnsupportedModelError(`${file}: tensor: got "${tensor.name}", need one that this model has`);
    }
    if (tensor.dims.length === 1 && tensor.type.blockElements > 1) {
      throw new UnsupportedModelError(
        `${file}: tensor "${tensor.name}": got a vector of ${tensor.type.name}, need one of floats`,
      );
    }
    const whole = storedRows(CONVOLUTION.test(tensor.name) ? withMiddle(tensor) : tensor, interleavedBy(tensor.name));
    if (found[0]!.includes("*")) for (const [name, part] of splitHeads(found[0]!, whole)) stored.set(name, part);
    else if (found.length === 1) stored.set(found[0]!, whole);
    else for (const [i, part] of splitQkv(whole, config, file).entries()) stored.set(found[i]!, part);
  }
  return stored;
}

/** A convolution [E, K] in the shape [E, 1, K] that transformers gives it. */
function withMiddle(tensor: GgufTensor): GgufTensor {
  const [K, E, ...others] = tensor.dims;
  return K !== undefined && E !== undefined && others.length === 0 ? { ...tensor, dims: [K, 1, E] } : tensor;
}

/** The rows of q, of k and of v in a tensor that has all of them. */
function splitQkv(whole: StoredRows, { heads: H, kvHeads: Hkv, headDim: D }: ModelConfig, file: string): StoredRows[] {
  const need = (H + 2 * Hkv) * D;
  if (whole.rows !== need)
    throw new CheckpointError(`${file}: tensor "${whole.tensor.name}": got ${whole.rows} rows, need ${need} of q, k and v`);
  return [
    { ...whole, rows: H * D },
    { ...whole, firstRow: H * D, rows: Hkv * D },
    { ...whole, firstRow: (H + Hkv) * D, rows: Hkv * D },
  ];
}

/** The weights of a norm for each head, each a tensor. */
function splitHeads(name: string, whole: StoredRows): [string, StoredRows][] {
  const { tensor, columns, rowBytes } = whole;
  return Array.from({ length: whole.rows }, (_, head) => {
    const own = { ...tensor, dims: [columns], offset: tensor.offset + head * rowBytes, bytes: rowBytes };
    return [name.replace("*", `${head}`), storedRows(own, undefined)];
  });
}

function tensorInfo(name: string, { tensor, rows, rowBytes }: StoredRows, file: string): TensorInfo {
  const shape = [rows, ...tensor.dims.toReversed().slice(1)];
  return { name, type: tensor.type.name, shape, bytes: rows * rowBytes, file };
}

class GgufCheckpoint implements Checkpoint {
  readonly name: string;
  readonly format = "gguf";
  readonly config: ModelConfig;
  readonly configJson: JsonObject;
  readonly quantization = undefined;
  readonly tokenizer: TokenizerFiles | undefined;
  readonly generation: GenerationConfig;
  readonly pooling: Pooling | undefined;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly notes: readonly string[];
  readonly #file: ByteSource;
  readonly #stored: ReadonlyMap<string, StoredRows>;

  constructor(
    file: ByteSource,
    contents: Pick<Checkpoint, "config" | "configJson" | "tokenizer" | "generation" | "pooling" | "tensors" | "notes">,
    stored: ReadonlyMap<string, StoredRows>,
  ) {
    this.name = file.name;
    this.config = contents.config;
    this.configJson = contents.configJson;
    this.tokenizer = contents.tokenizer;
    this.generation = contents.generation;
    this.pooling = contents.pooling;
    this.tensors = contents.tensors;
    this.notes = contents.notes;
    this.#file = file;
    this.#stored = stored;
  }

  async readF32(name: string, options: ReadOptions = {}): Promise<Float32Array> {
    const stored = this.#find(name);
    const [begin, end] = this.#range(stored, options.rows);
    return readRows(this.#file, stored, begin, end, options.signal);
  }

  async readRaw(name: string, options: ReadOptions = {}): Promise<Uint8Array> {
    const stored = this.#find(name);
    const [begin, end] = this.#range(stored, options.rows);
    return readStoredRows(this.#file, stored, begin, end, options.signal);
  }

  keptForm(module: string): KeptForm | undefined {
    const stored = this.#stored.get(`${module}.weight`);
    return stored && ggmlKeptForm(stored.tensor.type.name);
  }

  async readKept(module: string, options: ReadOptions = {}): Promise<KeptRows> {
    const { tensor, rowBytes } = this.#find(`${module}.weight`);
    if (!ggmlKeptForm(tensor.type.name)) {
      throw new CheckpointError(`${this.name}: tensor "${tensor.name}": got ${tensor.type.name}, need quantized blocks`);
    }
    const bytes = await this.readRaw(`${module}.weight`, options);
    return ggmlKeptRows(tensor.type.name, bytes, bytes.length / rowBytes);
  }

  async verify(signal?: AbortSignal): Promise<void> {
    await this.#file.verify?.(undefined, signal);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #find(name: string): StoredRows {
    const stored = this.#stored.get(name);
    if (stored === undefined) throw new CheckpointError(`${this.name}: tensor "${name}" is missing`);
    return stored;
  }

  #range({ tensor, rows }: StoredRows, range: ReadOptions["rows"]): readonly [number, number] {
    const [begin, end] = range ?? [0, rows];
    if (!(Number.isInteger(begin) && Number.isInteger(end) && 0 <= begin && begin <= end && end <= rows)) {
      throw new CheckpointError(
        `${this.name}: tensor "${tensor.name}": got rows ${begin} to ${end}, need rows within 0 to ${rows}`,
      );
    }
    return [begin, end];
  }
}

/**
 * Rows `[begin, end)` in Hugging Face order, as float32; the stored bytes are read in pieces of about
 * READ_BYTES.
 */
async function readRows(
  file: ByteSource,
  stored: StoredRows,
  begin: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const { tensor, columns, rowBytes } = stored;
  const values = new Float32Array((end - begin) * columns);
  const rowsAtOnce = Math.max(1, Math.floor(READ_BYTES / rowBytes));
  for (let row = begin; row < end; row += rowsAtOnce) {
    const rowEnd = Math.min(end, row + rowsAtOnce);
    const bytes = await readStoredRows(file, stored, row, rowEnd, signal);
    dequantize(tensor.type.name, bytes, values.subarray((row - begin) * columns, (rowEnd - begin) * columns));
  }
  return values;
}

/** Stored bytes of rows `[begin, end)` in Hugging Face order. */
async function readStoredRows(
  file: ByteSource,
  { tensor, firstRow, rowBytes, interleavedBy }: StoredRows,
  begin: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  throwIfAborted(signal, `reading tensor "${tensor.name}"`);
  const offset = tensor.offset + firstRow * rowBytes;
  if (interleavedBy === undefined) return file.read(offset + begin * rowBytes, (end - begin) * rowBytes, signal);

  // Interleaving stays within a head, so the heads that these rows touch hold all of them.
  const first = Math.floor(begin / interleavedBy) * interleavedBy;
  const last = Math.ceil(end / interleavedBy) * interleavedBy;
  const heads = await file.read(offset + first * rowBytes, (last - first) * rowBytes, signal);
  const bytes = new Uint8Array((end - begin) * rowBytes);
  for (let row = begin; row < end; row++) {
    const at = (interleavedRow(row, interleavedBy) - first) * rowBytes;
    bytes.set(heads.subarray(at, at + rowBytes), (row - begin) * rowBytes);
  }
  return bytes;
}

function elements(dims: readonly number[]): number {
  return dims.reduce((product, size) => product * size, 1);
}
