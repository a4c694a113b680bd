/** A file that appears whole or not at all. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OptionError } from "../../../../src/errors.ts";
import { createOutputFile } from "../../../../src/host/node/output/node-output-file.ts";

const test = suite("output file of Node");
const folder = mkdtempSync(join(tmpdir(), "fptq-output-file-"));
test.after(() => rmSync(folder, { recursive: true }));
const seen = () => readdirSync(folder).filter((name) => !name.startsWith("."));

async function refuses(path: string, options: { force?: boolean }, pattern: RegExp) {
  const error: unknown = await createOutputFile(path, options).catch((reason: unknown) => reason);
  assert.instance(error, OptionError);
  assert.match((error as Error).message, pattern);
}

test("is seen when it is committed", async () => {
  const path = join(folder, "deep", "model.gguf");
  const output = await createOutputFile(path);
  await output.write(Uint8Array.of(1, 2));
  assert.equal(
    readdirSync(join(folder, "deep")).filter((name) => !name.startsWith(".")),
    [],
  );
  await output.write(Uint8Array.of(3));
  await output.commit();
  assert.equal([...readFileSync(path)], [1, 2, 3]);
  assert.equal(readdirSync(join(folder, "deep")), ["model.gguf"]);
});

test("leaves nothing when it is discarded, also no folder made for it", async () => {
  const before = seen();
  const output = await createOutputFile(join(folder, "other", "model.gguf"));
  await output.write(Uint8Array.of(1));
  await output.discard();
  assert.equal(seen(), before);
});

test("replaces a GGUF with force only, which stays whole until then", async () => {
  const path = join(folder, "old.gguf");
  writeFileSync(path, "old");
  await refuses(path, {}, /got a file that exists, need a free name, or option force to replace it$/);
  const output = await createOutputFile(path, { force: true });
  await output.write(new TextEncoder().encode("new"));
  assert.is(readFileSync(path, "utf8"), "old");
  await output.commit();
  assert.is(readFileSync(path, "utf8"), "new");
});

test("replaces no folder and no file of another kind", async () => {
  await refuses(folder, { force: true }, /got a folder, need a file or a free name$/);
  writeFileSync(join(folder, "thesis.txt"), "years");
  await refuses(join(folder, "thesis.txt"), { force: true }, /got a file of another kind, need one named \.gguf/);
});

test.run();
