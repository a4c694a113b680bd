/**
 * The reference models that transformers made: both spellings of their configuration, and what their files
 * hold.
 */
import { readFileSync } from "node:fs";
import * as assert from "uvu/assert";
import { describeModel } from "../../src/architecture/description.ts";
import { parseModelConfig } from "../../src/architecture/families.ts";
import type { ModelConfig } from "../../src/architecture/model-config.ts";
import { tensorsOf } from "../../src/architecture/tensors.ts";
import type { JsonObject } from "../../src/json-object.ts";
import { readSafetensorsHeader } from "../../src/checkpoint/safetensors/safetensors.ts";
import { openFile } from "../../src/host/node/node-files.ts";
import { sharedData } from "../shared-data.ts";

/** The parsed file, or undefined where the reference models are missing. */
export function referenceConfig(
  folder: string,
  fileName: "config.json" | "config.old.json" = "config.json",
): JsonObject | undefined {
  const path = sharedData(`reference/tiny/${folder}/${fileName}`);
  return path === undefined ? undefined : (JSON.parse(readFileSync(path, "utf8")) as JsonObject);
}

/** The configuration is read alike in both spellings, and the tensors it implies are those of the file. */
export async function assertReference(folder: string, hasOldSpelling: boolean, expected: Partial<ModelConfig>): Promise<void> {
  const json = referenceConfig(folder);
  if (json === undefined) return;
  const config = parseModelConfig(json, "config.json");
  assert.equal({ ...config, ...expected }, config);
  if (hasOldSpelling) assert.equal(parseModelConfig(referenceConfig(folder, "config.old.json")!, "config.old.json"), config);

  const { source, tensors } = await readSafetensorsHeader(
    await openFile(sharedData(`reference/tiny/${folder}/model.safetensors`)!),
  );
  await source.close();
  const description = describeModel(config);
  const transposed = new Set(
    description.blocks.flatMap(({ inputs }) => inputs.flatMap(({ modules }) => modules)).flatMap(({ name, storedOrder }) => (storedOrder === "transposed" ? [`${name}.weight`] : [])), // prettier-ignore
  );
  const found = [...tensors.values()].map(({ name, shape }) => [name, transposed.has(name) ? shape.toReversed() : shape]);
  const need = tensorsOf(description, { storage: () => undefined, rank: () => 0, kvCache: false });
  assert.equal(Object.fromEntries(need.map(({ name, shape }) => [name, shape])), Object.fromEntries(found));
}
