import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CheckpointError, OptionError } from "../../src/errors.ts";
import { SlotFolder } from "../../src/host/node/node-slot-folder.ts";

const test = suite("a folder for slots");
const folder = mkdtempSync(join(tmpdir(), "fptq-slots-"));
test.after(() => rmSync(folder, { recursive: true }));
const failure = (work: Promise<unknown>) => work.then(() => undefined, (error: unknown) => error); // prettier-ignore

test("what is written is read, replaces what was there, and is nobody else's", async () => {
  const slots = await SlotFolder.open(folder);
  for (const bytes of [Uint8Array.of(1, 2, 3), Uint8Array.of(4)]) {
    await slots.write("a.bin", bytes);
    assert.equal(new Uint8Array((await slots.read("a.bin", 10))!), bytes);
  }
  assert.equal(readdirSync(folder), ["a.bin"]);
  if (process.platform !== "win32") assert.is(statSync(join(folder, "a.bin")).mode & 0o777, 0o600);
});

test("no file, one that is too large, a folder", async () => {
  const slots = await SlotFolder.open(folder);
  assert.is(await slots.read("b.bin", 10), undefined);
  writeFileSync(join(folder, "large"), new Uint8Array(11));
  assert.instance(await failure(slots.read("large", 10)), CheckpointError);
  mkdirSync(join(folder, "inner"));
  assert.instance(await failure(slots.read("inner", 10_000)), CheckpointError);
});

test("a place that is no folder", async () => {
  assert.instance(await failure(SlotFolder.open(join(folder, "nowhere"))), OptionError);
  assert.instance(await failure(SlotFolder.open(join(folder, "large"))), OptionError);
});

test.run();
