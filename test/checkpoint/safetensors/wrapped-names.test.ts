/** Tensors named as in wrapped models: read as those of the model, with a note, or refused. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CheckpointError } from "../../../src/errors.ts";
import type { MemoryFolder } from "../../memory-folder.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { tinyModel, type TinyModelOptions } from "../../tiny-model.ts";
import { quantizedFolder } from "../quantization/quantized-folder.ts";
import { renameTensors } from "./rename-tensors.ts";

const test = suite("wrapped names (seed 1)");

const WRAPPINGS: Record<string, (name: string) => string> = {
  "torch.compile": (name) => `_orig_mod.${name}`,
  "torch.compile of DDP": (name) => `module._orig_mod.${name}`,
  DDP: (name) => `module.${name}`,
  "torch.compile of the model without its head": (name) => name.replace(/^model\./, "model._orig_mod."),
  "torch.compile of each block": (name) => name.replace(/^(model\.layers\.\d+)\./, "$1._orig_mod."),
  "FSDP with activation checkpointing": (name) =>
    name.replace(/^(model\.layers\.\d+)\./, "_fsdp_wrapped_module.$1._fsdp_wrapped_module._checkpoint_wrapped_module."),
  PEFT: (name) => `base_model.model.${name}`,
  Lightning: (name) => `model.${name}`,
  "the model without its head": (name) => name.replace(/^model\./, ""),
  "DDP of the model without its head": (name) => name.replace(/^model\./, "module."),
  "another name of the model": (name) => name.replace(/^model\./, "transformer."),
};

async function assertReadsAs(wrapped: MemoryFolder, plain: MemoryFolder, note: RegExp): Promise<void> {
  const [found, expected] = [await openSafetensorsCheckpoint(wrapped), await openSafetensorsCheckpoint(plain)];
  assert.equal([...found.tensors.keys()].toSorted(), [...expected.tensors.keys()].toSorted());
  for (const [name, { type }] of expected.tensors) {
    if (type === "F32") assertSameBits(await found.readF32(name), await expected.readF32(name), name);
    else assert.equal(await found.readRaw(name), await expected.readRaw(name), name);
  }
  assert.is(found.notes.length, 1);
  assert.match(found.notes[0]!, note);
  assert.equal(expected.notes, []);
  await found.close();
  assert.is(wrapped.openCount, 0, "files left open");
}

for (const [wrapping, wrap] of Object.entries(WRAPPINGS)) {
  for (const options of [{}, { shards: 3, config: { tiedEmbedding: false } }] satisfies TinyModelOptions[]) {
    test(`${wrapping}, ${JSON.stringify(options)}`, async () => {
      const plain = tinyModel(1, options);
      const changed = wrap("model.layers.0.mlp.up_proj.weight").replace(/layers.*$/, "");
      await assertReadsAs(renameTensors(plain, wrap), plain, new RegExp(`names: "${changed}.*" is read as "model\\.`));
    });
  }
}

test("a quantized checkpoint", async () => {
  const { folder } = await quantizedFolder(1, {}, 32, 2 ** 20);
  await assertReadsAs(renameTensors(folder, (name) => `_orig_mod.${name}`), folder, /"_orig_mod\./); // prettier-ignore
});

async function refuses(folder: MemoryFolder, pattern: RegExp): Promise<void> {
  const error: unknown = await openSafetensorsCheckpoint(folder).catch((reason: unknown) => reason);
  assert.instance(error, CheckpointError);
  assert.match((error as Error).message, pattern);
  assert.is(folder.openCount, 0, "files left open");
}

test("names that no rule makes whole are refused with what is there instead", async () => {
  const oneLeft = (name: string) => (name === "model.norm.weight" ? "ln.weight" : `module.${name}`);
  await refuses(
    renameTensors(tinyModel(1), oneLeft),
    /tensor model\.embed_tokens\.weight \[320, 64\] is missing: got "module\.model\.embed_tokens\.weight" instead/,
  );
  await refuses(renameTensors(tinyModel(1), (name) => `${name}_2`), /tensor model\.embed_tokens\.weight \[320, 64\] is missing/); // prettier-ignore
  const deep = (name: string) => name.replace("mlp.up_proj", "mlp.ffn.mlp.up_proj");
  await refuses(renameTensors(tinyModel(1), deep), /model\.layers\.0\.mlp\.up_proj\.weight \[192, 64\] is missing/);
});

test("what a wrapper leaves over has no place, under its own name", async () => {
  const layers = (name: string) => (name.includes("layers.2.") ? `module.${name}` : name);
  const folder = renameTensors(tinyModel(1, { config: { layers: 3 } }), (name) => `module.${name}`);
  folder.set("config.json", JSON.stringify({ ...folder.json("config.json"), num_hidden_layers: 2 }));
  await refuses(folder, /tensor model\.layers\.2\.[^ ]*: got a tensor with no place in this model/);
  await refuses(renameTensors(tinyModel(1), layers), /tensor model\.layers\.2\..* is missing: got "module\.model\.layers\.2\./);
});

test("two tensors of one name are refused", async () => {
  const both = renameTensors(tinyModel(1), (name) =>
    name === "model.norm.weight" ? "model._orig_mod.norm.weight" : `_orig_mod.${name}`,
  );
  await assertReadsAs(both, tinyModel(1), /_orig_mod/);
  const twice = renameTensors(tinyModel(1), (name) => `_orig_mod.${name}`, {
    "_orig_mod.model.norm.weight": "model._orig_mod.norm.weight",
  });
  await refuses(
    twice,
    /tensor model\.norm\.weight: got both "_orig_mod\.model\.norm\.weight" and "model\._orig_mod\.norm\.weight"/,
  );
});

test.run();
