/** Files of the catalogue from a server that acts as the Hub, and fails on purpose. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATA_FILES, type DataFile } from "../../../scripts/data/catalogue.ts";
import { findData, missingData, needData } from "../../../scripts/data/data-folder.ts";
import { fetchData } from "../../../scripts/data/fetch-data.ts";
import { CheckpointError, DownloadError } from "../../../src/errors.ts";
import { MemoryFile, MemoryFolder } from "../../memory-folder.ts";
import { mulberry32 } from "../../random.ts";
import { FaultServer } from "../../sources/fault-server.ts";
import { COMMIT, serveModel, sha256 } from "../../sources/hub-server.ts";

const SEED = 91;
const test = suite(`fetching data (seed ${SEED})`);
const random = mulberry32(SEED);
const BYTES = Uint8Array.from({ length: 2_500_000 }, () => Math.floor(256 * random()));

const fileOf = (source: DataFile["source"], changes: Partial<DataFile> = {}): DataFile => ({
  name: "model.gguf",
  sha256: sha256(BYTES),
  bytes: BYTES.length,
  licence: "MIT",
  source,
  ...changes,
});
const HUB = fileOf({ kind: "hub", name: "hf:org/model/model.gguf" });

interface Place {
  readonly server: FaultServer;
  readonly folder: string;
  fetch(file: DataFile): Promise<string>;
}

async function withServer(run: (place: Place) => Promise<void>): Promise<void> {
  await using server = await FaultServer.start();
  const home = mkdtempSync(join(tmpdir(), "fptq-data-"));
  const folder = join(home, "data");
  const model = new MemoryFolder("model");
  model.files.set("model.gguf", new MemoryFile("model.gguf", BYTES));
  serveModel(server, model);
  server.files.set("/text.txt", BYTES);
  const environment = { HF_HOME: join(home, "hub"), HF_ENDPOINT: server.origin, XDG_CACHE_HOME: join(home, "cache") };
  try {
    await run({ server, folder, fetch: (file) => fetchData(file, folder, { environment }) });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function rejects(work: Promise<unknown>, kind: new (message: string) => Error, pattern: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, kind);
  assert.match((error as Error).message, pattern);
}

test("a Hub name, through the package's loader, once", () =>
  withServer(async ({ server, folder, fetch }) => {
    assert.is(await fetch(HUB), "fetched");
    assert.equal(new Uint8Array(readFileSync(join(folder, "model.gguf"))), BYTES);
    assert.equal(readdirSync(folder), ["model.gguf"]);
    const asked = server.requests.length;
    assert.is(await fetch(HUB), "present");
    assert.is(server.requests.length, asked);
  }));

test("a URL, also when the connection breaks", () =>
  withServer(async ({ server, folder, fetch }) => {
    server.faults.set("/text.txt", [{ kind: "cut", after: 1_000_000 }]);
    assert.is(await fetch(fileOf({ kind: "url", url: `${server.origin}/text.txt` }, { name: "a.txt" })), "fetched");
    assert.equal(new Uint8Array(readFileSync(join(folder, "a.txt"))), BYTES);
    assert.equal(server.asked("/text.txt").map(({ range }) => range), ["bytes=0-", "bytes=1000000-"]);
  })); // prettier-ignore

test("another file at the source is refused, and leaves nothing", () =>
  withServer(async ({ server, folder, fetch }) => {
    server.always.set(`/org/model/resolve/${COMMIT}/model.gguf`, { kind: "flip", at: 77 });
    await rejects(fetch(HUB), CheckpointError, /got digest [\da-f]{64}, need [\da-f]{64}/);
    const url = { kind: "url", url: `${server.origin}/text.txt` } as const;
    const [digest, size] = [{ sha256: sha256(Uint8Array.of(1)) }, { bytes: 7 }];
    await rejects(fetch(fileOf(url, digest)), CheckpointError, /got SHA-256 [\da-f]{64}, need 4bf5122f/);
    await rejects(fetch(fileOf(url, size)), CheckpointError, /got 2500000 bytes from .*, need 7/);
    await rejects(fetch(fileOf({ kind: "url", url: `${server.origin}/no` })), DownloadError, /404/);
    assert.equal(existsSync(folder) ? readdirSync(folder) : [], []);
  }));

test("another file in the folder is neither taken nor replaced", () =>
  withServer(async ({ folder, fetch }) => {
    mkdirSync(folder);
    writeFileSync(join(folder, "model.gguf"), "mine");
    await rejects(fetch(HUB), CheckpointError, /another file; delete it to fetch it/);
    assert.is(readFileSync(join(folder, "model.gguf"), "utf8"), "mine");
  }));

test("what nobody may hand out is said to be from its owner", () =>
  withServer(async ({ fetch }) => {
    await rejects(fetch(fileOf({ kind: "owner", how: "ask" })), Error, /model\.gguf: got none, need it from its owner: ask/);
  }));

test("files are found in the folder and in those in it, linked or not; what is missing is said on one line", () => {
  const folder = mkdtempSync(join(tmpdir(), "fptq-data-"));
  mkdirSync(join(folder, "texts"));
  writeFileSync(join(folder, "texts/a.txt"), "");
  assert.is(findData(folder, "a.txt"), join(folder, "texts", "a.txt"));
  assert.is(findData(join(folder, "none"), "a.txt"), undefined);
  const links = join(folder, "links");
  mkdirSync(links);
  symlinkSync(join(folder, "texts"), join(links, "linked"), "junction");
  symlinkSync(join(folder, "gone"), join(links, "broken"), "junction");
  assert.is(findData(links, "a.txt"), join(links, "linked", "a.txt"));
  assert.throws(() => needData(folder, "b.txt"), /got no b\.txt, need it: npm run data fetches/);
  assert.match(missingData(folder, ["b", "c"]), /got no b, c, need them: [^\n]*$/);
  rmSync(folder, { recursive: true });
});

test("the catalogue can be true: names once, digests, sizes, https", () => {
  assert.is(new Set(DATA_FILES.map(({ name }) => name)).size, DATA_FILES.length);
  for (const { name, sha256: digest, bytes, source } of DATA_FILES) {
    assert.match(digest, /^[\da-f]{64}$/, name);
    assert.ok(bytes > 0);
    if (source.kind === "url") assert.match(source.url, /^https:\/\//);
    if (source.kind === "hub") assert.match(source.name, /^hf:[^/]+\/[^/]+\/[^/]+\.gguf$/);
  }
});

const script = (name: string, ...args: string[]) =>
  spawnSync(
    process.execPath,
    ["--import", "tsx", fileURLToPath(new URL(`../../../scripts/${name}.ts`, import.meta.url)), ...args],
    {
      encoding: "utf8",
    },
  );

test("scripts without their data say on one line what is missing, and where it comes from", () => {
  const none = join(tmpdir(), "fptq-no-data");
  const listed = script("data", "--list", "--data", none, "hellaswag").stdout;
  assert.match(listed, /hellaswag_val_400\.jsonl {2}0\.3 MB, cannot be fetched\n.*\n.*github\.com\/rowanz\/hellaswag/);
  const results = script("results", "--only", "rtn", "--data", none, "--output", mkdtempSync(join(tmpdir(), "fptq-data-")));
  assert.is(results.status, 2);
  assert.match(results.stderr, /^[^\n]*got no SmolLM2-135M-Instruct\.Q4_1\.gguf, need it: npm run data [^\n]*left out: rtn\n/);
  assert.is(results.stderr.trimEnd().split("\n").length, 5, results.stderr);
  const text = script("calibration-text", "-o", join(none, "no"), "--data", none);
  assert.is(text.status, 2);
  assert.match(text.stderr, /^[^\n]*got no SmolLM2-135M-Instruct\.Q4_1\.gguf, need it: [^\n]*\n$/);
});

test.run();
