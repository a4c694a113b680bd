import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel } from "../../src/core.ts";
import { OptionError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 62;
const CONTEXT = 256;
const test = suite(`chunk size, seed ${SEED}`);

const load = (chunkSize: number | undefined) =>
  loadModel({ kind: "folder", folder: tinyModel(SEED) }, nodeHost, { threads: 1, contextSize: CONTEXT, chunkSize });

test("smaller chunks need less memory and give the same logits", async () => {
  const ids = Array.from({ length: CONTEXT }, (_, i) => i);
  const whole = await load(undefined);
  const expected = await whole.logits(ids);
  for (const chunkSize of [1, 2, 7, 8, 9, 64, 255]) {
    const model = await load(chunkSize);
    assert.ok(model.memory().scratch < whole.memory().scratch, `${chunkSize}`);
    assert.equal(await model.logits(ids), expected, `${chunkSize}`);
    await model.dispose();
  }
  await whole.dispose();
});

test("a size that cannot be is refused by name", async () => {
  for (const chunkSize of [0, -1, 1.5, 257, Number.NaN]) {
    try {
      await load(chunkSize);
      assert.unreachable(`${chunkSize}`);
    } catch (error) {
      assert.instance(error, OptionError, `${chunkSize}`);
      assert.match((error as Error).message, "chunkSize");
    }
  }
});

test.run();
