/** A GGUF taken apart and put together again, by the format document; for files that are whole. */
import { BLOCKS } from "../../../test/checkpoint/gguf/ggml-oracle.ts";
import { buildGguf, type Fixture, type FixtureTensor, type FixtureValue } from "../../../test/checkpoint/gguf/gguf-fixture.ts";

export const GGUF_TYPE = { u8: 0, i8: 1, u16: 2, i16: 3, u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10, i64: 11, f64: 12 } as const; // prettier-ignore
const WIDTHS = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];
/** Block elements and bytes by id. */
export const BLOCK_SIZES: ReadonlyMap<number, readonly [elements: number, bytes: number]> = new Map(
  Object.values(BLOCKS).map(({ id, elements, bytes }) => [id, [elements, bytes]]),
);

const MOST_DIMENSIONS = 8;
/** Padding beyond this makes files too large to try many. */
const MOST_ALIGNMENT = 65_536;

export interface GgufForm extends Fixture {
  readonly metadata: (readonly [string, FixtureValue])[];
  readonly tensors: FixtureTensor[];
  /** First bytes of: the metadata, the table of tensors, the data. */
  readonly begins: readonly [metadata: number, table: number, data: number];
  /** First bytes of the fields of the header. */
  readonly fields: readonly number[];
  /** Ends of the tensors, behind which padding begins. */
  readonly ends: readonly number[];
}

/** @returns undefined for bytes that are no whole file of this kind */
export function takeApart(bytes: Uint8Array): GgufForm | undefined {
  try {
    return parse(bytes);
  } catch {
    return undefined;
  }
}

export const putTogether = (form: Fixture): Uint8Array => buildGguf(form).bytes;

function parse(bytes: Uint8Array): GgufForm | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: number[] = [];
  let at = 0;
  const skip = (length: number) => {
    fields.push(at);
    at += length;
    // So written that what is no number is refused: the width of a type that does not exist.
    if (!(at <= bytes.length)) throw new RangeError("beyond the end");
    return at - length;
  };
  const u32 = () => view.getUint32(skip(4), true);
  const u64 = () => Number(view.getBigUint64(skip(8), true));
  const text = () => {
    const length = u64();
    const begin = skip(length);
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(begin, begin + length));
  };
  const value = (type: number): void => {
    if (type === GGUF_TYPE.string) skip(u64());
    else if (type === GGUF_TYPE.array) {
      const element = u32();
      const count = u64();
      const width = WIDTHS[element];
      if (width === undefined) for (let i = 0; i < count; i++) value(element);
      else skip(width * count);
    } else skip(WIDTHS[type]!);
  };
  if (bytes.length < 24 || u32() !== 0x46554747) return undefined;
  u32();
  const [tensorCount, metadataCount] = [u64(), u64()];
  const begin = at;
  const metadata: [string, FixtureValue][] = [];
  let alignment = 32;
  for (let i = 0; i < metadataCount; i++) {
    const key = text();
    const type = u32();
    const from = at;
    value(type);
    if (key === "general.alignment") alignment = view.getUint32(from, true);
    else metadata.push([key, { type, bytes: bytes.slice(from, at) }]);
  }
  const table = at;
  if (tensorCount > bytes.length) throw new RangeError("too many tensors");
  const infos = Array.from({ length: tensorCount }, () => {
    const name = text();
    const dimensions = u32();
    if (dimensions > MOST_DIMENSIONS) throw new RangeError("too many dimensions");
    const dims = Array.from({ length: dimensions }, u64);
    return { name, dims, typeId: u32(), offset: u64() };
  });
  if (!(alignment >= 1 && alignment <= MOST_ALIGNMENT)) throw new RangeError("nothing that can be put together again");
  const data = Math.ceil(at / alignment) * alignment;
  const ends: number[] = [];
  const tensors = infos.map(({ name, dims, typeId, offset }) => {
    const [elements, blockBytes] = BLOCK_SIZES.get(typeId)!;
    const length = (dims.reduce((product, size) => product * size, 1) / elements) * blockBytes;
    ends.push(data + offset + length);
    return { name, dims, typeId, data: bytes.slice(data + offset, data + offset + length) };
  });
  return { metadata, tensors, alignment, begins: [begin, table, data], fields, ends };
}
