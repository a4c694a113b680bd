/**
 * A GGUF, in one file or in parts, as a checkpoint: Hugging Face names, shapes and row order, values
 * dequantized as rows are read.
 */
import { CheckpointError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";
import type { Checkpoint, GenerationConfig, ReadOptions, TensorInfo, TokenizerFiles } from "../checkpoint.ts";
import type { KeptForm, KeptRows } from "../quantization/kept-form.ts";
import { checkTensors } from "../expected-tensors.ts";
import { ggmlKeptForm, ggmlKeptRows } from "./ggml-kept.ts";
import type { GgufTensor } from "./gguf.ts";
import { GgufMetadata } from "./gguf-metadata.ts";
import { ggufGenerationConfig } from "./gguf-generation-config.ts";
import { ggufForm, ggufModelConfig } from "./gguf-model-config.ts";
import { type GgufParts, type OpenSibling, readGgufParts } from "./gguf-parts.ts";
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
 * @param openSibling opens the other parts where the file is one of several
 * @throws CheckpointError if the file or one of its parts is missing, truncated, corrupt or inconsistent
 * @throws UnsupportedModelError for an architecture, tensor type or tensor this package does not read
 */
export async function openGgufCheckpoint(
  named: ByteSource,
  signal?: AbortSignal,
  openSibling?: OpenSibling,
): Promise<Checkpoint> {
  const parts = await readGgufParts(named, openSibling, signal);
  try {
    return await openParts(parts, signal);
  } catch (error) {
    for (const part of parts.files) if (part !== named) await part.close();
    throw error;
  }
}

async function openParts({ metadata: values, tensors, files }: GgufParts, signal?: AbortSignal): Promise<Checkpoint> {
  const [file] = files;
  const metadata = new GgufMetadata(values, file.name);
  const form = ggufForm(metadata, file.name);
  const ropeFactors = await readRopeFactors(tensors, signal);
  const config = ggufModelConfig(metadata, tensors, ropeFactors, file.name);

  const stored = nameTensors(tensors, config, form.interleavedHeads === true);
  const infos = new Map(Array.from(stored, ([name, rows]) => [name, tensorInfo(name, rows)]));
  checkTensors(infos, config, undefined, file.name);

  const generation = ggufGenerationConfig(metadata, config.vocabSize, file.name);
  const bosTokenId = metadata.tokenId("tokenizer.ggml.bos_token_id", config.vocabSize);
  const tokenizer = ggufTokenizer(metadata, file.name);
  const poolingKey = `${form.architecture}.pooling_type`;
  const pooling = ggufPooling(metadata.integer(poolingKey), `${file.name}: ${poolingKey}`);
  noteUnreadKeys(metadata, form);
  const configJson = writeModelConfig(config, { bosTokenId, eosTokenIds: generation.eosTokenIds });
  return new GgufCheckpoint(
    files,
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

async function readRopeFactors(tensors: ReadonlyMap<string, GgufTensor>, signal: AbortSignal | undefined): Promise<RopeFactors> {
  const found = new Map<string, Float32Array>();
  for (const name of ROPE_FACTOR_TENSORS) {
    const tensor = tensors.get(name);
    if (tensor === undefined) continue;
    if (tensor.type.name !== "F32" || tensor.dims.length !== 1) {
      throw new CheckpointError(
        `${tensor.source.name}: tensor "${name}": got ${tensor.type.name} [${tensor.dims.join(", ")}], need an F32 vector`,
      );
    }
    found.set(name, await readRows(storedRows(tensor, undefined), 0, tensor.dims[0]!, signal));
  }
  return found;
}

function tensorInfo(name: string, { tensor, rows, rowBytes }: StoredRows): TensorInfo {
  const shape = [rows, ...tensor.dims.toReversed().slice(1)];
  return { name, type: tensor.type.name, shape, bytes: rows * rowBytes, file: tensor.source.name };
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
  readonly #files: GgufParts["files"];
  readonly #stored: ReadonlyMap<string, StoredRows>;

  constructor(
    files: GgufParts["files"],
    contents: Pick<Checkpoint, "config" | "configJson" | "tokenizer" | "generation" | "pooling" | "tensors" | "notes">,
    stored: ReadonlyMap<string, StoredRows>,
  ) {
    this.name = files[0].name;
    this.config = contents.config;
    this.configJson = contents.configJson;
    this.tokenizer = contents.tokenizer;
    this.generation = contents.generation;
    this.pooling = contents.pooling;
    this.tensors = contents.tensors;
    this.notes = contents.notes;
    this.#files = files;
    this.#stored = stored;
  }

  async readF32(name: string, options: ReadOptions = {}): Promise<Float32Array> {
    const stored = this.#find(name);
    const [begin, end] = this.#range(stored, options.rows);
    return readRows(stored, begin, end, options.signal);
  }

  async readRaw(name: string, options: ReadOptions = {}): Promise<Uint8Array> {
    const stored = this.#find(name);
    const [begin, end] = this.#range(stored, options.rows);
    return readStoredRows(stored, begin, end, options.signal);
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
    for (const file of this.#files) await file.verify?.(undefined, signal);
  }

  async close(): Promise<void> {
    for (const file of this.#files) await file.close();
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
