/** Models of vectors as folders: what says how states are pooled, and a head that is left out. */
import { familyOf } from "../../architecture/families.ts";
import type { ModelConfig } from "../../architecture/model-config.ts";
import { type JsonObject, parseJsonObject } from "../../json-object.ts";
import {
  DENSE_FILES,
  MODULES_FILE,
  parsePooling,
  type Pooling,
  POOLING_FILE,
  poolingOfConfig,
  PROMPTS_FILE,
} from "../pooling.ts";

/**
 * Reads the files of sentence-transformers, or what a quantized model's `config.json` has of them.
 *
 * @param folder its name, for messages
 * @param read gives the text of a file of the folder
 * @returns undefined for a model that says nothing of vectors
 * @throws as `parsePooling`; CheckpointError if a file is missing or damaged
 */
export async function readPooling(
  folder: string,
  files: ReadonlySet<string>,
  configJson: JsonObject,
  read: (fileName: string) => Promise<string>,
): Promise<Pooling | undefined> {
  if (!files.has(MODULES_FILE)) return poolingOfConfig(configJson, `${folder}: config.json`);
  const readJson = async (fileName: string) => parseJsonObject(await read(fileName), `${folder}: ${fileName}`);
  // The file is an array, and the one reader of JSON takes objects.
  const modules = parseJsonObject(`{"${MODULES_FILE}": ${await read(MODULES_FILE)}}`, `${folder}: ${MODULES_FILE}`);
  const prompts = files.has(PROMPTS_FILE) ? await readJson(PROMPTS_FILE) : undefined;
  const dense = (of: string) => readJson(`${of}/${DENSE_FILES.config}`);
  return parsePooling({ modules, pooling: await readJson(POOLING_FILE), prompts, dense }, folder);
}

/** The configuration of a model of vectors, which may leave out the head that it would have. */
export function withoutHead(config: ModelConfig, tensors: Iterable<string>): ModelConfig {
  const head = `${familyOf(config.architecture).names.head}.weight`;
  const hasHead = Array.from(tensors).some((name) => name === head || name.endsWith(`.${head}`));
  return config.tiedEmbedding || hasHead ? config : { ...config, headless: true };
}
