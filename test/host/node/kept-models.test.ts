/** What the caches have, by name, and that nothing else is removed with it. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"; // prettier-ignore
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openCheckpoint } from "../../../src/checkpoint/open-checkpoint.ts";
import { CapabilityError } from "../../../src/errors.ts";
import { folderBlockStore, nodeSha256 } from "../../../src/host/node/node-block-store.ts";
import { keptDownloads } from "../../../src/host/node/kept-models/kept-downloads.ts";
import { keptHubModels } from "../../../src/host/node/kept-models/kept-hub-models.ts";
import type { KeptModel } from "../../../src/host/node/kept-models/kept-model.ts";
import { BLOCK_BYTES, type BlockStore } from "../../../src/sources/block-cache.ts";
import { locateModel } from "../../../src/sources/locate-model.ts";
import { FaultServer } from "../../sources/fault-server.ts";
import { shardedModel, shardsOf } from "../../sources/sharded-model.ts";

const SEED = 83;
const test = suite(`kept models (seed ${SEED})`);
const MODEL = await shardedModel(SEED);
const SHARDS = shardsOf(MODEL);

interface Place {
  readonly folder: string;
  /** The folder of downloads. */
  readonly cache: string;
  readonly server: FaultServer;
  /** Reads every tensor of a model, and gives them. */
  load(path: string, store?: BlockStore): Promise<Uint8Array[]>;
  models(): Promise<KeptModel[]>;
}

async function withPlace(run: (place: Place) => Promise<void>): Promise<void> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "fptq-kept-")));
  const cache = join(folder, "cache");
  await using server = await FaultServer.start();
  for (const path of ["/a", "/b"]) server.addFolder(path, MODEL.copy().files);
  const load = async (path: string, store = folderBlockStore(cache)) => {
    const secrets = server.origin.replace("://", "://user:password@");
    const location = await locateModel(`${secrets}${path}/?token=secret#part`, { fetch, createSha256: nodeSha256 }, { cache: store }); // prettier-ignore
    const checkpoint = await openCheckpoint(location);
    const tensors: Uint8Array[] = [];
    for (const name of checkpoint.tensors.keys()) tensors.push(await checkpoint.readRaw(name));
    await checkpoint.close();
    return tensors;
  };
  try {
    await run({ folder, cache, server, load, models: () => keptDownloads(cache) });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Every file below a folder, by its path there. */
const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) => statSync(join(folder, path)).isFile()).toSorted(); // prettier-ignore
const bytesIn = (folder: string) => filesIn(folder).reduce((sum, path) => sum + statSync(join(folder, path)).size, 0);

const EXPECTED: Uint8Array[] = [];
test.before(() => withPlace(async ({ load }) => void EXPECTED.push(...(await load("/a")))));

test("there are several shards of several blocks", () => assert.ok(SHARDS.length >= 3 && EXPECTED.length > 10));

test("no cache is no model", async () => {
  assert.equal(await keptDownloads("/nowhere/at all"), []);
  assert.equal(await keptHubModels("/nowhere/at all"), []);
});

test("a folder by its URL: its name without secrets, whole, all of its bytes; removed without a trace", () =>
  withPlace(async ({ cache, server, load, models }) => {
    await load("/a");
    const [model, ...others] = await models();
    assert.equal(others, []);
    assert.is(model!.name, `${server.origin}/a/`);
    assert.equal([model!.isNamed, model!.isWhole, model!.bytes], [true, true, bytesIn(cache)]);
    assert.ok(Math.abs(model!.lastUse - Date.now()) < 60_000);
    for (const path of filesIn(cache)) assert.not.match(readFileSync(join(cache, path), "latin1"), /secret|password/);
    assert.is(await model!.remove(), model!.bytes);
    assert.equal(filesIn(cache), []);
    assert.equal(readdirSync(join(cache, "files")), []);
    assert.equal(await models(), []);
  }));

test("what two models share stays until both are removed", () =>
  withPlace(async ({ cache, server, load, models }) => {
    await load("/a");
    const alone = bytesIn(cache);
    await load("/b");
    const [a, b] = (await models()).toSorted((one, other) => one.name.localeCompare(other.name));
    assert.ok(bytesIn(cache) < 1.1 * alone, "the shards were kept twice");
    const freed = await a!.remove();
    assert.ok(freed < alone / 10, `${freed} bytes freed`);
    server.requests.length = 0;
    assert.equal(await load("/b"), EXPECTED);
    assert.not(server.requests.some(({ path }) => path.endsWith(".safetensors")));
    assert.ok((await b!.remove()) > 0.9 * alone);
    assert.equal(filesIn(cache), []);
  }));

test("what is not all there is partial, and says of how much", () =>
  withPlace(async ({ cache, load, models }) => {
    await load("/a");
    const files = readdirSync(join(cache, "files")).map((key) => join(cache, "files", key));
    const shard = files.find((path) => existsSync(join(path, "1")))!;
    rmSync(join(shard, "0"));
    const [model] = await models();
    const content = [...MODEL.files].reduce((sum, [, { bytes }]) => sum + bytes.length, 0);
    assert.equal([model!.isWhole, model!.wholeBytes], [false, content]);
    rmSync(shard, { recursive: true });
    assert.is((await models())[0]!.isWhole, false);
  }));

test("one whose shards were never asked for is partial", () =>
  withPlace(async ({ server, cache, models }) => {
    const location = await locateModel(`${server.origin}/a`, { fetch }, { cache: folderBlockStore(cache) });
    if (location.kind === "folder") await location.folder.list();
    assert.equal((await models()).map(({ isWhole }) => isWhole), [false]); // prettier-ignore
  }));

test("what an earlier version kept has no name, until it is loaded again", () =>
  withPlace(async ({ cache, server, load, models }) => {
    await load("/a");
    for (const name of readdirSync(join(cache, "names"))) {
      const path = join(cache, "names", name);
      const { model: _, validator, ...known } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
      // Files known by their digest had no record at all.
      if (known["key"] !== undefined && validator === undefined) rmSync(path);
      else writeFileSync(path, JSON.stringify({ ...known, ...(validator !== undefined && { validator }) }));
    }
    const unnamed = await models();
    assert.ok(unnamed.length >= SHARDS.length + 2);
    for (const { name, isNamed, isWhole } of unnamed) assert.ok(/^unnamed:[0-9a-f]{12}$/.test(name) && !isNamed && isWhole, name);
    await load("/a");
    assert.equal((await models()).map(({ name, isWhole }) => [name, isWhole]), [[`${server.origin}/a/`, true]]); // prettier-ignore
    rmSync(join(cache, "names"), { recursive: true });
    const left = await models();
    const before = bytesIn(cache);
    assert.is(await left[0]!.remove(), left[0]!.bytes);
    assert.is(bytesIn(cache), before - left[0]!.bytes);
  }));

test("a name that is none is shown as none", () =>
  withPlace(async ({ cache, load, models }) => {
    await load("/a");
    for (const name of readdirSync(join(cache, "names"))) {
      const path = join(cache, "names", name);
      const known = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
      writeFileSync(path, JSON.stringify({ ...known, model: "https://example.org/\u001b[2J" }));
    }
    writeFileSync(join(cache, "names", "0".repeat(64)), "{ damaged");
    assert.ok((await models()).every(({ name }) => name.startsWith("unnamed:")));
  }));

test("links out of the cache are not followed", () =>
  withPlace(async ({ folder, cache, load, models }) => {
    await load("/a");
    const outside = join(folder, "outside");
    mkdirSync(outside);
    // The content of a file lies elsewhere, one block of another does, and so does a record.
    const [first, second] = readdirSync(join(cache, "files")).map((key) => join(cache, "files", key));
    renameSync(first!, join(outside, "folder"));
    symlinkSync(join(outside, "folder"), first!);
    renameSync(join(second!, "0"), join(outside, "block"));
    symlinkSync(join(outside, "block"), join(second!, "0"));
    const record = join(cache, "names", readdirSync(join(cache, "names"))[0]!);
    renameSync(record, join(outside, "record"));
    symlinkSync(join(outside, "record"), record);
    const before = filesIn(outside);
    for (const model of await models()) await model.remove();
    assert.equal(filesIn(outside), before);
    assert.ok(statSync(join(outside, "folder")).isDirectory());
  }));

test("a folder of files that is a link as a whole is left alone", () =>
  withPlace(async ({ folder, cache, load, models }) => {
    await load("/a");
    renameSync(join(cache, "files"), join(folder, "files"));
    symlinkSync(join(folder, "files"), join(cache, "files"));
    const before = filesIn(join(folder, "files"));
    for (const model of await models()) await model.remove();
    assert.equal(filesIn(join(folder, "files")), before);
  }));

test("a model that is removed while it is loaded is loaded all the same", () =>
  withPlace(async ({ cache, load, models }) => {
    const store = folderBlockStore(cache);
    let puts = 0;
    const whileRemoved: BlockStore = {
      ...store,
      async put(key, value) {
        if (++puts % 5 === 0) for (const model of await models()) await model.remove();
        await store.put(key, value);
      },
    };
    assert.equal(await load("/a", whileRemoved), EXPECTED);
    assert.ok(puts > 10);
    // And once more, from what is left.
    assert.equal(await load("/a"), EXPECTED);
  }));

test("two that remove and load at the same time disturb each other only in what is fetched again", () =>
  withPlace(async ({ load, models }) => {
    const ended = new AbortController();
    const loads = Promise.all([load("/a"), load("/b")]).finally(() => ended.abort());
    while (!ended.signal.aborted) for (const model of await models()) await model.remove();
    assert.equal(await loads, [EXPECTED, EXPECTED]);
  }));

const HASH = "a".repeat(64);
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
/** A repository in the Hub's cache folder. */
function putHubModel(hub: string, name: string, files: Readonly<Record<string, string>>): string {
  const repository = join(hub, name);
  const snapshot = join(repository, "snapshots", COMMIT);
  mkdirSync(join(repository, "blobs"), { recursive: true });
  mkdirSync(snapshot, { recursive: true });
  for (const [i, [file, text]] of Object.entries(files).entries()) {
    const blob = HASH.slice(1) + i;
    writeFileSync(join(repository, "blobs", blob), text);
    symlinkSync(join("..", "..", "blobs", blob), join(snapshot, file));
  }
  return repository;
}
const INDEX = JSON.stringify({ metadata: { total_size: 8 }, weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" } });

test("the Hub's folder: models by their names, whole or partial; data sets and locks are not ours", () =>
  withPlace(async ({ folder: hub }) => {
    putHubModel(hub, "models--org--whole", { "config.json": "{}", "model.safetensors": "12345678" });
    putHubModel(hub, "models--org--no-shard", { "model.safetensors.index.json": INDEX, "model-1.safetensors": "1234" });
    putHubModel(hub, "models--org--configuration", { "config.json": "{}" });
    putHubModel(hub, "datasets--org--texts", { "a.safetensors": "{}" });
    const begun = putHubModel(hub, "models--org--begun", { "model.gguf": "1234" });
    const incomplete = join(begun, "blobs", `${HASH}.incomplete`);
    writeFileSync(incomplete, "123");
    mkdirSync(join(hub, ".locks"));
    const models = new Map((await keptHubModels(hub)).map((model) => [model.name, model]));
    const states = [...models].map(([name, { isWhole, bytes }]) => [name, isWhole, bytes]).toSorted(); // prettier-ignore
    assert.equal(states, [["hf:org/begun", false, 7], ["hf:org/configuration", false, 2], ["hf:org/no-shard", false, INDEX.length + 4], ["hf:org/whole", true, 10]]); // prettier-ignore

    const error = await models.get("hf:org/begun")!.remove().catch((reason: unknown) => reason); // prettier-ignore
    assert.instance(error, CapabilityError);
    assert.match((error as Error).message, /hf:org\/begun: got a download that goes on, need one that has ended/);
    utimesSync(incomplete, 0, 0);
    assert.is(await models.get("hf:org/begun")!.remove(), 7);
    assert.is(await models.get("hf:org/whole")!.remove(), 10);
    assert.equal(readdirSync(hub).toSorted(), [".locks", "datasets--org--texts", "models--org--configuration", "models--org--no-shard"]); // prettier-ignore
  }));

test("the Hub's folder: what links lead to is not removed", () =>
  withPlace(async ({ folder }) => {
    const hub = join(folder, "hub");
    const outside = join(folder, "outside");
    for (const path of [hub, outside]) mkdirSync(path);
    putHubModel(outside, "models--org--linked", { "model.safetensors": "1234" });
    symlinkSync(join(outside, "models--org--linked"), join(hub, "models--org--linked"));
    const own = putHubModel(hub, "models--org--own", { "model.safetensors": "1234" });
    writeFileSync(join(outside, "weights"), "12345");
    mkdirSync(join(outside, "folder"));
    writeFileSync(join(outside, "folder", "file"), "123456");
    symlinkSync(join(outside, "weights"), join(own, "snapshots", COMMIT, "other.gguf"));
    symlinkSync(join(outside, "folder"), join(own, "snapshots", "f".repeat(40)));
    const before = filesIn(outside);
    const models = new Map((await keptHubModels(hub)).map((model) => [model.name, model]));
    assert.is(models.get("hf:org/linked")!.isWhole, true);
    const error = await models.get("hf:org/linked")!.remove().catch((reason: unknown) => reason); // prettier-ignore
    assert.instance(error, CapabilityError);
    assert.match((error as Error).message, /hf:org\/linked: got a link to .*outside.*, need a folder in .*hub/);
    assert.is(await models.get("hf:org/own")!.remove(), 4);
    assert.equal(readdirSync(hub), ["models--org--linked"]);
    assert.equal(filesIn(outside), before);
  }));

test("block files hold a whole block and its digest", () =>
  withPlace(async ({ cache, load }) => {
    await load("/a");
    const sizes = filesIn(cache).filter((path) => path.endsWith("0")).map((path) => statSync(join(cache, path)).size); // prettier-ignore
    assert.is(Math.max(...sizes), BLOCK_BYTES + 32);
  }));

test.run();
