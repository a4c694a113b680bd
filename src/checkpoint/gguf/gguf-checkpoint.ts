/**
 * A GGUF file as a checkpoint: Hugging Face names, shapes and row order, values dequantized as rows are read.
 */
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";
import type { Checkpoint, GenerationConfig, ReadOptions, TensorInfo, TokenizerFiles } from "../checkpoint.ts";
import type { KeptForm, KeptRows } from "../quantization/kept-form.ts";
import { checkTensors } from "../expected-tensors.ts";
import { ggmlKeptForm, ggmlKeptRows } from "./ggml-kept.ts";
import { type GgufTensor, readGguf } from "./gguf.ts";
import { GgufMetadata } from "./gguf-metadata.ts";
import { ggufGenerationConfig } from "./gguf-generation-config.ts";
import { ggufForm, ggufModelConfig } from "./gguf-model-config.ts";
import { ROPE_FACTOR_TENSORS, type RopeFactors } from "./gguf-rope-config.ts";
import { noteUnreadKeys } from "./gguf-variants.ts";
import { ggufPooling, type Pooling } from "../pooling.ts";
import { ggufTokenizer } from "./gguf-tokenizer.ts";
import { nameTensors } from "./name-tensors.ts";
import { readRows, readStoredRows, type StoredRows, storedRows } from "./stored-rows.ts";
import type { JsonObject } from "../../json-object.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import { writeModelConfig } from "../../architecture/families.ts";

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

  const stored = nameTensors(tensors, config, form.interleavedHeads === true, file.name);
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
