/**
 * Stored tensor bytes to float32: plain floats, and the block formats of ggml by the forms they are kept in
 * (`ggml-kept.ts`). The values are those of gguf-py `quants.py`, bit for bit.
 *
 * Why no operation is rounded here by hand: a float16 has 11 significant bits between 2^-24 and 2^15. Times a
 * 6-bit scale times a 5-bit code it still fits float32 exactly, and the one addition of a format, of such a
 * product and a minimum, spans at most 51 bits and is exact in float64. So the only rounding is the store
 * into the Float32Array, as in numpy.
 */
import { UnsupportedModelError } from "../../errors.ts";
import type { TensorType } from "../checkpoint.ts";
import { f16Values } from "../formats/float-formats.ts";
import { dequantizeKept } from "../quantization/kept-rows.ts";
import { ggmlKeptForm, ggmlKeptRows } from "./ggml-kept.ts";

/** Fills `out`, as many elements as it has, from the start of `bytes`. */
type Dequantize = (bytes: Uint8Array, out: Float32Array) => void;

/**
 * @param bytes whole blocks, `out.length` elements of them
 * @throws UnsupportedModelError for integer types
 */
export function dequantize(type: TensorType, bytes: Uint8Array, out: Float32Array): void {
  const format = FORMATS[type];
  const kept = ggmlKeptForm(type);
  if (kept) return dequantizeKept(kept, ggmlKeptRows(type, bytes, 1), out);
  if (format === undefined) throw new UnsupportedModelError(`tensor type: got ${type}, need floats or quantized blocks`);
  format(bytes, out);
}

const FORMATS: { readonly [type in TensorType]?: Dequantize } = {
  F32: (bytes, out) => {
    const view = viewOf(bytes);
    for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
  },
  F64: (bytes, out) => {
    const view = viewOf(bytes);
    for (let i = 0; i < out.length; i++) out[i] = view.getFloat64(8 * i, true);
  },
  F16: (bytes, out) => {
    const half = f16Values();
    for (let i = 0; i < out.length; i++) out[i] = half[bytes[2 * i]! | (bytes[2 * i + 1]! << 8)]!;
  },
  BF16: (bytes, out) => {
    const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < bits.length; i++) bits[i] = (bytes[2 * i]! << 16) | (bytes[2 * i + 1]! << 24);
  },
};

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
