/**
 * Writes a tiny model from a seed as a Hugging Face folder.
 *
 *   tsx scripts/make-tiny-model.ts FOLDER [SEED] [ARCHITECTURE] [F32|F16|BF16]     defaults: 1, llama, F32
 */
import { createOutputFolder } from "../src/host/node/output/node-output-folder.ts";
import { tinyModel, type TinyModelOptions } from "../test/tiny-model.ts";

const [path, seed = "1", architecture = "llama", type = "F32"] = process.argv.slice(2);
if (
  path === undefined ||
  !/^\d+$/.test(seed) ||
  !/^(llama|mistral|qwen2|qwen3)$/.test(architecture) ||
  !/^(F32|F16|BF16)$/.test(type)
) {
  console.error("usage: tsx scripts/make-tiny-model.ts FOLDER [SEED] [llama|mistral|qwen2|qwen3] [F32|F16|BF16]");
  process.exit(2);
}

const model = tinyModel(Number(seed), { architecture, type } as TinyModelOptions);
const output = await createOutputFolder(path, { force: true });
for (const [fileName, { bytes }] of model.files) {
  const file = await output.create(fileName);
  await file.write(bytes);
  await file.close();
}
await output.commit();
console.log(`${path}: ${[...model.files.keys()].join(", ")}`);
