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
import { decodeBF16, decodeF16, decodeF32 } from "../formats/float-formats.ts";
import { parseGenerationConfig } from "../generation-config.ts";
import { describe, type JsonObject, type LargeParts, parseJsonObject } from "../../json-object.ts";
import { blockModules, describeModel } from "../../architecture/description.ts";
import { parseModelConfig } from "../../architecture/families.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import type { Pooling } from "../pooling.ts";
import type { KeptForm, KeptRows } from "../quantization/kept-form.ts";
import { packedKeptForm, readPackedRows } from "../quantization/kept-packed.ts";
import { parseQuantizationConfig, type QuantizationScheme } from "../quantization/quantization-config.ts";
import { readPooling, withoutHead } from "./pooling-files.ts";
import { INDEX_FILE, readSafetensorsHeader, readSafetensorsRows, type SafetensorsFile } from "./safetensors.ts";
import { parseSafetensorsIndex, type SafetensorsIndex } from "./safetensors-index.ts";
import { joinTensors, type StoredPart } from "./split-tensors.ts";
import { StoredOrders, transposedModules } from "./stored-order.ts";
import { unreadFiles } from "./unread-files.ts";
import { unwrapNames, withEmbedding } from "./wrapped-names.ts";

const TOKENIZER_PARTS: LargeParts = { of: "model", table: "vocab", texts: "merges" };
const SINGLE_FILE = "model.safetensors";

/** The largest sizes read: several times the largest in use. */
const MAX_BYTES = { config: 16 * 2 ** 20, index: 64 * 2 ** 20, tokenizer: 128 * 2 ** 20, template: 4 * 2 ** 20 };

/** Entries of the files and the parts that make up each tensor. */
type Parts = ReadonlyMap<string, readonly StoredPart<SafetensorsFile>[]>;

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

  const configJson = await readJson("config.json", MAX_BYTES.config);
  const notes: string[] = [];
  const parsed = parseModelConfig(configJson, `${folder.name}: config.json`, (note) => notes.push(note));
  const conv1D = transposedModules(describeModel(parsed));
  const quantization = parseQuantizationConfig(
    configJson["quantization_config"],
    `${folder.name}: config.json`,
    (name) => conv1D.has(name),
    (note) => notes.push(note),
  );
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
    const needed = expectedTensors(config, quantization, folder.name).map(({ name }) => name);
    const { tensors: parts, note } = unwrapNames(withEmbedding(stored, config), config.architecture, needed, folder.name);
    if (note !== undefined) notes.push(note);
    const orders = new StoredOrders(describeModel(config));
    const tensors = new Map([...parts].map(([name, entries]) => [name, orders.canonical(tensorInfo(name, entries))]));
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
      parts,
      orders,
      digestsOf(parts, index),
    );
  } catch (error) {
    await closeAll(sourcesOf(stored));
    throw error;
  }
}

async function readFile(folder: Folder, fileName: string, limitBytes: number): Promise<string> {
  const source = await folder.open(fileName);
  try {
    return await readText(source, limitBytes, (message) => new CheckpointError(message));
  } finally {
    await source.close();
  }
}

/**
 * Opens every file with tensors, reads the headers, compares them with the index, and puts split tensors
 * together.
 */
async function openShards(
  folder: Folder,
  files: ReadonlySet<string>,
  index: SafetensorsIndex | undefined,
  signal: AbortSignal | undefined,
): Promise<Parts> {
  const weightMap = index?.weightMap;
  if (weightMap) checkFilesThere(weightMap, files, `${folder.name}: ${INDEX_FILE}`);
  if (!weightMap && !files.has(SINGLE_FILE)) {
    const other = [...files].find((file) => /\.(bin|pth?|gguf|h5)$/.test(file));
    const found = other === undefined ? "no file of weights" : `${other} (a GGUF is opened by its own path)`;
    throw new CheckpointError(`${folder.name}: got ${found}, need ${SINGLE_FILE} or ${INDEX_FILE}`);
  }
  const sources: ByteSource[] = [];
  try {
    const entries: StoredPart<SafetensorsFile>[] = [];
    for (const fileName of weightMap ? new Set(weightMap.values()) : [SINGLE_FILE]) {
      const source = await folder.open(fileName);
      sources.push(source);
      const file = await readSafetensorsHeader(source, signal);
      for (const tensor of file.tensors.values()) {
        const listed = weightMap ? weightMap.get(tensor.name) : fileName;
        if (listed !== fileName) {
          throw new CheckpointError(
            `${source.name}: tensor ${describe(tensor.name)}: got it in this file, need it in ${describe(listed)}, where the index has it`,
          );
        }
        entries.push({ file, tensor });
      }
    }
    checkAllListed(weightMap, entries, `${folder.name}: ${INDEX_FILE}`);
    return joinTensors(entries, folder.name);
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
}

/** Checks that every file is one of the folder's own. */
function checkFilesThere(weightMap: ReadonlyMap<string, string>, files: ReadonlySet<string>, where: string): void {
  for (const [tensor, file] of weightMap) {
    if (files.has(file)) continue;
    throw new CheckpointError(
      `${where}: tensor ${describe(tensor)}: got ${describe(file)}, need a .safetensors file of this folder`,
    );
  }
}

function checkAllListed(
  weightMap: ReadonlyMap<string, string> | undefined,
  entries: readonly StoredPart<SafetensorsFile>[],
  where: string,
): void {
  if (!weightMap || weightMap.size === entries.length) return;
  const found = new Set(entries.map(({ tensor }) => tensor.name));
  const [tensor, file] = [...weightMap].find(([name]) => !found.has(name))!;
  throw new CheckpointError(`${where}: tensor ${describe(tensor)}: got nothing in ${file}, need it there`);
}

/** One entry, or the parts of a split tensor as the one tensor they are. */
function tensorInfo(name: string, parts: readonly StoredPart<SafetensorsFile>[]): TensorInfo {
  const { type, shape } = parts[0]!.tensor;
  const rows = parts.reduce((sum, { tensor }) => sum + (tensor.shape[0] ?? 0), 0);
  return {
    name,
    type,
    shape: parts.length === 1 ? shape : [rows, ...shape.slice(1)],
    bytes: parts.reduce((sum, { tensor }) => sum + tensor.bytes, 0),
    file: [...new Set(parts.map(({ file }) => file.source.name))].join(", "),
  };
}

/** Rows of a tensor as the file has them, from one entry or from the parts it was split into. */
async function readParts(
  parts: readonly StoredPart<SafetensorsFile>[],
  { name, shape, bytes, file }: TensorInfo,
  rows: ReadOptions["rows"],
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (parts.length === 1) return readSafetensorsRows(parts[0]!.file.source, parts[0]!.tensor, rows, signal);

  const [begin, end] = rows ?? [0, shape[0]!];
  if (!(begin >= 0 && begin <= end && end <= shape[0]!)) {
    throw new CheckpointError(`${file}: tensor ${name}: got rows ${begin} to ${end}, need rows within 0 to ${shape[0]}`);
  }
  const rowBytes = bytes / shape[0]!;
  const result = new Uint8Array((end - begin) * rowBytes);
  let first = 0;
  for (const part of parts) {
    const last = first + part.tensor.shape[0]!;
    const [from, to] = [Math.max(begin, first), Math.min(end, last)];
    if (from < to) {
      const piece = await readSafetensorsRows(part.file.source, part.tensor, [from - first, to - first], signal);
      result.set(piece, (from - begin) * rowBytes);
    }
    first = last;
  }
  return result;
}

/** The file each source was opened as -> the digest the index has for it, where it has one. */
function digestsOf(parts: Parts, index: SafetensorsIndex | undefined): ReadonlyMap<ByteSource, string | undefined> {
  const digests = new Map<ByteSource, string | undefined>();
  for (const stored of parts.values()) {
    for (const { file, tensor } of stored) {
      const shard = index?.weightMap.get(tensor.name);
      digests.set(file.source, shard === undefined ? undefined : index?.shards.get(shard)?.sha256);
    }
  }
  return digests;
}

function sourcesOf(parts: Parts): ReadonlySet<ByteSource> {
  return new Set([...parts.values()].flatMap((stored) => stored.map(({ file }) => file.source)));
}

async function closeAll(sources: Iterable<ByteSource>): Promise<void> {
  for (const source of sources) await source.close();
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
  readonly #parts: Parts;
  readonly #orders: StoredOrders;
  readonly #digests: ReadonlyMap<ByteSource, string | undefined>;
  /** in_features by module. */
  #widths: ReadonlyMap<string, number> | undefined;

  constructor(
    fields: Omit<Checkpoint, "format" | "readF32" | "readRaw" | "keptForm" | "readKept" | "startVerifying" | "verify" | "close">,
    parts: Parts,
    orders: StoredOrders,
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
    this.#parts = parts;
    this.#orders = orders;
    this.#digests = digests;
  }

  async readF32(name: string, options: ReadOptions = {}): Promise<Float32Array> {
    const { type, file } = this.#info(name);
    const decode = type === "F32" ? decodeF32 : type === "F16" ? decodeF16 : type === "BF16" ? decodeBF16 : undefined;
    if (!decode) throw new UnsupportedModelError(`${file}: tensor ${name}: got element type ${type}, need F32, F16 or BF16`);
    return decode(await this.readRaw(name, options));
  }

  async readRaw(name: string, { rows, signal }: ReadOptions = {}): Promise<Uint8Array> {
    const info = this.#info(name);
    const parts = this.#parts.get(name)!;
    if (!this.#orders.has(name)) return readParts(parts, info, rows, signal);
    throwIfAborted(signal, `reading tensor ${name}`); // what is kept is given without a read
    const read = (stored: readonly [number, number]) => readParts(parts, info, stored, signal);
    return this.#orders.read(info, rows ?? [0, info.shape[0]!], read);
  }

  keptForm(module: string): KeptForm | undefined {
    const scheme = this.quantization?.linear(module);
    return scheme && packedKeptForm(scheme, this.#inFeatures(module));
  }

  readKept(module: string, options: ReadOptions = {}): Promise<KeptRows> {
    return readPackedRows(this, module, options);
  }

  startVerifying(): void {
    for (const [source, digest] of this.#digests) source.startVerifying?.(digest);
  }

  async verify(signal?: AbortSignal): Promise<void> {
    for (const [source, digest] of this.#digests) await source.verify?.(digest, signal);
  }

  close(): Promise<void> {
    this.#orders.clear();
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
