/**
 * Element types of ggml: their ids in a GGUF (ggml `include/ggml.h`, `enum ggml_type`) and the size of their
 * blocks (ggml `src/ggml-common.h`; gguf-py `GGML_QUANT_SIZES`).
 */
import type { TensorType } from "../checkpoint.ts";

export interface GgmlType {
  readonly name: TensorType;
  /** Elements of in_features that are stored together. */
  readonly blockElements: number;
  readonly blockBytes: number;
}

const type = (name: TensorType, blockElements: number, blockBytes: number): GgmlType => ({ name, blockElements, blockBytes });

/** The types this package reads, by id. */
export const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map([
  [0, type("F32", 1, 4)],
  [1, type("F16", 1, 2)],
  [2, type("Q4_0", 32, 18)],
  [3, type("Q4_1", 32, 20)],
  [6, type("Q5_0", 32, 22)],
  [7, type("Q5_1", 32, 24)],
  [8, type("Q8_0", 32, 34)],
  [10, type("Q2_K", 256, 84)],
  [11, type("Q3_K", 256, 110)],
  [12, type("Q4_K", 256, 144)],
  [13, type("Q5_K", 256, 176)],
  [14, type("Q6_K", 256, 210)],
  [20, type("IQ4_NL", 32, 18)],
  [23, type("IQ4_XS", 256, 136)],
  [24, type("I8", 1, 1)],
  [25, type("I16", 1, 2)],
  [26, type("I32", 1, 4)],
  [27, type("I64", 1, 8)],
  [28, type("F64", 1, 8)],
  [30, type("BF16", 1, 2)],
  [39, type("MXFP4", 32, 17)],
]);

/** The other types ggml has, so that a message can name them. */
const UNREAD_TYPES: ReadonlyMap<number, string> = new Map([
  [9, "Q8_1"], [15, "Q8_K"], [16, "IQ2_XXS"], [17, "IQ2_XS"], [18, "IQ3_XXS"], [19, "IQ1_S"], [21, "IQ3_S"], [22, "IQ2_S"],
  [29, "IQ1_M"], [34, "TQ1_0"], [35, "TQ2_0"], [40, "NVFP4"], [41, "Q1_0"], [42, "Q2_0"],
]); // prettier-ignore

/** `IQ3_S (type 21)`, or `type 77` for an id ggml does not have. */
export function ggmlTypeLabel(id: number): string {
  const name = GGML_TYPES.get(id)?.name ?? UNREAD_TYPES.get(id);
  return name === undefined ? `type ${id}` : `${name} (type ${id})`;
}
