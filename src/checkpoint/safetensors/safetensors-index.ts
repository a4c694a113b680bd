/**
 * `model.safetensors.index.json`: which tensor is in which shard, as Hugging Face writes it, and what this
 * package adds.
 *
 *   { "metadata": { "total_size": BYTES, "shards": { FILE: { "bytes": N, "sha256": HEX } } },
 *     "weight_map": { TENSOR: FILE } }
 *
 * `metadata.shards` lets a reader check a shard before it trusts it, and tell its size before it asks for it.
 * `metadata` is a place for anything: transformers, vLLM and huggingface_hub read `weight_map` and leave keys
 * they do not know alone.
 */
import { CheckpointError } from "../../errors.ts";
import { describe, isJsonObject, type JsonObject } from "../../json-object.ts";
import { isWhole } from "../../need.ts";
import { isSha256Hex } from "../sha256.ts";

export interface ShardDigest {
  /** Size of the file. */
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

export interface SafetensorsIndex {
  /** Tensor name -> file name. */
  readonly weightMap: ReadonlyMap<string, string>;
  /** File name -> size and digest, for the files the index has them for. */
  readonly shards: ReadonlyMap<string, ShardDigest>;
}

/** A plain name: no path, no URL, nothing that means something else once it is put behind a base. */
const SHARD_NAME = /^[^./\\:?#%\s][^/\\:?#%\s]*\.safetensors$/;

/**
 * @param where for messages: the index's own path
 * @throws CheckpointError for a shard that is not a plain file name, so that an index cannot lead out of its
 *   folder; for digests that are none
 */
export function parseSafetensorsIndex(index: JsonObject, where: string): SafetensorsIndex {
  const { weight_map: weightMap, metadata } = index;
  if (!isJsonObject(weightMap)) throw new CheckpointError(`${where}: weight_map: got ${describe(weightMap)}, need an object`);
  for (const [tensor, file] of Object.entries(weightMap)) {
    if (typeof file !== "string" || !SHARD_NAME.test(file)) {
      throw new CheckpointError(
        `${where}: tensor ${describe(tensor)}: got ${describe(file)}, need a .safetensors file of this folder`,
      );
    }
  }
  const shards = isJsonObject(metadata) ? metadata["shards"] : undefined;
  return { weightMap: new Map(Object.entries(weightMap as Record<string, string>)), shards: parseShards(shards, where) };
}

function parseShards(value: unknown, where: string): Map<string, ShardDigest> {
  if (value === undefined) return new Map();
  if (!isJsonObject(value)) throw new CheckpointError(`${where}: metadata.shards: got ${describe(value)}, need an object`);
  const entries = Object.entries(value).map(([file, shard]): [string, ShardDigest] => {
    const { bytes, sha256 } = isJsonObject(shard) ? shard : {};
    if (!isWhole(bytes, 0) || !isSha256Hex(sha256)) {
      const found = describe(shard);
      throw new CheckpointError(`${where}: metadata.shards: ${describe(file)}: got ${found}, need { "bytes", "sha256" }`);
    }
    return [file, { bytes, sha256 }];
  });
  return new Map(entries);
}
