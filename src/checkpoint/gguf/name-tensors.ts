/** Tensors of a GGUF file by their Hugging Face names, split where one has the rows of several modules. */
import { familyOf } from "../../architecture/families.ts";
import { huggingFaceNames } from "../../architecture/gguf-tensor-names.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import type { GgufTensor } from "./gguf.ts";
import { ROPE_FACTOR_TENSORS } from "./gguf-rope-config.ts";
import { type StoredRows, storedRows } from "./stored-rows.ts";

/** Attention rows that some architectures interleave within each head. */
const INTERLEAVED = /^blk\.\d+\.attn_[qk]\.(weight|bias)$/;
const CONVOLUTION = /\.shortconv\.conv\.weight$/;
/** Tensors that older converters wrote and nothing reads. */
const UNUSED = /^blk\.\d+\.attn_rot_embd(\.weight)?$/;

/**
 * The tensors by Hugging Face name. One without such a name would be left out unnoticed, so it is refused.
 *
 * @param interleaved whether the file's form interleaves the rows of q's and k's heads
 * @throws UnsupportedModelError for a tensor without a name, or one whose rows cannot be told apart
 */
export function nameTensors(
  tensors: ReadonlyMap<string, GgufTensor>,
  config: ModelConfig,
  interleaved: boolean,
): Map<string, StoredRows> {
  const family = familyOf(config.architecture);
  const stored = new Map<string, StoredRows>();
  for (const tensor of tensors.values()) {
    if (ROPE_FACTOR_TENSORS.includes(tensor.name) || UNUSED.test(tensor.name)) continue;
    const found = huggingFaceNames(tensor.name, family, config);
    // Whether rows of one tensor for q, k and v would be interleaved is not known.
    if (found.length === 0 || (found.length > 1 && family.gguf?.interleavedHeads)) {
      throw new UnsupportedModelError(`${tensor.source.name}: tensor: got "${tensor.name}", need one that this model has`);
    }
    if (tensor.dims.length === 1 && tensor.type.blockElements > 1) {
      throw new UnsupportedModelError(
        `${tensor.source.name}: tensor "${tensor.name}": got a vector of ${tensor.type.name}, need one of floats`,
      );
    }
    const interleavedBy = interleaved && INTERLEAVED.test(tensor.name) ? config.headDim : undefined;
    const whole = storedRows(CONVOLUTION.test(tensor.name) ? withMiddle(tensor) : tensor, interleavedBy);
    if (found[0]!.includes("*")) for (const [name, part] of splitHeads(found[0]!, whole)) stored.set(name, part);
    else if (found.length === 1) stored.set(found[0]!, whole);
    else for (const [i, part] of splitQkv(whole, config).entries()) stored.set(found[i]!, part);
  }
  return stored;
}

/** A convolution [E, K] in the shape [E, 1, K] that transformers gives it. */
function withMiddle(tensor: GgufTensor): GgufTensor {
  const [K, E, ...others] = tensor.dims;
  return K !== undefined && E !== undefined && others.length === 0 ? { ...tensor, dims: [K, 1, E] } : tensor;
}

/** The rows of q, of k and of v in a tensor that has all of them. */
function splitQkv(whole: StoredRows, { heads: H, kvHeads: Hkv, headDim: D }: ModelConfig): StoredRows[] {
  const { name, source } = whole.tensor;
  const need = (H + 2 * Hkv) * D;
  if (whole.rows !== need)
    throw new CheckpointError(`${source.name}: tensor "${name}": got ${whole.rows} rows, need ${need} of q, k and v`);
  return [
    { ...whole, rows: H * D },
    { ...whole, firstRow: H * D, rows: Hkv * D },
    { ...whole, firstRow: (H + Hkv) * D, rows: Hkv * D },
  ];
}

/** The weights of a norm for each head, each a tensor. */
function splitHeads(name: string, whole: StoredRows): [string, StoredRows][] {
  const { tensor, columns, rowBytes } = whole;
  return Array.from({ length: whole.rows }, (_, head) => {
    const own = { ...tensor, dims: [columns], offset: tensor.offset + head * rowBytes, bytes: rowBytes };
    return [name.replace("*", `${head}`), storedRows(own, undefined)];
  });
}
