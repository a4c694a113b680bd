/** The folders the suite loads: a tiny model, its W4A8 folder made by the quantizer, and damaged copies. */
import { mkdirSync, writeFileSync } from "node:fs";
import { quantize } from "../../src/core.ts";
import { quantize as quantizeFile } from "../../src/index.ts";
import { nodeHost } from "../../src/host/node.ts";
import { type MemoryFolder, MemoryOutputFolder } from "../memory-folder.ts";
import { sharedData, SMOLLM2 } from "../shared-data.ts";
import { tinyModel } from "../tiny-model.ts";
import { type FolderName, RECIPE } from "./suite.ts";

export const SEED = 31;

/** @throws Error if the recipe does not give static, equalized and dynamic inputs */
export async function makeFolders(): Promise<Record<Exclude<FolderName, "smollm2">, MemoryFolder>> {
  const f32 = tinyModel(SEED);
  const output = new MemoryOutputFolder("w4a8");
  const report = await quantize({ kind: "folder", folder: f32 }, output, nodeHost, { ...RECIPE, threads: 1 });
  const policies = new Set(report.layers.map(({ policy }) => policy));
  if (policies.size < 3) throw new Error(`policies: ${[...policies].join(", ")}; three kinds are wanted`);

  const w4a8 = output.result;
  const shard = [...w4a8.files.keys()].find((fileName) => fileName.endsWith(".safetensors"))!;
  const truncated = w4a8.copy();
  truncated.set(shard, w4a8.bytes(shard).slice(0, -1));
  const mangled = w4a8.copy();
  mangled.bytes(shard)[8] = 0;
  return { f32, w4a8, truncated, mangled };
}

export function writeFolders(folders: Readonly<Record<string, MemoryFolder>>, directory: string): void {
  for (const [name, folder] of Object.entries(folders)) {
    mkdirSync(`${directory}/${name}`, { recursive: true });
    writeFileSync(`${directory}/${name}.json`, JSON.stringify([...folder.files.keys()]));
    for (const [fileName, { bytes }] of folder.files) writeFileSync(`${directory}/${name}/${fileName}`, bytes);
  }
}

/**
 * SmolLM2 in 4 bits, where the machine has the original. What the suite compares does not depend on how well
 * it is calibrated.
 * @returns whether it is there
 */
export async function writeSmolLM2(directory: string): Promise<boolean> {
  const source = sharedData(SMOLLM2);
  if (source === undefined) return false;
  await quantizeFile(source, { output: `${directory}/smollm2`, samples: 1, contextSize: 128 });
  return true;
}
