/**
 * A GGUF with its 4-bit tensors as Q4_0, the type llama.cpp is fastest with: it repacks only that one for the
 * dot instructions of the machine. None of the engines measured here has its quantizer in what it ships, so
 * the file is written here, at run time, by the rule of ggml's reference (`quantize_row_q4_0_ref`): d = (the
 * element of largest magnitude) / -8, q = min(15, trunc(x / d + 8.5)).
 */
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { readGguf } from "../../src/checkpoint/gguf/gguf.ts";
import { dequantize } from "../../src/checkpoint/gguf/ggml-dequantize.ts";
import { encodeF16 } from "../../src/checkpoint/formats/float-formats.ts";
import { nodeSources } from "../../src/host/node/node-sources.ts";
import { locateModel } from "../../src/sources/locate-model.ts";

const Q4_0 = 2;
const Q4_1 = 3;
const MOSTLY_Q4_0 = 2;
const FILE_TYPE = "general.file_type";
const ALIGNMENT = 32;

/**
 * Copies `source` to `target`, each Q4_1 tensor as Q4_0 and everything else as it is.
 *
 * @param source the path, URL or Hub name of a GGUF
 * @returns the file's name, without where it lay
 */
export async function writeQ4_0(source: string, target: string): Promise<string> {
  const location = await locateModel(source, nodeSources());
  if (location.kind !== "file") throw new Error(`${source}: got a folder, need a GGUF`);
  const { file } = location;
  const output = await open(target, "w");
  try {
    const { tensors } = await readGguf(file);
    const placed = [...tensors.values()].toSorted((a, b) => a.offset - b.offset);
    const dataStart = placed[0]!.offset;
    const header = Buffer.from(await file.read(0, dataStart));
    const type = header.indexOf(FILE_TYPE);
    if (type >= 0) header.writeUInt32LE(MOSTLY_Q4_0, type + FILE_TYPE.length + 4);

    let offset = 0;
    for (const tensor of placed) {
      let bytes = await file.read(tensor.offset, tensor.bytes);
      const info = tensorInfo(header, tensor.name, tensor.dims.length);
      if (header.readUInt32LE(info) === Q4_1) {
        const values = new Float32Array(tensor.dims.reduce((product, size) => product * size, 1));
        dequantize("Q4_1", bytes, values);
        bytes = quantizeQ4_0(values);
        header.writeUInt32LE(Q4_0, info);
      }
      header.writeBigUInt64LE(BigInt(offset), info + 4);
      await output.write(bytes, 0, bytes.length, dataStart + offset);
      offset = Math.ceil((offset + bytes.length) / ALIGNMENT) * ALIGNMENT;
    }
    await output.truncate(dataStart + offset);
    await output.write(header, 0, header.length, 0);
    return basename(file.name);
  } finally {
    await output.close();
    await file.close();
  }
}

/**
 * Where a tensor's type stands in the header: behind its name, the number of its dimensions, and these. Its
 * offset follows.
 */
function tensorInfo(header: Buffer, name: string, dimensions: number): number {
  const text = Buffer.from(name);
  const key = Buffer.alloc(8 + text.length + 4);
  key.writeBigUInt64LE(BigInt(text.length));
  text.copy(key, 8);
  key.writeUInt32LE(dimensions, 8 + text.length);
  const at = header.lastIndexOf(key);
  if (at < 0) throw new Error(`${name}: not found in the header`);
  return at + key.length + 8 * dimensions;
}

/** d as float16 | qs[16], low nibbles the first half of 32. */
function quantizeQ4_0(values: Float32Array): Uint8Array {
  const blocks = values.length / 32;
  const scales = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    let extreme = 0;
    for (const value of values.subarray(32 * block, 32 * block + 32)) if (Math.abs(value) > Math.abs(extreme)) extreme = value;
    scales[block] = extreme / -8;
  }
  const half = encodeF16(scales);
  const bytes = new Uint8Array(18 * blocks);
  const halfBytes = new Uint8Array(half.buffer, half.byteOffset, half.byteLength);
  for (let block = 0; block < blocks; block++) {
    // The reference rounds with the scale before it is rounded to float16.
    const inverse = scales[block] === 0 ? 0 : Math.fround(1 / scales[block]!);
    const quantize = (j: number) => Math.min(15, Math.trunc(Math.fround(values[32 * block + j]! * inverse) + 8.5));
    bytes.set(halfBytes.subarray(2 * block, 2 * block + 2), 18 * block);
    for (let j = 0; j < 16; j++) bytes[18 * block + 2 + j] = quantize(j) | (quantize(j + 16) << 4);
  }
  return bytes;
}
