import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { AbortError, CapabilityError, CheckpointError, OptionError } from "../../src/errors.ts";
import { openFile, openFolder, openLocation } from "../../src/host/node/node-files.ts";
import { createOutputFolder } from "../../src/host/node/output/node-output-folder.ts";
import { tinyModel } from "../tiny-model.ts";

const test = suite<{ root: string }>("node files");
test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "fptq-node-files-"));
});
test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }));

async function rejects(work: Promise<unknown>, type: new (message: string) => Error, pattern: RegExp): Promise<void> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, type);
  assert.match((error as Error).message, pattern);
}

async function writeAll(path: string, files: Record<string, string>, force = false) {
  const output = await createOutputFolder(path, { force });
  for (const [name, text] of Object.entries(files)) {
    const file = await output.create(name);
    for (const piece of [text.slice(0, 2), text.slice(2)]) await file.write(new TextEncoder().encode(piece));
    await file.close();
  }
  return output;
}

test("reads ranges of a file", async ({ root }) => {
  const path = join(root, "file");
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
  writeFileSync(path, bytes);
  const file = await openFile(path);
  assert.is(file.size, 1000);
  for (const [offset, length] of [
    [0, 1000],
    [0, 0],
    [1000, 0],
    [999, 1],
    [123, 456],
  ] as const) {
    assert.equal(await file.read(offset, length), bytes.slice(offset, offset + length));
  }
  for (const [offset, length] of [
    [0, 1001],
    [1000, 1],
    [-1, 1],
    [0, -1],
    [0, Number.NaN],
    [2 ** 53, 1],
  ] as const) {
    await rejects(file.read(offset, length), CheckpointError, /got a read of .+ bytes at .+, need one within the file's 1000/);
  }
  await rejects(file.read(0, 1, AbortSignal.abort()), AbortError, /reading/);
  truncateSync(path, 500);
  await rejects(file.read(400, 200), CheckpointError, /got 100 bytes at 400, need 200: the file became shorter/);
  await file.close();
});

test("reads of a few bytes and of many are the same, and a file that became shorter is noticed by both", async ({ root }) => {
  const path = join(root, "file");
  const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => i % 251);
  writeFileSync(path, bytes);
  const file = await openFile(path);
  for (const length of [4095, 4096, 4097, 9000]) assert.equal(await file.read(7, length), bytes.slice(7, 7 + length));
  truncateSync(path, 500);
  for (const length of [4000, 8000])
    await rejects(file.read(100, length), CheckpointError, /got 400 bytes at 100, need \d+: the file became shorter/);
  await file.close();
  for (const length of [10, 8000]) await rejects(file.read(0, length), CheckpointError, /file: cannot be read: /);
});

for (const aside of [true, false]) {
  test(`a digest ${aside ? "begun beside other work" : "found out when it is asked for"} is compared`, async ({ root }) => {
    const path = join(root, "large");
    const bytes = new Uint8Array(9 * 2 ** 20).map((_, i) => (i * i) >> 3);
    writeFileSync(path, bytes);
    const digest = createHash("sha256").update(bytes).digest("hex");
    const others = "0".repeat(64);
    for (const expected of [digest, others, undefined]) {
      const file = await openFile(path);
      if (aside) file.startVerifying!(expected);
      if (expected === others) {
        await rejects(file.verify!(expected), CheckpointError, new RegExp(`large: got SHA-256 ${digest}, need ${others}`));
      } else await file.verify!(expected);
      await file.close();
    }
  });
}

test("a digest nobody waits for ends with its file, and one of a file that was replaced is not taken", async ({ root }) => {
  const path = join(root, "large");
  const bytes = new Uint8Array(9 * 2 ** 20).fill(7);
  writeFileSync(path, bytes);
  const closed = await openFile(path);
  closed.startVerifying!("0".repeat(64));
  await closed.close();
  const file = await openFile(path);
  renameSync(path, join(root, "moved"));
  writeFileSync(path, new Uint8Array(bytes.length));
  const digest = createHash("sha256").update(bytes).digest("hex");
  file.startVerifying!(digest);
  await file.verify!(digest);
  await rejects(
    (async () => {
      file.startVerifying!(digest);
      await file.verify!(digest, AbortSignal.abort());
    })(),
    AbortError,
    /reading/,
  );
  await file.close();
});

test("says what a path is, or that there is nothing", async ({ root }) => {
  writeFileSync(join(root, "file"), "x");
  const file = await openLocation(join(root, "file"));
  assert.is(file.kind, "file");
  if (file.kind === "file") await file.file.close();
  assert.is((await openLocation(root)).kind, "folder");
  await rejects(openLocation(join(root, "nothing")), CheckpointError, /nothing: got nothing, need a file or folder$/);
  await rejects(openLocation(join(root, "file", "below")), CheckpointError, /below/);
});

test("a folder lists files and links, and opens nothing outside itself", async ({ root }) => {
  mkdirSync(join(root, "folder", "below"), { recursive: true });
  writeFileSync(join(root, "secret"), "s");
  writeFileSync(join(root, "folder", "a"), "a");
  symlinkSync(join(root, "secret"), join(root, "folder", "link"));
  const folder = openFolder(join(root, "folder"));
  assert.equal((await folder.list()).toSorted(), ["a", "link"]);
  const link = await folder.open("link");
  assert.equal(await link.read(0, 1), new TextEncoder().encode("s"));
  await link.close();
  for (const name of ["../secret", join(root, "secret"), "..", ".", "below", "", "nothing"]) {
    await rejects(folder.open(name), CheckpointError, /folder/);
  }
});

test("a pipe is refused instead of waited for", async ({ root }) => {
  const path = join(root, "pipe");
  if (spawnSync("mkfifo", [path]).status !== 0) return console.log("\nskip: this system has no mkfifo");
  await rejects(openFile(path), CheckpointError, /got something else, need a regular file/);
});

test("a model written through an output folder opens", async ({ root }) => {
  const path = join(root, "deep", "model");
  const output = await createOutputFolder(path);
  for (const [name, { bytes }] of tinyModel(1, { shards: 2 }).files) {
    const file = await output.create(name);
    await file.write(bytes);
    await file.close();
  }
  assert.is(statSync(join(root, "deep")).isDirectory(), true);
  await rejects(openLocation(path), CheckpointError, /got nothing, need a file or folder/);
  await output.commit();
  assert.equal(readdirSync(join(root, "deep")), ["model"], "nothing else is left");
  const location = await openLocation(path);
  assert.ok(location.kind === "folder");
  const checkpoint = await openSafetensorsCheckpoint(location.folder);
  assert.is((await checkpoint.readF32("model.norm.weight")).length, 64);
  await checkpoint.close();
});

test("discard leaves no trace, also with files still open", async ({ root }) => {
  const output = await writeAll(join(root, "model"), { "config.json": "{}" });
  const open = await output.create("half");
  await open.write(new Uint8Array(10));
  await rejects(output.commit(), CheckpointError, /got 1 files still open, need all closed/);
  await output.discard();
  assert.equal(readdirSync(root), []);
});

test("an existing folder is kept without force, and until commit with it", async ({ root }) => {
  const path = join(root, "model");
  await (await writeAll(path, { "config.json": "old" })).commit();
  await rejects(createOutputFolder(path), OptionError, /got a folder with files in it, need .* option force to replace it$/);

  const output = await writeAll(path, { "config.json": "new", other: "1" }, true);
  assert.is(readFileSync(join(path, "config.json"), "utf8"), "old");
  await output.discard();
  assert.equal(readdirSync(root), ["model"]);

  await (await writeAll(path, { "config.json": "new", other: "1" }, true)).commit();
  assert.equal(readdirSync(path).toSorted(), ["config.json", "other"]);
  assert.is(readFileSync(join(path, "config.json"), "utf8"), "new");
  assert.equal(readdirSync(root), ["model"]);
});

test("a folder that appears while the output is written is not overwritten", async ({ root }) => {
  const path = join(root, "model");
  const output = await writeAll(path, { "config.json": "ours" });
  mkdirSync(path);
  writeFileSync(join(path, "config.json"), "theirs");
  await rejects(output.commit(), OptionError, /got a folder with files in it, need/);
  assert.is(readFileSync(join(path, "config.json"), "utf8"), "theirs");
  await output.discard();
});

test("force replaces models and nothing else; an empty folder needs no force", async ({ root }) => {
  const path = join(root, "precious");
  mkdirSync(path);
  const output = await writeAll(path, { "config.json": "1" });
  await output.commit();
  rmSync(join(path, "config.json"));
  writeFileSync(join(path, "thesis.txt"), "...");
  await rejects(
    createOutputFolder(path, { force: true }),
    OptionError,
    /got a folder with other files, need one with config\.json: only a model folder is replaced/,
  );
  writeFileSync(join(root, "file"), "x");
  await rejects(createOutputFolder(join(root, "file"), { force: true }), OptionError, /got a file, need a folder/);
  await rejects(createOutputFolder(join(root, "file", "model")), OptionError, /file/);
});

test("a link to a folder stays a link", async ({ root }) => {
  await (await writeAll(join(root, "real"), { "config.json": "old" })).commit();
  symlinkSync(join(root, "real"), join(root, "link"));
  await (await writeAll(join(root, "link"), { "config.json": "new" }, true)).commit();
  assert.is(readFileSync(join(root, "real", "config.json"), "utf8"), "new");
  assert.equal(readdirSync(root).toSorted(), ["link", "real"]);
});

test("a replacement interrupted between its two renames is found again", async ({ root }) => {
  const path = join(root, "model");
  await (await writeAll(path, { "config.json": "old" })).commit();
  const aside = join(dirname(path), `.${basename(path)}.replaced-0123abcd`);
  renameSync(path, aside);
  await rejects(openLocation(path), CheckpointError, /previous folder as .*\.model\.replaced-0123abcd/);
});

test("names of new files stay inside, and are new", async ({ root }) => {
  const output = await writeAll(join(root, "model"), { a: "1" });
  await rejects(output.create("../b"), CheckpointError, /got "\.\.\/b", need the name of a file/);
  await rejects(output.create("a"), CapabilityError, /cannot be written/);
  await output.discard();
});

test.run();
