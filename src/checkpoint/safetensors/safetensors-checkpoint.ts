/**
 * A Hugging Face model folder as a checkpoint: `config.json`, `model.safetensors` or shards with an index,
 * and the tokenizer's files.
 *
 * Everything is checked when the folder is opened (headers, index, names, shapes, types); tensors are read
 * later, by rows.
 */
import { CheckpointError, throwIfAborted, UnsupportedModelError } from "../../errors.ts";
import { type ByteSource, type Folder, readText } from "../byte-source.ts";
import type { Checkpoint, GenerationConfig, ReadOptions, TensorInfo, TokenizerFiles } from "../checkpoint.ts";
import { checkTensors, expectedTensors } from "../expected-tensors.ts";
import { floatDecoder } from "../formats/float-formats.ts";
import { parseGenerationConfig } from "../generation-config.ts";
import { type JsonObject, type LargeParts, parseJsonObject } from "../../json-object.ts";
import { blockModules, describeModel } from "../../architecture/description.ts";
import { familyOf, parseModelConfig } from "../../architecture/families.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import { checkOnlineTransforms } from "../../architecture/online-transforms.ts";
import { textPartOf } from "../../architecture/text-part.ts";
import type { DenseWeights, Pooling } from "../pooling.ts";
import type { KeptForm, KeptRows } from "../quantization/kept-form.ts";
import { packedKeptForm, readPackedRows } from "../quantization/kept-packed.ts";
import { IntegerModules, type ReadTensor } from "../quantization/integer-modules.ts";
import { parseIntegerConfig } from "../quantization/integer-scheme.ts";
import { parseQuantizationConfig, type QuantizationScheme } from "../quantization/quantization-config.ts";
import { readDense } from "./dense-files.ts";
import { IntegerTensors } from "./integer-tensors.ts";
import { readPooling, withoutHead } from "./pooling-files.ts";
import { INDEX_FILE } from "./safetensors.ts";
import { parseSafetensorsIndex } from "./safetensors-index.ts";
import { closeAll, digestsOf, openShards, type Parts, readParts, SINGLE_FILE, sourcesOf, tensorInfo } from "./shards.ts";
import { StoredOrders, transposedModules } from "./stored-order.ts";
import { unreadFiles } from "./unread-files.ts";
import { unwrapNames, withEmbedding } from "./wrapped-names.ts";

const TOKENIZER_PARTS: LargeParts = { of: "model", table: "vocab", texts: "merges" };

/** The largest sizes read: several times the largest in use. */
const MAX_BYTES = { config: 16 * 2 ** 20, index: 64 * 2 ** 20, tokenizer: 128 * 2 ** 20, template: 4 * 2 ** 20 };

/**
 * Opens a folder and checks that it holds a whole model. Close the result.
 *
 * @throws CheckpointError if a file is missing, corrupt or does not fit the others;
 *   UnsupportedModelError for an architecture, element type or quantization that is not supported
 */
export async function openSafetensorsCheckpoint(folder: Folder, signal?: AbortSignal): Promise<Checkpoint> {
  const files = new Set(await folder.list());
  if (!files.has("config.json")) throw new CheckpointError(`${folder.name}: config.json is missing: not a model folder`);
  const readJson = async (fileName: string, limit: number, large?: LargeParts) =>
    parseJsonObject(await readFile(folder, fileName, limit), `${folder.name}: ${fileName}`, large);
  const readJsonIfThere = async (...file: Parameters<typeof readJson>) => (files.has(file[0]) ? readJson(...file) : undefined);

  const wholeJson = await readJson("config.json", MAX_BYTES.config);
  const textPart = textPartOf(wholeJson, `${folder.name}: config.json`);
  const configJson = textPart?.json ?? wholeJson;
  const notes: string[] = textPart ? [textPart.note] : [];
  const ownConfig = parseModelConfig(configJson, `${folder.name}: config.json`, (note) => notes.push(note));
  const conv1D = transposedModules(describeModel(ownConfig));
  const where = `${folder.name}: config.json`;
  const quantizationJson = configJson["quantization_config"];
  const oneScheme = parseIntegerConfig(quantizationJson, where, (note) => notes.push(note));
  const quantization = oneScheme
    ? undefined
    : parseQuantizationConfig(
        quantizationJson,
        where,
        (name) => conv1D.has(name),
        (note) => notes.push(note),
      );
  const parsed = withOnlineTransforms(ownConfig, quantization, where);
  const generationJson = await readJsonIfThere("generation_config.json", MAX_BYTES.config);
  const generation = parseGenerationConfig(generationJson, configJson, (note) => notes.push(`${folder.name}: ${note}`));
  const tokenizerJson = await readJsonIfThere("tokenizer.json", MAX_BYTES.tokenizer, TOKENIZER_PARTS);
  const tokenizerConfig = (await readJsonIfThere("tokenizer_config.json", MAX_BYTES.tokenizer)) ?? {};
  if (files.has("chat_template.jinja")) {
    tokenizerConfig["chat_template"] = await readFile(folder, "chat_template.jinja", MAX_BYTES.template);
  }
  const indexJson = files.has(SINGLE_FILE) ? undefined : await readJsonIfThere(INDEX_FILE, MAX_BYTES.index);
  const index = indexJson && parseSafetensorsIndex(indexJson, `${folder.name}: ${INDEX_FILE}`);

  notes.push(...unreadFiles(files, index && new Set(index.weightMap.values())).map((note) => `${folder.name}: ${note}`));
  const pooling = await readPooling(folder.name, files, configJson, (fileName) => readFile(folder, fileName, MAX_BYTES.config));
  const stored = await openShards(folder, files, index, signal);
  try {
    const config = pooling ? withoutHead(parsed, stored.keys()) : parsed;
    const description = describeModel(config);
    const integers = new IntegerTensors(description, folder.name, quantization, oneScheme);
    const needed = expectedTensors(config, quantization, folder.name).flatMap(({ name }) =>
      integers.mayHave(name) ? [] : [name],
    );
    const own = textPart ? new Map([...stored].filter(([name]) => !textPart.isOther(name))) : stored;
    const { tensors: parts, note } = unwrapNames(withEmbedding(own, config), config.architecture, needed, folder.name);
    if (note !== undefined) notes.push(note);
    const orders = new StoredOrders(description);
    const entries = new Map([...parts].map(([name, entry]) => [name, orders.canonical(tensorInfo(name, entry))]));
    const read: ReadTensor = (name, { rows, signal: stop }) => readParts(parts.get(name)!, entries.get(name)!, rows, stop);
    const modules = new IntegerModules(integers.find(entries), read);
    const tensors = integers.views(
      await integers.withoutEmptyBiases(entries, modules, read, (text) => notes.push(text)),
      modules,
    );
    notes.push(...checkTensors(tensors, config, quantization, folder.name));
    const tokenizer = tokenizerJson && { tokenizerJson, tokenizerConfig };
    return new SafetensorsCheckpoint(
      {
        name: folder.name,
        config,
        configJson,
        quantization,
        tokenizer,
        generation,
        pooling,
        tensors,
        notes,
      },
      { folder, parts, orders, integers: modules },
      digestsOf(parts, index),
    );
  } catch (error) {
    await closeAll(sourcesOf(stored));
    throw error;
  }
}

/** @throws CheckpointError for one that such a model cannot have */
function withOnlineTransforms(config: ModelConfig, quantization: QuantizationScheme | undefined, where: string): ModelConfig {
  if (!quantization?.online) return config;
  checkOnlineTransforms(quantization.online, config, `${where}: quantization_config: transform_config`);
  return { ...config, online: quantization.online };
}

function normsLessOne(config: ModelConfig): ReadonlySet<string> {
  if (familyOf(config.architecture).storedNorms !== "less_one") return new Set();
  const norms = expectedTensors(config, undefined, "norms").filter(({ role }) => role === "norm");
  return new Set(norms.map(({ name }) => name));
}

async function readFile(folder: Folder, fileName: string, limitBytes: number): Promise<string> {
  const source = await folder.open(fileName);
  try {
    return await readText(source, limitBytes, (message) => new CheckpointError(message));
  } finally {
    await source.close();
  }
}

class SafetensorsCheckpoint implements Checkpoint {
  readonly format = "safetensors";
  readonly name: string;
  readonly config: ModelConfig;
  readonly configJson: JsonObject;
  readonly quantization: QuantizationScheme | undefined;
  readonly tokenizer: TokenizerFiles | undefined;
  readonly generation: GenerationConfig;
  readonly pooling: Pooling | undefined;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly notes: readonly string[];
  readonly #folder: Folder;
  readonly #parts: Parts;
  readonly #orders: StoredOrders;
  readonly #integers: IntegerModules;
  /** Weights of norms that are stored less 1. */
  readonly #lessOne: ReadonlySet<string>;
  readonly #digests: ReadonlyMap<ByteSource, string | undefined>;
  /** in_features by module. */
  #widths: ReadonlyMap<string, number> | undefined;

  constructor(
    fields: Omit<
      Checkpoint,
      | "format"
      | "readF32"
      | "readRaw"
      | "keptForm"
      | "readKept"
      | "readKeptOrder"
      | "readDense"
      | "startVerifying"
      | "verify"
      | "close"
    >,
    { folder, parts, orders, integers }: { folder: Folder; parts: Parts; orders: StoredOrders; integers: IntegerModules },
    digests: ReadonlyMap<ByteSource, string | undefined>,
  ) {
    this.name = fields.name;
    this.config = fields.config;
    this.configJson = fields.configJson;
    this.quantization = fields.quantization;
    this.tokenizer = fields.tokenizer;
    this.generation = fields.generation;
    this.pooling = fields.pooling;
    this.tensors = fields.tensors;
    this.notes = fields.notes;
    this.#folder = folder;
    this.#parts = parts;
    this.#orders = orders;
    this.#integers = integers;
    this.#digests = digests;
    this.#lessOne = normsLessOne(fields.config);
  }

  async readF32(name: string, options: ReadOptions = {}): Promise<Float32Array> {
    const { type, file } = this.#info(name);
    const module = this.#integers.ofTensor(name);
    if (module) return this.#integers.readF32(module, options);
    const decode = floatDecoder(type);
    if (!decode) throw new UnsupportedModelError(`${file}: tensor ${name}: got element type ${type}, need F32, F16 or BF16`);
    const values = decode(await this.readRaw(name, options));
    if (this.#lessOne.has(name)) for (let i = 0; i < values.length; i++) values[i]! += 1;
    return values;
  }

  async readRaw(name: string, { rows, signal }: ReadOptions = {}): Promise<Uint8Array> {
    const info = this.#info(name);
    if (this.#integers.ofTensor(name)) {
      throw new CheckpointError(
        `${info.file}: tensor ${name}: got ${info.type} of several tensors, need one with bytes of its own`,
      );
    }
    const parts = this.#parts.get(name)!;
    if (!this.#orders.has(name)) return readParts(parts, info, rows, signal);
    throwIfAborted(signal, `reading tensor ${name}`); // what is kept is given without a read
    const read = (stored: readonly [number, number]) => readParts(parts, info, stored, signal);
    return this.#orders.read(info, rows ?? [0, info.shape[0]!], read);
  }

  keptForm(module: string): KeptForm | undefined {
    const integers = this.#integers.get(module);
    if (integers) return this.#integers.keptForm(integers);
    const scheme = this.quantization?.linear(module);
    return scheme && packedKeptForm(scheme, this.#inFeatures(module));
  }

  readKept(module: string, options: ReadOptions = {}): Promise<KeptRows> {
    const integers = this.#integers.get(module);
    return integers ? this.#integers.readKept(integers, options) : readPackedRows(this, module, options);
  }

  async readKeptOrder(module: string, signal?: AbortSignal): Promise<Int32Array | undefined> {
    const integers = this.#integers.get(module);
    return integers && this.#integers.readOrder(integers, signal);
  }

  readDense(signal?: AbortSignal): Promise<readonly DenseWeights[]> {
    return readDense(this.#folder, this.pooling?.dense ?? [], this.config.hiddenSize, signal);
  }

  startVerifying(): void {
    for (const [source, digest] of this.#digests) source.startVerifying?.(digest);
  }

  async verify(signal?: AbortSignal): Promise<void> {
    for (const [source, digest] of this.#digests) await source.verify?.(digest, signal);
  }

  close(): Promise<void> {
    this.#orders.clear();
    this.#integers.clear();
    return closeAll(sourcesOf(this.#parts));
  }

  /** By the configuration, which shapes were compared with when the folder was opened. */
  #inFeatures(module: string): number {
    if (!this.#widths) {
      const description = describeModel(this.config);
      const modules = [description.embedding, description.head ?? [], blockModules(description)].flat();
      this.#widths = new Map(modules.map(({ name, inFeatures }) => [name, inFeatures]));
    }
    return this.#widths.get(module) ?? 0;
  }

  #info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (!info) throw new CheckpointError(`${this.name}: tensor ${name} is missing`);
    return info;
  }
}
