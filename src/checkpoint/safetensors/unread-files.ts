/**
 * Files of a model folder that are not read though they look like weights of the model: an adapter, which
 * transformers would apply, a second set of files, a shard that the index does not name.
 */
import { INDEX_FILE } from "./safetensors.ts";

const SHARD = /^model-\d+-of-\d+\.safetensors$/;
/** Shards that are named, at most. */
const MOST_NAMED = 4;

/**
 * Names such files, each with what is not done with it.
 *
 * @param files of the folder
 * @param read those the index names; undefined if all weights are in one file
 */
export function unreadFiles(files: ReadonlySet<string>, read: ReadonlySet<string> | undefined): string[] {
  const adapter = files.has("adapter_config.json") ? ["adapter_config.json: an adapter beside a model is not applied"] : [];
  const index = !read && files.has(INDEX_FILE) ? [`${INDEX_FILE}: is not read beside a file of all weights`] : [];
  const shards = [...files].filter((file) => SHARD.test(file) && !read?.has(file));
  return [...adapter, ...index, ...shards.slice(0, MOST_NAMED).map((file) => `${file}: is not read`)];
}
