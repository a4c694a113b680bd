/**
 * A checkpoint as a GGUF: metadata, tensors under the names and in the order of rows that llama.cpp has for
 * the family, written from the first byte to the last.
 *
 * Before anything is written, this package's own reader opens what is going to be: a model that a GGUF would
 * say otherwise is refused by the key that differs.
 */
import type { ByteSource, OutputFile } from "../../checkpoint/byte-source.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { openGgufCheckpoint } from "../../checkpoint/gguf/gguf-checkpoint.ts";
import { checkNoDense, ggufPoolingType } from "../../checkpoint/pooling.ts";
import { ggufSampling } from "../../checkpoint/recommended-sampling.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import { familyOf } from "../../architecture/families.ts";
import { CapabilityError, UnsupportedModelError } from "../../errors.ts";
import { describe } from "../../json-object.ts";
import type { OnProgress } from "../../progress.ts";
import { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { ggufConfig } from "./gguf-config.ts";
import { type GgufArray, type GgufLayout, type GgufScalar, layOutGguf, paddingAfter } from "./gguf-header.ts";
import { ggufVocabulary } from "./gguf-vocabulary.ts";
import { encodeWeights, type ExportType, type GgufWeights, planWeights } from "./gguf-weights.ts";

/** What was written as a GGUF. */
export interface GgufExport {
  /** Tensors in it. */
  readonly tensors: number;
  /** Bytes of it. */
  readonly bytes: number;
  /** Blocks of kept codes whose scale is no float16, and became the nearest one. */
  readonly roundedBlocks: number;
  /** What the file does not have, or has in another type than asked for. */
  readonly notes: readonly string[];
}

interface ExportWork {
  readonly type: ExportType;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

/** `general.file_type` (llama.cpp `include/llama.h`, `enum llama_ftype`). */
const FILE_TYPE: Readonly<Record<ExportType, number>> = { F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q8_0: 7 };
const QUANTIZATION_VERSION = 2;

/**
 * @param output filled, not committed
 * @throws UnsupportedModelError for what a GGUF has no place for; NumericError; CheckpointError;
 *   CapabilityError if there is too little room; AbortError
 */
export async function exportGguf(checkpoint: Checkpoint, output: OutputFile, work: ExportWork): Promise<GgufExport> {
  const { type, signal, onProgress } = work;
  const { config, name } = checkpoint;
  checkNoDense(checkpoint);
  const { architecture, entries, ropeFactors, ropeScaling } = ggufConfig(config, name);
  const weights = planWeights(checkpoint, type, ropeFactors);
  const metadata = new Map<string, GgufScalar | GgufArray>([
    ["general.architecture", ["string", architecture]],
    ["general.type", ["string", "model"]],
    ["general.name", ["string", modelName(name)]],
    ["general.file_type", ["u32", FILE_TYPE[type]]],
    ["general.quantization_version", ["u32", QUANTIZATION_VERSION]],
    ...entries,
    ...ownEntries(checkpoint, architecture),
    ...ggufVocabulary(checkpoint, config.vocabSize),
  ]);
  const layout = layOutGguf(metadata, weights);
  await checkReadsBack(checkpoint, { ...config, ropeScaling }, beginning(layout, weights, output.name));
  await checkRoom(output, layout.totalBytes);

  let [done, roundedBlocks] = [0, 0];
  const write = async (bytes: Uint8Array) => {
    await output.write(bytes);
    done += bytes.length;
    onProgress?.({ phase: "write", done, total: layout.totalBytes, unit: "bytes" });
  };
  await write(layout.header);
  for (const tensor of weights) {
    for await (const { bytes, rounded } of encodeWeights(checkpoint, tensor, signal)) {
      await write(bytes);
      roundedBlocks += rounded;
    }
    await write(new Uint8Array(paddingAfter(tensor.bytes)));
  }
  return { tensors: weights.length, bytes: layout.totalBytes, roundedBlocks, notes: notesOf(checkpoint, weights, type) };
}

/** What a folder or file is called, without what stands before and behind. */
function modelName(name: string): string {
  const last = name.split(/[\\/]/).findLast((part) => part !== "") ?? name;
  return last.replace(/\.gguf$/i, "");
}

function ownEntries({ pooling, generation }: Checkpoint, architecture: string): [string, GgufScalar][] {
  const sampling = ggufSampling(generation.sampling);
  return [
    ...(pooling ? [[`${architecture}.pooling_type`, ["u32", ggufPoolingType(pooling)]] as [string, GgufScalar]] : []),
    ...sampling.map(({ key, value, whole }): [string, GgufScalar] => [key, [whole ? "i32" : "f32", value]]),
  ];
}

async function checkRoom(output: OutputFile, bytes: number): Promise<void> {
  const free = await output.freeBytes?.();
  if (free !== undefined && free < bytes) throw new CapabilityError(`${output.name}: got room for ${free} bytes, need ${bytes}`);
}

/** A number that was stored as float32. */
const STORED_PRECISION = 2 ** -22;

/** @throws UnsupportedModelError naming what a reader of the file would take for something else */
async function checkReadsBack(checkpoint: Checkpoint, config: ModelConfig, file: ByteSource): Promise<void> {
  const read = await openGgufCheckpoint(file);
  const found = { ...read.config, architecture: config.architecture } as ModelConfig;
  if (familyOf(read.config.architecture).gguf!.architecture !== familyOf(config.architecture).gguf!.architecture)
    throw new UnsupportedModelError(
      `${checkpoint.name}: got ${config.architecture}, which would be read as ${read.config.architecture}`,
    );
  for (const key of Object.keys(config) as (keyof ModelConfig)[]) {
    if (key === "headless" || (key === "tiedEmbedding" && config.headless)) continue; // its states are the same
    if (isSame(config[key], found[key])) continue;
    throw new UnsupportedModelError(
      `${checkpoint.name}: ${key}: got ${describe(config[key])}, which a GGUF of ${config.architecture} cannot say: it would be ${describe(found[key])}`,
    );
  }
  checkTokens(checkpoint, read);
}

function isSame(expected: unknown, found: unknown): boolean {
  if (typeof expected === "number" && typeof found === "number")
    return Math.abs(expected - found) <= STORED_PRECISION * Math.abs(expected);
  if (typeof expected !== "object" || typeof found !== "object" || !expected || !found) return expected === found;
  const keys = Object.keys(expected);
  return (
    keys.length === Object.keys(found).length &&
    keys.every((key) => isSame((expected as Record<string, unknown>)[key], (found as Record<string, unknown>)[key]))
  );
}

/** Texts in which ways to cut differ. */
const PROBES = [
  "The year 2024's 1,234,567.89 dollars -- isn't it? I'LL SEE.",
  "def f(x):\n\treturn x**2  # caf\u00e9\n\n\n    print('\u4f60\u597d\u4e16\u754c', \"\u{1f600}\")\r\n",
  "  \u0417\u0434\u0440\u0430\u0432\u0441\u0442\u0432\u0443\u0439 \u00bd \u0664\u0665 na\u00efve e\u0301   ",
];

/** @throws UnsupportedModelError if a text has other ids to a reader of the file */
function checkTokens({ tokenizer, name }: Checkpoint, read: Checkpoint): void {
  if (!tokenizer || !read.tokenizer) return;
  const [own, other] = [new Tokenizer(tokenizer, name), new Tokenizer(read.tokenizer, read.name)];
  for (const text of PROBES) {
    const [expected, found] = [own.encode(text), other.encode(text)];
    if (expected.join() === found.join()) continue;
    throw new UnsupportedModelError(
      `${name}: tokenizer.json: got ids ${expected.join(" ")} for ${describe(text)}, which a GGUF cannot say: they would be ${found.join(" ")}`,
    );
  }
}

/** The file as far as it is known before weights are read. */
function beginning({ header, totalBytes }: GgufLayout, weights: readonly GgufWeights[], name: string): ByteSource {
  const factors = weights.flatMap(({ from }) => (from instanceof Float32Array ? [from] : []));
  const known = new Uint8Array(header.length + factors.reduce((sum, { byteLength }) => sum + byteLength + paddingAfter(byteLength), 0)); // prettier-ignore
  known.set(header);
  let at = header.length;
  for (const values of factors) {
    known.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength + paddingAfter(values.byteLength);
  }
  return {
    name,
    size: totalBytes,
    // A reader may ask for more than the header at once.
    read: (offset, length) => {
      const bytes = new Uint8Array(length);
      bytes.set(known.subarray(offset, offset + length));
      return Promise.resolve(bytes);
    },
    close: () => Promise.resolve(),
  };
}

function notesOf(checkpoint: Checkpoint, weights: readonly GgufWeights[], type: ExportType): string[] {
  const halves = type === "F16" || type === "F32" ? [] : weights.filter(({ type: { name } }) => name === "F16");
  const { quantization, pooling } = checkpoint;
  const isEverywhere = checkpoint.config.attentionWindows.every((size) => size > 0);
  const windows = isEverywhere && "llama.cpp reads no window that all layers have: tokens see all others there";
  const isStatic = quantization !== undefined;
  return [
    ...(halves.length > 0
      ? [`${halves.length} matrices are F16, ${halves[0]!.name} the first: their rows are no multiple of 32`]
      : []),
    ...(windows ? [windows] : []),
    ...(isStatic ? ["scales of activations and of the cache are left out: whoever runs the file makes their own"] : []),
    ...(pooling && Object.keys(pooling.prompts).length > 0 ? ["prompts of the texts to embed are left out"] : []),
    ...(pooling && !pooling.normalize ? ["llama.cpp divides vectors by their length unless it is told not to"] : []),
  ];
}
