/**
 * A model with 4-bit symmetric weights as compressed-tensors writes it for vLLM: the same codes and scales,
 * and none of what vLLM has no kernel for. Static scales of activations and of the cache are left out,
 * embedding and head are float16; equalization is part of weights and norms already.
 */
import { blockModules, describeModel, type LinearModule } from "../../architecture/description.ts";
import { familyOf } from "../../architecture/families.ts";
import { tensorsOf } from "../../architecture/tensors.ts";
import type { OutputFolder } from "../../checkpoint/byte-source.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { writeJson, writeTextFiles } from "../../checkpoint/folder-files.ts";
import { encodeBF16, encodeF16 } from "../../checkpoint/formats/float-formats.ts";
import { checkNoDense, poolingJson } from "../../checkpoint/pooling.ts";
import { lowRank } from "../../checkpoint/quantization/low-rank.ts";
import { unpackInt32 } from "../../checkpoint/quantization/pack-quantized.ts";
import type { LinearScheme } from "../../checkpoint/quantization/quantization-config.ts";
import { buildQuantizationConfig } from "../../checkpoint/quantization/quantization-config-builder.ts";
import { readWeights } from "../../checkpoint/quantization/read-weights.ts";
import { SafetensorsWriter, type TensorPlan } from "../../checkpoint/safetensors/safetensors-writer.ts";
import { NumericError, throwIfAborted, UnsupportedModelError } from "../../errors.ts";
import type { OnProgress } from "../../progress.ts";

/** What was written as a folder. */
export interface FolderExport {
  /** Tensors in it. */
  readonly tensors: number;
  /** Bytes of the tensors. */
  readonly bytes: number;
  /** What other readers may not take, or the folder does not have. */
  readonly notes: readonly string[];
}

interface ViewWork {
  /** A byte for each code, and activations of 8 bits. */
  readonly unpacked: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

type ScaleType = "F32" | "F16" | "BF16";

/** A module whose codes are kept. */
interface CodedModule {
  readonly module: LinearModule;
  readonly groupSize: number;
  readonly scaleType: ScaleType;
}

/** Groups that vLLM has kernels for. */
const USUAL_GROUPS = new Set([32, 64, 128]);
/** Codes read at once. */
const CHUNK = 2 ** 20;
/** From here on the nearest float16 is infinity. */
const F16_LIMIT = 65_520;

/**
 * @param output filled, not committed
 * @throws UnsupportedModelError for other weights, and for what compressed-tensors does not say;
 *   NumericError; CheckpointError; AbortError
 */
export async function exportView(checkpoint: Checkpoint, output: OutputFolder, work: ViewWork): Promise<FolderExport> {
  const { config, configJson, pooling, name } = checkpoint;
  const description = describeModel(config);
  checkFamily(checkpoint);
  checkNoDense(checkpoint);
  const coded = new Map<string, CodedModule>();
  for (const module of blockModules(description)) coded.set(module.name, await codedModule(checkpoint, module, work.signal));
  const { head, embedding } = description;
  const schemes = new Map<string, LinearScheme | undefined>();
  for (const { module, groupSize } of coded.values()) {
    const isChannel = groupSize === module.inFeatures && !USUAL_GROUPS.has(groupSize);
    schemes.set(module.name, {
      weights: "int4",
      groupSize: isChannel ? "channel" : groupSize,
      activations: { kind: work.unpacked ? "dynamic" : "none" },
    });
  }
  if (head && head !== embedding) schemes.set(head.name, undefined);

  const plans = planTensors(checkpoint, coded, work.unpacked);
  const writer = new SafetensorsWriter(output, [...plans.values()].flat());
  let done = 0;
  for (const source of plans.keys()) {
    throwIfAborted(work.signal, "export");
    const found = coded.get(source.replace(/\.weight$/, ""));
    if (found) await writeCodes(checkpoint, writer, found, work);
    else await writeFloats(checkpoint, writer, plans.get(source)![0]!, work.signal);
    work.onProgress?.({ phase: "write", done: ++done, total: plans.size, unit: "tensors" });
  }
  await writer.finish();
  const { quantization_config: _, fptq: __, ...own } = configJson;
  await writeJson(output, "config.json", {
    ...own,
    quantization_config: buildQuantizationConfig(schemes, { kvCache: "f32", unpacked: work.unpacked }),
    ...(pooling && { fptq: poolingJson(pooling) }),
  });
  await writeTextFiles(output, checkpoint);

  const groups = [...new Set([...coded.values()].map(({ groupSize }) => groupSize))];
  const unusual = groups.filter((size) => !USUAL_GROUPS.has(size));
  return {
    tensors: [...plans.values()].flat().length,
    bytes: writer.totalBytes,
    notes: [
      ...(unusual.length > 0
        ? [`${name}: got groups of ${unusual.join(", ")} weights; vLLM's kernels are for 32, 64 and 128`]
        : []),
      ...(checkpoint.quantization ? ["static scales of activations and of the cache are left out"] : []),
    ],
  };
}

function checkFamily({ config, name, tensors }: Checkpoint): void {
  const { className, storedOrder } = familyOf(config.architecture);
  if (storedOrder)
    throw new UnsupportedModelError(
      `${name}: got ${className}, whose weights have an order of their own, need a family of plain linears`,
    );
  if (config.online)
    throw new UnsupportedModelError(`${name}: got online transforms, need a model without: only fptq computes them`);
  const term = blockModules(describeModel(config)).find((module) => lowRank(tensors, module) > 0);
  if (term)
    throw new UnsupportedModelError(`${name}: ${term.name}: got a low-rank term beside its weights, need a model without`);
}

async function codedModule(checkpoint: Checkpoint, module: LinearModule, signal: AbortSignal | undefined): Promise<CodedModule> {
  const form = checkpoint.keptForm(module.name);
  const what = `${checkpoint.name}: ${module.name}`;
  if (form?.form !== "qb4w")
    throw new UnsupportedModelError(
      `${what}: got ${form ? `weights of the form ${form.form}` : "floats"}, need 4-bit symmetric weights`,
    );
  if (await checkpoint.readKeptOrder?.(module.name, signal))
    throw new UnsupportedModelError(`${what}: got columns in an order by group, need them in their own`);
  const stored = checkpoint.tensors.get(`${module.name}.weight_scale`)?.type;
  const isQ4 = checkpoint.tensors.get(`${module.name}.weight`)?.type === "Q4_0";
  return { module, groupSize: form.groupSize, scaleType: isQ4 ? "F16" : stored === "F16" || stored === "BF16" ? stored : "F32" };
}

/** The tensors of the folder, by the one of the plain model they stand for. */
function planTensors(
  { config }: Checkpoint,
  coded: ReadonlyMap<string, CodedModule>,
  unpacked: boolean,
): Map<string, readonly TensorPlan[]> {
  const description = describeModel(config);
  const halves = new Set([description.embedding, description.head ?? []].flat().map(({ name }) => `${name}.weight`));
  const plans = new Map<string, readonly TensorPlan[]>();
  for (const { name, shape } of tensorsOf(description, { storage: () => undefined, rank: () => 0, kvCache: false })) {
    const module = name.replace(/\.weight$/, "");
    const found = name.endsWith(".weight") ? coded.get(module) : undefined;
    if (!found) {
      plans.set(name, [{ name, type: halves.has(name) ? "F16" : "F32", shape }]);
      continue;
    }
    const [N, K] = shape as [number, number];
    const scale = { name: `${module}.weight_scale`, type: found.scaleType, shape: [N, K / found.groupSize] };
    const packed: TensorPlan[] = [
      { name: `${module}.weight_packed`, type: "I32", shape: [N, Math.ceil(K / 8)] },
      { name: `${module}.weight_shape`, type: "I64", shape: [2] },
    ];
    plans.set(name, unpacked ? [{ name, type: "I8", shape }, scale] : [...packed, scale]);
  }
  return plans;
}

async function writeCodes(
  checkpoint: Checkpoint,
  writer: SafetensorsWriter,
  { module, scaleType }: CodedModule,
  { unpacked, signal }: ViewWork,
): Promise<void> {
  const { name, outFeatures: N, inFeatures: K } = module;
  const rowsAtOnce = Math.max(1, Math.floor(CHUNK / K));
  for (let begin = 0; begin < N; begin += rowsAtOnce) {
    const rows = [begin, Math.min(N, begin + rowsAtOnce)] as const;
    const { arrays } = await checkpoint.readKept(name, { rows, signal });
    const [words, scales] = arrays as [Int32Array, Float32Array];
    checkFinite(scales, `${checkpoint.name}: scales of ${name}`, Infinity);
    await (unpacked
      ? writer.write(`${name}.weight`, codesOf(words, rows[1] - rows[0], K))
      : writer.write(`${name}.weight_packed`, words));
    const encode = scaleType === "F16" ? encodeF16 : scaleType === "BF16" ? encodeBF16 : (values: Float32Array) => values;
    await writer.write(`${name}.weight_scale`, encode(scales));
  }
  if (!unpacked) await writer.write(`${name}.weight_shape`, BigInt64Array.of(BigInt(N), BigInt(K)));
}

/** Rows end in whole words; int8 ones do not. */
function codesOf(words: Int32Array, rows: number, K: number): Int8Array {
  const all = unpackInt32(words, "int4");
  const padded = all.length / rows;
  if (padded === K) return all;
  const codes = new Int8Array(rows * K);
  for (let row = 0; row < rows; row++) codes.set(all.subarray(row * padded, row * padded + K), row * K);
  return codes;
}

async function writeFloats(
  checkpoint: Checkpoint,
  writer: SafetensorsWriter,
  { name, type, shape }: TensorPlan,
  signal: AbortSignal | undefined,
): Promise<void> {
  const isLessOne = familyOf(checkpoint.config.architecture).storedNorms === "less_one" && isNorm(checkpoint, name);
  const columns = shape.slice(1).reduce((product, size) => product * size, 1);
  const rowsAtOnce = Math.max(1, Math.floor(CHUNK / columns));
  const module = { name: name.replace(/\.weight$/, ""), inFeatures: columns };
  for (let begin = 0; begin < shape[0]!; begin += rowsAtOnce) {
    const rows = [begin, Math.min(shape[0]!, begin + rowsAtOnce)] as const;
    const read = type === "F16" ? readWeights(checkpoint, module, { rows, signal }) : checkpoint.readF32(name, { rows, signal });
    const values = await read;
    checkFinite(values, `${checkpoint.name}: tensor ${name}`, type === "F16" ? F16_LIMIT : Infinity);
    const stored = isLessOne ? values.map((value) => value - 1) : values;
    await writer.write(name, type === "F16" ? encodeF16(stored) : stored);
  }
}

function isNorm({ config }: Checkpoint, name: string): boolean {
  const all = tensorsOf(describeModel(config), { storage: () => undefined, rank: () => 0, kvCache: false });
  return all.some((tensor) => tensor.name === name && tensor.role === "norm");
}

function checkFinite(values: Float32Array, what: string, limit: number): void {
  for (let i = 0; i < values.length; i++) {
    if (Math.abs(values[i]!) < limit) continue;
    throw new NumericError(`${what}: got ${values[i]}, need finite numbers${limit < Infinity ? ` below ${limit}` : ""}`);
  }
}
