/** One linear module whose weights another program stored as integers: its tensors, checked. */
import type { LinearModule } from "../../architecture/description.ts";
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { TensorInfo, TensorType } from "../checkpoint.ts";
import { groupColumns, type IntegerScheme } from "./integer-scheme.ts";
import type { KeptForm } from "./kept-form.ts";

export interface IntegerModule {
  readonly name: string;
  readonly scheme: IntegerScheme;
  readonly N: number;
  readonly K: number;
  /** Columns that share a scale; K / G groups. */
  readonly G: number;
  readonly codes: TensorInfo;
  readonly scales: TensorInfo;
  readonly zeros: TensorInfo | undefined;
  /** i32[K], the group of each column. */
  readonly groupIndex: TensorInfo | undefined;
  /** All tensors of the file that are its weights. */
  readonly tensors: readonly TensorInfo[];
}

type Tensors = ReadonlyMap<string, TensorInfo>;

const FLOATS: ReadonlySet<TensorType> = new Set<TensorType>(["F16", "BF16", "F32"]);
/** The longest group of kernels with zero points (`WEIGHT_FORMS`). */
const MOST_ZERO_POINT_GROUP = 4096;

/**
 * Finds the tensors of a module.
 *
 * @param where for messages about what is missing
 * @throws CheckpointError if one is missing or has another shape than the configuration says;
 *   UnsupportedModelError for another element type, or a module whose rows lie in another order
 */
export function findIntegerModule(
  tensors: Tensors,
  { name, outFeatures: N, inFeatures: K, storedOrder }: LinearModule,
  scheme: IntegerScheme,
  where: string,
): IntegerModule {
  if (storedOrder === "by_head") {
    throw new UnsupportedModelError(`${where}: ${name}: got ${scheme.layout} weights by heads, need floats or packed weights`);
  }
  const G = groupColumns(scheme, K, `${where}: ${name}`);
  const need = new ModuleTensors(tensors, name, where);
  const { codes, scales, zeros } = scheme.layout === "gptq" || scheme.layout === "awq" ? byColumns(need, scheme, N, K, G) : byRows(need, scheme, N, K, G); // prettier-ignore
  const isGptq = scheme.layout === "gptq";
  const indexName = isGptq ? "g_idx" : "weight_g_idx";
  const groupIndex = scheme.anyOrder || (isGptq && need.has(indexName)) ? need.find(indexName, [K], "I32") : undefined;
  return { name, scheme, N, K, G, codes, scales, zeros, groupIndex, tensors: need.found };
}

interface Parts {
  readonly codes: TensorInfo;
  readonly scales: TensorInfo;
  readonly zeros: TensorInfo | undefined;
}

/** GPTQ and AWQ: in_features outside. */
function byColumns(need: ModuleTensors, { layout, bits }: IntegerScheme, N: number, K: number, G: number): Parts {
  const codesInWord = 32 / bits;
  const isGptq = layout === "gptq";
  for (const [size, of] of [
    [K, "in_features"],
    [isGptq ? 0 : N, "out_features"],
  ] as const) {
    // prettier-ignore
    if (size % codesInWord !== 0)
      throw new UnsupportedModelError(`${need.where}: got ${size} ${of}, need a multiple of ${codesInWord}`);
  }
  return {
    codes: need.find("qweight", isGptq ? [K / codesInWord, N] : [K, N / codesInWord], "I32"),
    zeros: need.find("qzeros", [K / G, Math.ceil(N / codesInWord)], "I32"),
    scales: need.find("scales", [K / G, N]),
  };
}

/** compressed-tensors: out_features outside. */
function byRows(need: ModuleTensors, scheme: IntegerScheme, N: number, K: number, G: number): Parts {
  const { layout, bits, groupSize, symmetric } = scheme;
  const isPacked = layout === "packed";
  const codesInWord = 32 / bits;
  const shape = groupSize === "tensor" ? [1] : [N, K / G];
  const packedZeros = isPacked && groupSize !== "tensor";
  const zeroShape = packedZeros ? [Math.ceil(N / codesInWord), K / G] : shape;
  if (isPacked) need.find("weight_shape", [2], "I64");
  return {
    codes: isPacked ? need.find("weight_packed", [N, Math.ceil(K / codesInWord)], "I32") : need.find("weight", [N, K], "I8"),
    scales: need.find("weight_scale", shape),
    zeros: symmetric ? undefined : need.find("weight_zero_point", zeroShape, packedZeros ? "I32" : "I8"),
  };
}

/** Tensors of a module by what follows its name. */
class ModuleTensors {
  readonly found: TensorInfo[] = [];
  readonly where: string;
  readonly #tensors: Tensors;
  readonly #file: string;
  readonly #module: string;

  constructor(tensors: Tensors, module: string, file: string) {
    this.where = `${file}: ${module}`;
    this.#tensors = tensors;
    this.#file = file;
    this.#module = module;
  }

  has(kind: string): boolean {
    return this.#tensors.has(`${this.#module}.${kind}`);
  }

  /** @param type floats by default */
  find(kind: string, shape: readonly number[], type?: TensorType): TensorInfo {
    const name = `${this.#module}.${kind}`;
    const info = this.#tensors.get(name);
    if (!info) throw new CheckpointError(`${this.#file}: tensor ${name} [${shape.join(", ")}] is missing`);
    if (info.shape.length !== shape.length || info.shape.some((size, axis) => size !== shape[axis])) {
      throw new CheckpointError(`${info.file}: tensor ${name}: got shape [${info.shape.join(", ")}], need [${shape.join(", ")}]`);
    }
    if (type === undefined ? !FLOATS.has(info.type) : info.type !== type) {
      throw new UnsupportedModelError(
        `${info.file}: tensor ${name}: got element type ${info.type}, need ${type ?? [...FLOATS].join(", ")}`,
      );
    }
    this.found.push(info);
    return info;
  }
}

/**
 * The form in which a module's weights are multiplied as they are; undefined where none has them exactly.
 *
 * 8 bits with zero points become a scale and a minimum, -scale * zero: exact, as are their products and sums,
 * with a scale of 11 bits or less.
 */
export function integerKeptForm({ scheme, K, G, scales }: IntegerModule): KeptForm | undefined {
  if (scheme.bits === 8) {
    if (scheme.symmetric) return G === K ? { form: "qc8w" } : { form: "qb8w", groupSize: G };
    return scales.type === "F32" ? undefined : { form: "qb8aw", groupSize: G };
  }
  if (scheme.symmetric) return { form: "qb4w", groupSize: G };
  const groupSize = shorterGroup(G);
  return groupSize === undefined ? undefined : { form: "qb4zw", groupSize };
}

/** G, or the largest part of it that kernels take: its parts have its scale and zero point each. */
function shorterGroup(G: number): number | undefined {
  if (G <= MOST_ZERO_POINT_GROUP) return G;
  for (let size = MOST_ZERO_POINT_GROUP; size >= 16; size -= 16) if (G % size === 0) return size;
  return undefined;
}
