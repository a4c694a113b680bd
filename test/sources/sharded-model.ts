/**
 * A small model in shards of several blocks, with their digests in the index, as `fptq quantize` writes them.
 */
import { BLOCK_BYTES } from "../../src/sources/block-cache.ts";
import { SafetensorsWriter } from "../../src/checkpoint/safetensors/safetensors-writer.ts";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.ts";
import { type MemoryFolder, MemoryOutputFolder } from "../memory-folder.ts";
import { tinyModel } from "../tiny-model.ts";

export const SHARD_BYTES = 3 * BLOCK_BYTES;

export async function shardedModel(seed: number): Promise<MemoryFolder> {
  const config = { hiddenSize: 512, headDim: 128, ffnSize: 512 };
  const source = tinyModel(seed, { config, outlier: 1 });
  const checkpoint = await openCheckpoint({ kind: "folder", folder: source });
  const output = new MemoryOutputFolder("sharded");
  const tensors = [...checkpoint.tensors.values()];
  const writer = new SafetensorsWriter(output, tensors.map(({ name, shape }) => ({ name, shape, type: "F32" })), { maxShardBytes: SHARD_BYTES }); // prettier-ignore
  for (const { name } of tensors) await writer.write(name, await checkpoint.readRaw(name));
  await writer.finish();
  await output.commit();
  await checkpoint.close();
  for (const [name, { bytes }] of source.files) if (name !== "model.safetensors") output.result.set(name, bytes);
  return output.result;
}

/** The names of its shards, in order. */
export const shardsOf = (folder: MemoryFolder): string[] => {
  return [...folder.files.keys()].filter((name) => name.endsWith(".safetensors")).toSorted();
};
