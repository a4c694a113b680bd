/** Quantizing from a folder of GPTQ begins with the floats it stands for: the same bytes as from these. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { encodeSafetensors, type TensorPlan } from "../../src/checkpoint/safetensors/safetensors-layout.ts";
import { nodeHost } from "../../src/host/node.ts";
import { quantizeModel } from "../../src/quantizer/quantize-model.ts";
import { resolveRecipe } from "../../src/quantizer/recipe/resolve-recipe.ts";
import { integerFolder } from "../checkpoint/quantization/integer-folder.ts";
import { type MemoryFolder, MemoryOutputFolder } from "../memory-folder.ts";
import { mulberry32 } from "../random.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 73;
const test = suite(`quantize integers (seed ${SEED})`);

async function quantized(source: MemoryFolder): Promise<MemoryFolder> {
  const checkpoint = await openSafetensorsCheckpoint(source);
  const output = new MemoryOutputFolder("quantized");
  const random = mulberry32(SEED);
  const samples = Array.from({ length: 2 }, () => Int32Array.from({ length: 24 }, () => Math.floor(random() * 300)));
  await quantizeModel(checkpoint, { samples }, resolveRecipe("fptq", { groupSize: 32 }), output, { host: nodeHost, threads: 1 });
  await checkpoint.close();
  return output.result;
}

test("GPTQ in any order of columns", async () => {
  const { folder } = await integerFolder({ method: "gptq", bits: 4, groupSize: 32, symmetric: false, anyOrder: true }, SEED);
  const checkpoint = await openSafetensorsCheckpoint(folder);
  const plans: TensorPlan[] = [];
  const data: Float32Array[] = [];
  for (const { name, shape } of checkpoint.tensors.values()) {
    plans.push({ name, type: "F32", shape });
    data.push(await checkpoint.readF32(name));
  }
  await checkpoint.close();
  const floats = tinyModel(SEED);
  floats.set("model.safetensors", encodeSafetensors(plans, data));
  const [expected, found] = [await quantized(floats), await quantized(folder)];
  const weights = [...expected.files.keys()].filter((name) => name.endsWith(".safetensors"));
  assert.ok(weights.length > 0);
  for (const name of weights) assert.equal(found.bytes(name), expected.bytes(name), name);
  assert.equal(found.json("config.json")["quantization_config"], expected.json("config.json")["quantization_config"]);
});

test.run();
