/** Folders for vLLM: the codes and scales of the source, in the words of compressed-tensors. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { blockModules, describeModel } from "../../src/architecture/description.ts";
import { readWeights } from "../../src/checkpoint/quantization/read-weights.ts";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { UnsupportedModelError } from "../../src/errors.ts";
import { exportView } from "../../src/export/compressed-tensors/export-view.ts";
import { MemoryOutputFolder } from "../memory-folder.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { quantizedTinyModel } from "../quantized-tiny-model.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 223;
const test = suite(`export for vLLM (seed ${SEED})`);

const source = await quantizedTinyModel(SEED, { scales: "bf16" });
test.after(() => source.close());

for (const unpacked of [false, true]) {
  test(`${unpacked ? "w4a8-int" : "w4a16"}: the same weights, norms and tokenizer`, async () => {
    const output = new MemoryOutputFolder("view");
    const { notes } = await exportView(source, output, { unpacked });
    await output.commit();
    const read = await openSafetensorsCheckpoint(output.result);
    assert.equal(read.notes, []);
    assert.equal(notes, ["static scales of activations and of the cache are left out"]);
    for (const module of blockModules(describeModel(source.config))) {
      assert.is(read.tensors.has(`${module.name}.weight`), unpacked);
      assertSameBits(await readWeights(read, module), await readWeights(source, module), module.name);
    }
    const norm = "model.layers.1.input_layernorm.weight";
    assertSameBits(await read.readF32(norm), await source.readF32(norm), norm);
    assert.is(read.tensors.get("model.embed_tokens.weight")!.type, "F16");
    assert.equal(
      [...read.tensors.keys()].filter((name) => /input_scale|k_scale|v_scale/.test(name)),
      [],
    );
    assert.equal(read.tokenizer, source.tokenizer);

    const { quantization_config: config } = output.result.json("config.json") as { quantization_config: Record<string, never> };
    const [group] = Object.values(config["config_groups"]!) as Record<string, Record<string, unknown>>[];
    const format = unpacked ? "int-quantized" : "pack-quantized";
    assert.equal([config["format"], group!["format"], config["kv_cache_scheme"]], [format, format, null]);
    assert.equal([group!["weights"]!["num_bits"], group!["weights"]!["group_size"]], [4, 32]);
    const activations = group!["input_activations"];
    assert.equal(unpacked ? [activations!["strategy"], activations!["dynamic"]] : activations, unpacked ? ["token", true] : null);
  });
}

test("refuses floats and weights that have no 4-bit symmetric codes", async () => {
  const refuses = async (checkpoint: typeof source, pattern: RegExp) => {
    const error: unknown = await exportView(checkpoint, new MemoryOutputFolder("no"), { unpacked: false }).catch(
      (reason: unknown) => reason,
    );
    assert.instance(error, UnsupportedModelError);
    assert.match((error as Error).message, pattern);
  };
  await refuses(await openSafetensorsCheckpoint(tinyModel(SEED)), /q_proj: got floats, need 4-bit symmetric weights$/);
});

test.run();
