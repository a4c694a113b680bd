/**
 * The transform between a float model and one that was quantized from it, found again from both: a checkpoint
 * does not store it.
 *
 *   norm      s = w_float / w_quantized, exactly, so that W * s undoes whatever equalization and training did
 *   fold      the factor of a row, <W_quantized, W> / <W, W>, by least squares over the rounded weights;
 *             those of a layer are taken for powers of two, which folds use, if all are within a tenth of one
 *
 * The float model computes the same with any such factors, so an error in them changes only how well its
 * inputs fit the quantized model's scales.
 */
import { type Block, describeModel, type LinearInput, precedingNorm } from "../../architecture/description.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import type { Checkpoint } from "../../checkpoint/checkpoint.ts";
import { readWeights } from "../../checkpoint/quantization/read-weights.ts";
import { CheckpointError, throwIfAborted, UnsupportedModelError } from "../../errors.ts";
import type { Work } from "../../host/work.ts";
import { equalization } from "./equalize.ts";
import { type Fold, foldObstacle, FOLDS, foldedRows, foldWith, turningWith } from "./fold.ts";
import { joinTransforms, multiply, type Transform } from "./transform.ts";

/** Rows compared at a time hold about this many values. */
const BLOCK_ELEMENTS = 1 << 20;
/** How far the logarithm of a power of two may be off by rounded weights; between two of them it is 0.5. */
const POWER_TOLERANCE = 0.14;
/**
 * Rounding to 4 bits leaves errors of a few hundredths of the mean square, to 2 bits of a tenth; weights that
 * have nothing to do with each other differ by 1.
 */
const LARGEST_ERROR = 0.5;

/**
 * @param base the float model
 * @param quantized made of it; of the same sizes
 * @throws UnsupportedModelError if the weights of a module are not those of the base, rounded and multiplied
 *   by factors; CheckpointError; AbortError
 */
export async function fitTransform(
  base: Checkpoint,
  quantized: Checkpoint,
  { signal, onProgress }: Pick<Work, "signal" | "onProgress">,
): Promise<Transform> {
  const { blocks, config } = describeModel(base.config);
  const layers: Transform[] = [];
  for (const block of blocks) {
    throwIfAborted(signal, `comparing ${block.name}`);
    layers.push(await fitBlock(base, quantized, config, block));
    onProgress?.({ phase: "compare weights", done: layers.length, total: blocks.length, unit: "layers" });
  }
  return joinTransforms(layers);
}

async function fitBlock(base: Checkpoint, quantized: Checkpoint, config: ModelConfig, block: Block): Promise<Transform> {
  let transform: Transform = { modules: new Map(), norms: new Map() };
  // In the order data flows: what an input's rows were multiplied by stands in the columns of a later one.
  for (const input of block.inputs) {
    if (precedingNorm(input)) {
      transform = joinTransforms([transform, equalization(input, await normFactors(base, quantized, input))]);
    }
    const rows = await compareRows(base, quantized, input, transform);
    const folds = FOLDS.filter(
      (fold) => foldObstacle(fold, config) === undefined && foldedRows(config, block, fold).input === input,
    );
    const found = folds.map((fold) => foldWith(config, block, fold, fitFold(rows, config, block, fold)));
    transform = joinTransforms([transform, ...found]);
    checkRows(rows, input, transform, [quantized.name, base.name]);
  }
  return transform;
}

/** What a norm's weights were divided by, f32[K]. */
async function normFactors(base: Checkpoint, quantized: Checkpoint, input: LinearInput): Promise<Float32Array> {
  const { weight } = precedingNorm(input)!;
  const [float, other] = [await base.readF32(weight), await quantized.readF32(weight)];
  return float.map((value, channel) => {
    const divisor = other[channel]!;
    if (value === divisor) return 1; // both may be 0
    if (value !== 0 && divisor !== 0) return value / divisor;
    throw new CheckpointError(
      `${quantized.name}: ${weight}: channel ${channel}: got ${divisor}, need 0 where ${base.name} has it only`,
    );
  });
}

/** Sums over each row of an input's modules, as they are fused: f64[N]. */
interface RowSums {
  /** <quantized, base> */
  readonly products: Float64Array;
  /** <base, base> */
  readonly base: Float64Array;
  /** <quantized, quantized> */
  readonly quantized: Float64Array;
}

/** @param transform what is known of it; the columns of this input among it */
async function compareRows(
  base: Checkpoint,
  quantized: Checkpoint,
  { modules, width: K }: LinearInput,
  transform: Transform,
): Promise<RowSums> {
  const N = modules.reduce((sum, { outFeatures }) => sum + outFeatures, 0);
  const sums = { products: new Float64Array(N), base: new Float64Array(N), quantized: new Float64Array(N) };
  const step = Math.max(1, Math.floor(BLOCK_ELEMENTS / K));
  let firstRow = 0;
  for (const module of modules) {
    const columns = transform.modules.get(module.name)?.columns;
    for (let begin = 0; begin < module.outFeatures; begin += step) {
      const rows = [begin, Math.min(module.outFeatures, begin + step)] as const;
      const [float, rounded] = [await readWeights(base, module, { rows }), await readWeights(quantized, module, { rows })];
      multiply(float, { columns }, K);
      for (let i = 0; i < float.length; i++) {
        const row = firstRow + begin + Math.floor(i / K);
        sums.products[row]! += rounded[i]! * float[i]!;
        sums.base[row]! += float[i]! ** 2;
        sums.quantized[row]! += rounded[i]! ** 2;
      }
    }
    firstRow += module.outFeatures;
  }
  return sums;
}

/** What a fold divided its rows by, f32[rows]. */
function fitFold({ products, base }: RowSums, config: ModelConfig, block: Block, fold: Fold): Float32Array {
  const { firstRow, rows } = foldedRows(config, block, fold);
  const fitted = Float32Array.from({ length: rows }, (_, c) => {
    const pair = fold === "key" ? [...new Set([c, turningWith(c, config, block)])] : [c];
    const sum = (values: Float64Array) => pair.reduce((total, row) => total + values[firstRow + row]!, 0);
    const factor = sum(products) / sum(base);
    return factor > 0 && factor < Infinity ? 1 / factor : 1;
  });
  const powers = fitted.map((factor) => 2 ** Math.round(Math.log2(factor)));
  const isPower = fitted.every((factor, c) => Math.abs(Math.log2(factor / powers[c]!)) <= POWER_TOLERANCE);
  return isPower ? powers : fitted;
}

/** @param names of the quantized model and of the base */
function checkRows(sums: RowSums, { modules }: LinearInput, transform: Transform, names: readonly [string, string]): void {
  let firstRow = 0;
  for (const { name, outFeatures: N } of modules) {
    const rows = transform.modules.get(name)?.rows;
    let [error, size] = [0, 0];
    for (let n = 0; n < N; n++) {
      const [factor, row] = [rows?.[n] ?? 1, firstRow + n];
      error += sums.quantized[row]! - 2 * factor * sums.products[row]! + factor ** 2 * sums.base[row]!;
      size += sums.quantized[row]!;
    }
    if (error > LARGEST_ERROR * size) {
      throw new UnsupportedModelError(
        `${names[0]}: ${name}: got weights that differ from those of ${names[1]} by ${(error / size).toFixed(2)} of their ` +
          `mean square, need the same ones, rounded and multiplied by factors of rows and columns`,
      );
    }
    firstRow += N;
  }
}
