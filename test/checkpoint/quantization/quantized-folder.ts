/**
 * A W4A8 folder with every kind of tensor the format has, filled with random bytes: for tests of files, not
 * of numbers.
 */
import { expectedTensors } from "../../../src/checkpoint/expected-tensors.ts";
import type { ModelConfig } from "../../../src/architecture/model-config.ts";
import { buildQuantizationConfig } from "../../../src/checkpoint/quantization/quantization-config-builder.ts";
import { type LinearScheme, parseQuantizationConfig } from "../../../src/checkpoint/quantization/quantization-config.ts";
import { SafetensorsWriter } from "../../../src/checkpoint/safetensors/safetensors-writer.ts";
import { tensorBytes } from "../../../src/checkpoint/safetensors/safetensors.ts";
import { linearModules } from "../../linear-modules.ts";
import { type MemoryFolder, MemoryOutputFolder } from "../../memory-folder.ts";
import { mulberry32 } from "../../random.ts";
import { tinyConfig, tinyModel } from "../../tiny-model.ts";

/**
 * Inputs of o and down are dynamic, the others static; gate and up are 4-bit floats; embedding packed; cache
 * scales. `data` holds every tensor by name.
 */
export async function quantizedFolder(seed: number, changes: Partial<ModelConfig>, groupSize: number, maxShardBytes: number) {
  const config = tinyConfig("llama", changes);
  const modules = new Map<string, LinearScheme>([
    ["model.embed_tokens", { weights: "int8", groupSize: "channel", activations: { kind: "none" } }],
  ]);
  for (const { name, input } of linearModules(config)) {
    const kind = input === "o" || input === "down" ? "dynamic" : "static";
    modules.set(name, { weights: input === "up" ? "fp4" : "int4", groupSize, activations: { kind } });
  }
  const quantizationConfig = buildQuantizationConfig(modules, { kvCache: "q8" });
  const expected = expectedTensors(config, parseQuantizationConfig(quantizationConfig, "built"), "built");
  const plans = expected.map(({ name, shape, role }) => ({
    name,
    shape,
    type: role === "packed" ? ("I32" as const) : role === "shape" ? ("I64" as const) : ("F32" as const),
  }));

  const source = tinyModel(seed, { config: changes });
  const output = new MemoryOutputFolder("quantized");
  const writer = new SafetensorsWriter(output, plans, { maxShardBytes });
  const random = mulberry32(seed);
  const data = new Map<string, Uint8Array>();
  for (const { name, type, shape } of plans) {
    data.set(
      name,
      Uint8Array.from({ length: tensorBytes(type, shape) }, () => Math.floor(random() * 256)),
    );
    await writer.write(name, data.get(name)!);
  }
  await writer.finish();
  await output.commit();
  const folder: MemoryFolder = output.result;
  for (const [name, { bytes }] of source.files) if (name !== "model.safetensors") folder.set(name, bytes);
  folder.set("config.json", JSON.stringify({ ...source.json("config.json"), quantization_config: quantizationConfig }));
  return { folder, config, modules, data };
}
