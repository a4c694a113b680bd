/** Block formats of ggml by name: in which form their weights are kept, and how rows become that form. */
import type { TensorType } from "../checkpoint.ts";
import type { KeptForm, KeptRows } from "../quantization/kept-form.ts";
import {
  type Unpack,
  unpackIQ4_NL,
  unpackMXFP4,
  unpackQ4_0,
  unpackQ4_1,
  unpackQ5_0,
  unpackQ5_1,
  unpackQ8_0,
} from "./ggml-blocks.ts";
import { unpackIQ4_XS, unpackQ2_K, unpackQ3_K, unpackQ4_K, unpackQ5_K, unpackQ6_K } from "./ggml-superblocks.ts";
import { GGML_TYPES } from "./ggml-types.ts";

/** The form of weights of a type; undefined for floats, and for types whose codes fit no form. */
export function ggmlKeptForm(type: TensorType): KeptForm | undefined {
  return KEPT[type]?.form;
}

/** @param bytes whole blocks of `rows` rows, of a type that has a kept form */
export function ggmlKeptRows(type: TensorType, bytes: Uint8Array, rows: number): KeptRows {
  const { unpack } = KEPT[type]!;
  const { blockBytes } = BLOCKS.get(type)!;
  const blocks = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { rows, arrays: unpack(blocks, bytes.byteLength / blockBytes) };
}

const BLOCKS = new Map(Array.from(GGML_TYPES.values(), (type) => [type.name, type]));

const KEPT: { readonly [type in TensorType]?: { readonly form: KeptForm; readonly unpack: Unpack } } = {
  Q4_0: { form: { form: "qb4w", groupSize: 32 }, unpack: unpackQ4_0 },
  Q4_1: { form: { form: "qb4aw", groupSize: 32 }, unpack: unpackQ4_1 },
  Q5_0: { form: { form: "qb8w", groupSize: 32 }, unpack: unpackQ5_0 },
  Q5_1: { form: { form: "qb8aw", groupSize: 32 }, unpack: unpackQ5_1 },
  Q8_0: { form: { form: "qb8w", groupSize: 32 }, unpack: unpackQ8_0 },
  Q2_K: { form: { form: "qb8aw", groupSize: 16 }, unpack: unpackQ2_K },
  Q3_K: { form: { form: "qb8w", groupSize: 16 }, unpack: unpackQ3_K },
  Q4_K: { form: { form: "qb4mw", superblock: 256 }, unpack: unpackQ4_K },
  Q5_K: { form: { form: "qb8aw", groupSize: 32 }, unpack: unpackQ5_K },
  Q6_K: { form: { form: "qb8w", groupSize: 16 }, unpack: unpackQ6_K },
  IQ4_NL: { form: { form: "qb8w", groupSize: 32 }, unpack: unpackIQ4_NL },
  IQ4_XS: { form: { form: "qb8w", groupSize: 32 }, unpack: unpackIQ4_XS },
  MXFP4: { form: { form: "qb4fw", groupSize: 32 }, unpack: unpackMXFP4 },
};
