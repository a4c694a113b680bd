/**
 * Tensors larger than a shard, stored as several entries; rule and reasons in
 * `docs/decisions/split-packed-tensors.md`.
 *
 *   `NAME.weight_packed` [R, C]  ->  `NAME.weight_packed.0` [R0, C], `NAME.weight_packed.1` [R1, C], ...
 *                                    R0 + R1 + ... = R
 *
 * Only packed weights are split, and only in a checkpoint whose embedding is packed. Writer and reader do
 * this between themselves: nobody else sees the names of the parts.
 */
import { CheckpointError } from "../../errors.ts";
import { HEADER_FRAME_BYTES, headerEntryBytes, type TensorPlan } from "./safetensors-layout.ts";
import { type SafetensorsTensor, tensorBytes } from "./safetensors.ts";
import { isEmbedding } from "../../architecture/families.ts";

const SPLITTABLE = ".weight_packed";

/** Every tensor with the entries that store it: itself, or its parts in row order. */
export function splitTensors(
  tensors: readonly TensorPlan[],
  maxShardBytes: number,
): readonly { name: string; parts: readonly TensorPlan[] }[] {
  const embeddingPacked = tensors.some(({ name }) => name.endsWith(SPLITTABLE) && isEmbedding(name.slice(0, -SPLITTABLE.length)));
  return tensors.map((tensor) => {
    const room = maxShardBytes - HEADER_FRAME_BYTES - headerEntryBytes(tensor) - ".0000".length;
    const bytes = tensorBytes(tensor.type, tensor.shape);
    const split = embeddingPacked && tensor.name.endsWith(SPLITTABLE) && bytes > room;
    return { name: tensor.name, parts: split ? splitRows(tensor, Math.floor(room / (bytes / tensor.shape[0]!))) : [tensor] };
  });
}

/** Parts of equal size but for the last, each of at most `maxRows` rows. */
function splitRows({ name, type, shape }: TensorPlan, maxRows: number): TensorPlan[] {
  const [rows, ...rowShape] = shape as [number, ...number[]];
  const count = Math.ceil(rows / Math.max(1, maxRows));
  const partRows = Math.ceil(rows / count);
  const parts: TensorPlan[] = [];
  for (let begin = 0; begin < rows; begin += partRows) {
    parts.push({ name: `${name}.${parts.length}`, type, shape: [Math.min(partRows, rows - begin), ...rowShape] });
  }
  return parts;
}

/** An entry of a file, and the file. */
export interface StoredPart<File> {
  readonly file: File;
  readonly tensor: SafetensorsTensor;
}

/**
 * Puts parts together again: name of the whole tensor -> its entries in row order.
 *
 * @throws CheckpointError if a part is missing, or parts do not fit each other
 */
export function joinTensors<File>(entries: readonly StoredPart<File>[], where: string): Map<string, readonly StoredPart<File>[]> {
  const joined = new Map<string, readonly StoredPart<File>[]>();
  const split = new Map<string, StoredPart<File>[]>();
  for (const entry of entries) {
    const [, whole, index] = PART_NAME.exec(entry.tensor.name) ?? [];
    if (whole === undefined) {
      joined.set(entry.tensor.name, [entry]);
      continue;
    }
    const parts = split.get(whole) ?? [];
    parts[Number(index)] = entry;
    split.set(whole, parts);
    joined.set(whole, parts);
  }
  const names = new Set(entries.map(({ tensor }) => tensor.name));
  for (const [name, parts] of split) {
    if (names.has(name)) throw new CheckpointError(`${where}: tensor ${name}: got it both whole and in parts, need one of both`);
    checkParts(name, parts, where);
  }
  return joined;
}

/** A name that ends in at most four digits: an index is never a way to make a large array. */
const PART_NAME = /^(.*\.weight_packed)\.(0|[1-9][0-9]{0,3})$/s;

function checkParts<File>(name: string, parts: readonly (StoredPart<File> | undefined)[], where: string): void {
  const [first] = parts;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (!part || !first) throw new CheckpointError(`${where}: tensor ${name}: part ${i} of ${parts.length} is missing`);
    const fits =
      part.tensor.type === first.tensor.type &&
      part.tensor.shape.length === first.tensor.shape.length &&
      part.tensor.shape.every((size, axis) => axis === 0 || size === first.tensor.shape[axis]);
    if (!fits)
      throw new CheckpointError(`${where}: tensor ${name}: part ${i}: got another type or row shape than part 0, need the same`);
  }
}
