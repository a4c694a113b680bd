/** The models that are attacked are whole, and cases of them are what their seeds say. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BASES, baseFiles } from "../../../scripts/fuzz/bases.ts";
import { caseSeed } from "../../../scripts/fuzz/choices.ts";
import { takeApart } from "../../../scripts/fuzz/edits/gguf-form.ts";
import { runModel } from "../../../scripts/fuzz/model-run.ts";
import { subject } from "../../../scripts/fuzz/models.ts";
import type { MadeCase } from "../../../scripts/fuzz/subject.ts";

const SEED = 9;
const CASES = 150;
const test = suite(`fuzzed models (seed ${SEED})`);

test("every base runs, gives the same twice, and no two of one form alike", async () => {
  const digests = new Map<string, string>();
  for (const base of BASES) {
    const files = await baseFiles(base);
    const { digest, isFinite } = await runModel(files);
    assert.ok(isFinite, base);
    assert.is((await runModel(files)).digest, digest, base);
    digests.set(base, digest);
  }
  // Sharded and with a window wider than the prompt, the model is the same.
  assert.is(digests.get("sharded"), digests.get("llama"));
  assert.is(digests.get("mistral"), digests.get("llama"));
  // A folder of embeddings has the blocks of another base.
  assert.is(digests.get("embedding"), digests.get("qwen3"));
  // In parts, a GGUF is what it was.
  assert.is(digests.get("split-f32"), digests.get("gguf-f32"));
  assert.is(new Set(digests.values()).size, BASES.length - 4);
});

const bytesOf = ({ files }: MadeCase) =>
  [...files].map(([name, bytes]) => `${name} ${Buffer.from(bytes).toString("base64")}`).join("\n");

for (const kind of subject.kinds) {
  test(`${kind}: cases are made without an error, alike twice, of files that stay small`, async () => {
    let edited = 0;
    let neutral = 0;
    for (let i = 0; i < CASES; i++) {
      const id = { kind, seed: caseSeed(SEED, i) };
      const made = await subject.make(id);
      const bytes = bytesOf(made);
      const original = bytesOf({ ...made, files: await baseFiles(made.base) });
      assert.is(bytesOf(await subject.make(id)), bytes, `seed ${id.seed}`);
      assert.is(bytesOf(await subject.make({ ...id, keep: [] })), original, `seed ${id.seed}`);
      assert.ok(bytes.length < 8e6, `seed ${id.seed}: ${bytes.length} characters`);
      assert.is(made.edits.length, made.editCount);
      if (bytes !== original) edited++;
      if (made.isNeutral) neutral++;
    }
    assert.ok(edited > 0.9 * CASES, `${edited} of ${CASES} edited`);
    assert.ok(neutral > 0.05 * CASES && neutral < 0.3 * CASES, `${neutral} of ${CASES} neutral`);
  });
}

test("a file taken apart knows where its padding is", async () => {
  const bytes = (await baseFiles("gguf-q4_1")).get("model.gguf")!;
  const form = takeApart(bytes)!;
  assert.ok(form.tensors.length > 10 && form.metadata.length > 10);
  for (const end of form.ends) for (let at = end; at % 32 !== 0 && at < bytes.length; at++) assert.is(bytes[at], 0);
  assert.is(takeApart(bytes.subarray(0, 1000)), undefined);
});

test.run();
