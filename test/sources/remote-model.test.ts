/** Whole models from a server that fails on purpose, with and without a cache. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LanguageModel, loadModel, type LoadOptions, type ModelLocation, openCheckpoint } from "../../src/core.ts";
import { AbortError, CheckpointError, DownloadError } from "../../src/errors.ts";
import type { Progress } from "../../src/progress.ts";
import { nodeHost } from "../../src/host/node.ts";
import { openLocation } from "../../src/host/node/node-files.ts";
import { nodeSha256 } from "../../src/host/node/node-block-store.ts";
import { BLOCK_BYTES, BlockCache, type BlockStore, MemoryBlockStore } from "../../src/sources/block-cache.ts";
import { HttpClient } from "../../src/sources/http-client.ts";
import { Remote } from "../../src/sources/remote.ts";
import { locateModel, type SourceOptions } from "../../src/sources/locate-model.ts";
import { sharedData, sharedFile, SMOLLM2 } from "../shared-data.ts";
import { FaultServer } from "./fault-server.ts";
import { MemoryClock } from "./memory-clock.ts";
import { shardedModel, shardsOf } from "./sharded-model.ts";

const SEED = 71;
const test = suite(`remote model (seed ${SEED})`);
const MODEL = await shardedModel(SEED);
const SHARDS = shardsOf(MODEL);
const BYTES = SHARDS.reduce((sum, name) => sum + MODEL.bytes(name).length, 0);
const IDS = Array.from({ length: 8 }, (_, i) => (i * 61) % 320);

/** Loads without the pacing of `loadModel`, so that a test may stop at any step. */
async function logits(location: ModelLocation, options: LoadOptions = {}): Promise<Float32Array> {
  const model = await LanguageModel.load(location, nodeHost, { threads: 1, contextSize: 32, ...options });
  const values = await model.logits(IDS);
  await model.dispose();
  return values;
}

const EXPECTED = await logits({ kind: "folder", folder: MODEL });

async function withServer(
  run: (server: FaultServer, load: (options?: SourceOptions) => Promise<void>) => Promise<void>,
): Promise<void> {
  await using server = await FaultServer.start();
  server.addFolder("/model", MODEL.copy().files);
  const url = `${server.origin}/model`;
  await run(server, async (options = {}) => {
    const location = await locateModel(url, { fetch, clock: new MemoryClock(), createSha256: nodeSha256 }, options);
    const { signal, onProgress, onWarning } = options;
    assert.equal(await logits(location, { signal, onProgress, onWarning }), EXPECTED);
  });
}

async function fails<E extends Error>(work: Promise<unknown>, kind: new (...args: never[]) => E, message: RegExp): Promise<E> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, kind, String(error));
  assert.match((error as E).message, message);
  return error as E;
}

const shardRequests = (server: FaultServer) => server.requests.filter(({ path }) => path.endsWith(".safetensors"));
const served = (server: FaultServer) => new Set(shardRequests(server).map(({ path }) => path));

test("there are several shards of several blocks, with digests", () => {
  assert.ok(SHARDS.length >= 3 && BYTES > 7 * BLOCK_BYTES, `${SHARDS.length} shards, ${BYTES} bytes`);
});

for (const ranges of [true, false]) {
  for (const lengths of [true, false]) {
    for (const validators of [true, false]) {
      const missing = [ranges || "ranges", lengths || "lengths", validators || "validators"].filter((word) => word !== true);
      test(`from a server ${missing.length === 0 ? "with everything" : `without ${missing.join(", ")}`}: the same logits`, () =>
        withServer(async (server, load) => {
          Object.assign(server, { ranges, lengths, validators });
          await load();
        }));
    }
  }
}

test("shards come in few requests, each block about once", () =>
  withServer(async (server, load) => {
    await load();
    assert.ok(
      shardRequests(server).length <= 4 * SHARDS.length,
      `${shardRequests(server).length} requests for ${SHARDS.length} shards`,
    );
  }));

for (const fault of [
  { kind: "status", status: 500 },
  { kind: "cut", after: 1_000_000 },
  { kind: "short", after: 2_500_000 },
  { kind: "cut", after: 0 },
] as const) {
  test(`${JSON.stringify(fault)} once in each shard is overcome`, () =>
    withServer(async (server, load) => {
      for (const name of SHARDS) server.faults.set(`/model/${name}`, [fault]);
      await load();
    }));
}

test("404 names the file", () =>
  withServer(async (server, load) => {
    server.files.delete(`/model/${SHARDS[1]}`);
    const error = await fails(load(), DownloadError, /model-00002-of-\d+\.safetensors: got HTTP status 404 .*, need 200/);
    assert.is(error.status, 404);
  }));

test("no config.json is an error that names it", () =>
  withServer(async (server, load) => {
    server.files.delete("/model/config.json");
    await fails(load(), DownloadError, /model\/config\.json: got HTTP status 404 .*, need 200/);
  }));

test("a page instead of a file is no file", () =>
  withServer(async (server, load) => {
    server.respond = ({ url }, response) => {
      if (server.files.has(url!)) return false;
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><p>my app");
      return true;
    };
    await load();
    server.files.delete("/model/config.json");
    await fails(load(), DownloadError, /config\.json: got a web page, need the file/);
  }));

test("one flipped bit is found, without a cache and with one, which does not keep it", () =>
  withServer(async (server, load) => {
    const path = `/model/${SHARDS[1]}`;
    // In the middle of the weights: nothing but the digest can tell.
    server.always.set(path, { kind: "flip", at: 5_000_001 });
    await fails(load(), CheckpointError, new RegExp(`${SHARDS[1]}: got SHA-256 [0-9a-f]{64}, need [0-9a-f]{64}`));
    const cache = new MemoryBlockStore();
    await fails(load({ cache }), CheckpointError, /got SHA-256/);
    server.always.clear();
    await load({ cache });
    const before = shardRequests(server).length;
    await load({ cache });
    assert.is(shardRequests(server).length, before);
  }));

test("a damaged header does not stay in the cache", () =>
  withServer(async (server, load) => {
    const cache = new MemoryBlockStore();
    server.faults.set(`/model/${SHARDS[0]}`, [{ kind: "flip", at: 8 }]);
    await fails(load({ cache }), CheckpointError, /header: got another start, need/);
    await load({ cache });
  }));

test("a warm cache: no request for shards, one for each small file; offline: none at all", () =>
  withServer(async (server, load) => {
    const cache = new MemoryBlockStore();
    await load({ cache });
    server.requests.length = 0;
    await load({ cache });
    assert.is(shardRequests(server).length, 0);
    assert.ok(server.requests.filter(({ status }) => status === 304).length >= 4, JSON.stringify(server.requests));
    server.requests.length = 0;
    await load({ cache, offline: true });
    assert.is(server.requests.length, 0);
    await fails(
      load({ cache: new MemoryBlockStore(), offline: true }),
      DownloadError,
      /got nothing in the cache, need it there or a network: offline/,
    );
  }));

test("a server that is gone: the cache serves, with one warning", async () => {
  const cache = new MemoryBlockStore();
  await withServer(async (server, load) => {
    await load({ cache });
    const warnings: string[] = [];
    server.respond = (_, response) => {
      response.destroy();
      return true;
    };
    await load({ cache, onWarning: (message) => warnings.push(message) });
    assert.is(warnings.length, 1);
    assert.match(
      warnings[0]!,
      /config\.json: got no connection to 127\.0\.0\.1:\d+, need one: .*using what the cache has of 127\.0\.0\.1/,
    );
  });
});

test("an interrupted download goes on where it ended", () =>
  withServer(async (server, load) => {
    const cache = new MemoryBlockStore();
    const controller = new AbortController();
    // The tab is closed in the second shard.
    const onProgress = ({ done }: Progress) => {
      if (done > BYTES / 2) controller.abort();
    };
    await fails(load({ cache, signal: controller.signal, onProgress }), AbortError, /aborted/);
    const { used } = await cache.room();
    assert.ok(used > BYTES / 3, `${used} bytes kept`);
    server.requests.length = 0;
    await load({ cache });
    assert.ok(!served(server).has(`/model/${SHARDS[0]}`), "the first shard was fetched again");
  }));

test("a block damaged in the cache is fetched again, and only that", () =>
  withServer(async (server, load) => {
    const values = new Map<string, Uint8Array>();
    const cache = mapStore(values);
    await load({ cache });
    const blocks = [...values.keys()].filter((key) => /\/\d+$/.test(key) && values.get(key)!.length > BLOCK_BYTES);
    const key = blocks[Math.floor(blocks.length / 2)]!;
    values.get(key)![12_345]! ^= 1;
    server.requests.length = 0;
    await load({ cache });
    assert.is(shardRequests(server).length, 1);
    assert.equal(shardRequests(server)[0]!.range, `bytes=${Number(key.split("/").at(-1)) * BLOCK_BYTES}-`);
    server.requests.length = 0;
    await load({ cache });
    assert.is(shardRequests(server).length, 0);
  }));

test("a cache whose blocks are whole but wrong heals itself", () =>
  withServer(async (server, load) => {
    const cache = new MemoryBlockStore();
    const path = `/model/${SHARDS[1]}`;
    const controller = new AbortController();
    server.always.set(path, { kind: "flip", at: 100_001 });
    // Loading ends after the flipped bit was kept and before the digest could tell.
    let total = 0;
    const onProgress = ({ done }: Progress) => {
      total = done;
      if (server.requests.length > 0 && done > (BYTES * 2) / 3) controller.abort();
    };
    await fails(load({ cache, signal: controller.signal, onProgress }), AbortError, /aborted/);
    assert.ok(total > 0);
    server.always.clear();
    await load({ cache });
  }));

test("two loaders at once share a cache and do not disturb each other", () =>
  withServer(async (server, load) => {
    const cache = new MemoryBlockStore();
    await Promise.all([load({ cache }), load({ cache }), load({ cache })]);
    server.requests.length = 0;
    await load({ cache, offline: true });
    assert.is(server.requests.length, 0);
  }));

test("a full cache is named with its numbers, once, and loading goes on", () =>
  withServer(async (_, load) => {
    const warnings: string[] = [];
    await load({ cache: new MemoryBlockStore({ limitBytes: 3 * BLOCK_BYTES }), onWarning: (message) => warnings.push(message) });
    assert.is(warnings.length, 1);
    assert.match(warnings[0]!, /^cache: cannot keep \d+ bytes in memory \(\d+ bytes used, \d+ free\): .*; going on without it$/);
  }));

test("a cache that fails to read is left alone", () =>
  withServer(async (_, load) => {
    const warnings: string[] = [];
    const broken: BlockStore = {
      name: "a broken store",
      get: () => Promise.reject(new Error("read error")),
      put: () => Promise.reject(new Error("write error")),
      delete: () => Promise.reject(new Error("delete error")),
    };
    await load({ cache: broken, onWarning: (message) => warnings.push(message) });
    assert.equal(warnings, ["cache: cannot read from a broken store: read error; going on without it"]);
  }));

test("a file that changed on the server replaces the old one", () =>
  withServer(async (server, load) => {
    const cache = new MemoryBlockStore();
    await load({ cache });
    const changed = MODEL.json("config.json");
    server.files.set("/model/config.json", new TextEncoder().encode(JSON.stringify({ ...changed, rms_norm_eps: 0.5 })));
    await fails(load({ cache }), Error, /Expected values to be deeply equal/);
  }));

for (const file of [
  "../other/model.safetensors",
  "/etc/model.safetensors",
  "http://evil.example/model.safetensors",
  "//evil.example/a.safetensors",
  "..\\a.safetensors",
  "%2e%2e%2fa.safetensors",
  ".hidden.safetensors",
  "a.safetensors?x=.safetensors",
]) {
  test(`an index that says ${file} is refused before anything is asked for`, () =>
    withServer(async (server, load) => {
      const index = MODEL.json("model.safetensors.index.json") as { weight_map: Record<string, string> };
      index.weight_map["model.norm.weight"] = file;
      server.files.set("/model/model.safetensors.index.json", new TextEncoder().encode(JSON.stringify(index)));
      await fails(load(), CheckpointError, /model\.norm\.weight.*need a \.safetensors file of this folder/);
      assert.is(shardRequests(server).length, 0);
    }));
}

test("a size in the index that the server does not agree with is an error before anything is kept", () =>
  withServer(async (server, load) => {
    const index = MODEL.json("model.safetensors.index.json") as { metadata: { shards: Record<string, { bytes: number }> } };
    index.metadata.shards[SHARDS[0]!]!.bytes = 2 ** 52;
    server.files.set("/model/model.safetensors.index.json", new TextEncoder().encode(JSON.stringify(index)));
    await fails(load(), DownloadError, /bytes, need 4503599627370496/);
  }));

test("loadModel tells at most 20 steps a second, the first and the last among them", async () => {
  const steps: Progress[] = [];
  await logits({ kind: "folder", folder: MODEL }, { onProgress: (step) => steps.push(step) });
  const told: Progress[] = [];
  const began = performance.now();
  const options = { threads: 1, contextSize: 32, onProgress: (step: Progress) => void told.push(step) };
  await (await loadModel({ kind: "folder", folder: MODEL }, nodeHost, options)).dispose();
  assert.ok(told.length <= 2 + (performance.now() - began) / 50, `${told.length} of ${steps.length}`);
  assert.equal(told[0], steps[0]);
  const { secondsLeft: _, ...last } = told.at(-1)!;
  assert.equal(last, steps.at(-1));
});

test("progress counts bytes and says how long it will take", () =>
  withServer(async (_, load) => {
    const events: Progress[] = [];
    await load({ onProgress: (event) => events.push(event) });
    assert.ok(events.length > 5);
    const last = events.at(-1)!;
    assert.is(last.done, last.total);
    assert.ok(events.every(({ unit, done }, i) => unit === "bytes" && done >= (events[i - 1]?.done ?? 0)));
  }));

test("no more than four blocks are in memory at a time, the latest used", () => {
  const remote = new Remote({ client: new HttpClient({ fetch }), cache: new BlockCache(undefined) });
  for (let i = 0; i < 4; i++) remote.hold(`file ${i}`, new Uint8Array([i]));
  assert.equal(remote.held("file 0"), new Uint8Array([0]));
  remote.hold("file 4", new Uint8Array([4]));
  assert.equal([0, 1, 2, 3, 4].filter((i) => remote.held(`file ${i}`)), [0, 2, 3, 4]); // prettier-ignore
});

test("a GGUF by its URL: the same rows as from a file, in a few requests, and again from the cache", async () => {
  const gguf = sharedFile(SMOLLM2);
  if (!gguf) return;
  await using server = await FaultServer.start();
  server.files.set("/smollm2.gguf", gguf);
  const cache = new MemoryBlockStore();
  for (const offline of [false, true]) {
    server.requests.length = 0;
    const capabilities = { fetch, clock: new MemoryClock(), createSha256: nodeSha256 };
    const remote = await openCheckpoint(await locateModel(`${server.origin}/smollm2.gguf`, capabilities, { cache, offline }));
    const local = await openCheckpoint(await openLocation(sharedData(SMOLLM2)!));
    for (const name of [...local.tensors.keys()].slice(0, 12)) {
      const rows = [0, Math.min(64, local.tensors.get(name)!.shape[0]!)] as const;
      assert.equal(await remote.readF32(name, { rows }), await local.readF32(name, { rows }), name);
    }
    await remote.close();
    await local.close();
    assert.ok(server.requests.length <= (offline ? 0 : 12), `${server.requests.length} requests`);
  }
});

test("the URL of a file in the folder is the folder's", async () => {
  await using server = await FaultServer.start();
  server.addFolder("/model", MODEL.files);
  for (const file of ["config.json", "model.safetensors.index.json", SHARDS[0], ""]) {
    const checkpoint = await openCheckpoint(await locateModel(new URL(`${server.origin}/model/${file}`), { fetch }));
    assert.is(checkpoint.name, `${server.origin}/model/`);
    await checkpoint.close();
  }
});

function mapStore(values: Map<string, Uint8Array>): BlockStore {
  return {
    name: "a map",
    get: (key) => Promise.resolve(values.get(key)?.slice()),
    put: async (key, value) => void values.set(key, value.slice()),
    delete: async (key) => void values.delete(key),
  };
}

test.run();
