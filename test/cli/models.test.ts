/** `fptq models` over caches of temporary folders. */
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { folderBlockStore } from "../../src/host/node/node-block-store.ts";
import { BlockCache, newBlock } from "../../src/sources/block-cache.ts";
import { runCli } from "./command-harness.ts";

const test = suite("models");
const folder = realpathSync(mkdtempSync(join(tmpdir(), "fptq-models-")));
const [downloads, hub] = [join(folder, "downloads"), join(folder, "hub")];
Object.assign(process.env, { FPTQ_CACHE: downloads, HF_HUB_CACHE: hub });
test.after(() => rmSync(folder, { recursive: true }));

const GGUF = "https://example.org/SmolLM2.gguf";
const WHEN = new Date(2026, 5, 7, 8, 9);

test.before.each(async () => {
  for (const path of [downloads, hub]) rmSync(path, { recursive: true, force: true });
  const cache = new BlockCache(folderBlockStore(downloads), undefined, GGUF);
  const key = "ab".repeat(32);
  await cache.putNamed(`${GGUF}?token=secret`, { key, size: 4_000_000 });
  await cache.putEntry(key, { size: 4_000_000, verified: false });
  await cache.putBlock(key, 1, newBlock(4_000_000 - 2 ** 21));
  const repository = join(hub, "models--org--SmolLM2-135M");
  mkdirSync(join(repository, "snapshots", "c0"), { recursive: true });
  writeFileSync(join(repository, "snapshots", "c0", "model.safetensors"), new Uint8Array(2048));
  const files = [...readdirSync(join(downloads, "names")).map((name) => join(downloads, "names", name)), join(downloads, "files", key, "1"), join(repository, "snapshots", "c0", "model.safetensors")]; // prettier-ignore
  for (const file of files) utimesSync(file, WHEN, WHEN);
});

test("a line for each model: name, size, last use, state", async () => {
  const { code, stdout } = await runCli(["models"]);
  assert.is(code, 0);
  assert.equal(stdout.split("\n"), [
    "model                                 size  last use          state",
    "hf:org/SmolLM2-135M               2.00 KiB  2026-06-07 08:09  whole",
    `${GGUF}  1.81 MiB  2026-06-07 08:09  partial, of 3.81 MiB`,
    "",
    `2 models, 1.82 MiB in ${hub} and ${downloads}`,
    "",
  ]);
});

test("the same as one JSON document", async () => {
  const { stdout } = await runCli(["models", "--json"]);
  const { folders, models } = JSON.parse(stdout) as { folders: string[]; models: Record<string, unknown>[] };
  assert.equal(folders, [downloads, hub]);
  assert.equal(models[0], {
    name: "hf:org/SmolLM2-135M", named: true, folder: hub, bytes: 2048, whole: true, whole_bytes: null, last_use: WHEN.toISOString(),
  }); // prettier-ignore
  assert.equal([models[1]!["name"], models[1]!["whole"], models[1]!["whole_bytes"]], [GGUF, false, 4_000_000]);
  assert.not.match(stdout, /secret/);
});

test("remove says what it freed", async () => {
  const { code, stdout } = await runCli(["models", "remove", "hf:org/SmolLM2-135M"]);
  assert.equal([code, stdout], [0, "removed hf:org/SmolLM2-135M: 2.00 KiB freed\n"]);
  assert.equal(readdirSync(hub), []);
  const json = await runCli(["models", "remove", "--json", GGUF]);
  const { removed, bytes } = JSON.parse(json.stdout) as { removed: unknown; bytes: number };
  assert.equal(removed, [{ name: GGUF, bytes }]);
  assert.ok(bytes > 1_900_000);
  assert.is((await runCli(["models"])).stdout, `nothing is kept in ${downloads} or ${hub}\n`);
});

test("--cache is that folder alone, before the word or behind it", async () => {
  assert.match((await runCli(["models", "--cache", downloads])).stdout, /1 model, /);
  assert.match((await runCli(["models", "--cache", downloads, "remove", GGUF])).stdout, /^removed /);
  assert.match((await runCli(["models", "remove", GGUF, "--cache", hub])).stderr, /need one of the 0 that are kept/);
});

for (const [written, meant] of [
  ["hf:org/SmolLM2-135", "hf:org/SmolLM2-135M"],
  ["org/SmolLM2-135M", "hf:org/SmolLM2-135M"],
  ["smollm2.gguf", GGUF],
] as const) {
  // prettier-ignore
  test(`remove ${written}, which is not there: the nearest name, exit 1, nothing removed`, async () => {
    const { code, stdout, stderr } = await runCli(["models", "remove", GGUF, written]);
    assert.equal([code, stdout], [1, ""]);
    assert.is(stderr, `error: model: got "${written}", need one of the 2 that are kept; did you mean ${meant}?\n`);
    assert.match((await runCli(["models"])).stdout, /2 models/);
  });
}

test("remove without a name is exit 2; its help has examples", async () => {
  assert.is((await runCli(["models", "remove"])).code, 2);
  assert.match((await runCli(["models", "remove", "--help"])).stdout, /Examples:\n {2}fptq models remove hf:ORG\/MODEL/);
});

test.run();
