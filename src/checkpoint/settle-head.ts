/**
 * Whether the head is the embedding, where a file has a tensor for each. The values decide, as in
 * `tie_weights` of transformers 5 (`modeling_utils.py`):
 *
 *   configuration   values      the model has
 *   tied            equal       one matrix
 *   tied            different   two, with a note; transformers 4 left the head out
 *   not tied        equal       one: converters write it twice (`output.weight` of a GGUF)
 *   not tied        different   two
 */
import { familyOf } from "../architecture/families.ts";
import { throwIfAborted } from "../errors.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { checkpointView } from "./checkpoint-view.ts";

/** Values of either matrix that are held at a time. */
const COMPARED_ELEMENTS = 1 << 20;

/**
 * Compares the two matrices until they differ, and gives the checkpoint as it is to be computed with. There,
 * a head that is the embedding is no tensor of its own.
 *
 * @returns the checkpoint itself if it has one matrix, or two that it says are two; closing one closes both
 * @throws CheckpointError if they cannot be read; AbortError
 */
export async function settleHead(checkpoint: Checkpoint, signal?: AbortSignal): Promise<Checkpoint> {
  const { config, configJson, tensors, notes } = checkpoint;
  const { names } = familyOf(config.architecture);
  const [embedding, head] = [`${names.embedding}.weight`, `${names.head}.weight`];
  const stored = tensors.get(head);
  // A bias makes a head of its own, whatever its weights are.
  if (!stored || config.headBias) return checkpoint;
  const isTied = await sameValues(checkpoint, embedding, head, signal);
  if (!isTied && !config.tiedEmbedding) return checkpoint;
  const view = {
    config: { ...config, tiedEmbedding: isTied },
    configJson: { ...configJson, tie_word_embeddings: isTied },
    tensors: isTied ? new Map([...tensors].filter(([name]) => name !== head)) : tensors,
  };
  if (isTied) return checkpointView(checkpoint, view);
  const note = `${stored.file}: tensor ${head}: differs from ${embedding}, though the configuration says they are one; it is used`;
  return checkpointView(checkpoint, { ...view, notes: [...notes, note] });
}

/**
 * Rows are compared in order until two differ, which in matrices of different origin the first ones do: as
 * they are stored, or as floats if they are stored in two ways.
 */
async function sameValues(checkpoint: Checkpoint, a: string, b: string, signal: AbortSignal | undefined): Promise<boolean> {
  const [first, second] = [checkpoint.tensors.get(a), checkpoint.tensors.get(b)];
  if (!first || !second || first.shape.join() !== second.shape.join()) return false;
  const [rows, columns] = first.shape as [number, number];
  const block = Math.max(1, Math.floor(COMPARED_ELEMENTS / columns));
  const sameType = first.type === second.type;
  for (let begin = 0; begin < rows; begin += block) {
    const options = { rows: [begin, Math.min(rows, begin + block)] as const, signal };
    const read = (name: string) => (sameType ? checkpoint.readRaw(name, options) : checkpoint.readF32(name, options));
    const [one, other] = [await read(a), await read(b)];
    throwIfAborted(signal, `comparing ${a} and ${b}`);
    if (!sameBytes(one, other)) return false;
  }
  return true;
}

/** Floats are compared by their bits: a NaN is equal to itself, and zeros of either sign are not. */
function sameBytes(one: ArrayBufferView, other: ArrayBufferView): boolean {
  const [a, b] = [bytesOf(one), bytesOf(other)];
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
