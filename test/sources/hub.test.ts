/** `hf:` names: the Hub's cache folder in Node, and the cache of blocks elsewhere. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs"; // prettier-ignore
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel, type ModelLocation } from "../../src/core.ts";
import { AbortError, CapabilityError, CheckpointError, DownloadError, OptionError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { nodeSources } from "../../src/host/node/node-sources.ts";
import { MemoryBlockStore } from "../../src/sources/block-cache.ts";
import { parseHubName } from "../../src/sources/hub.ts";
import { locateModel, type SourceOptions } from "../../src/sources/locate-model.ts";
import { FaultServer } from "./fault-server.ts";
import { COMMIT, gitOid, serveModel, sha256, TOKEN } from "./hub-server.ts";
import { MemoryClock } from "./memory-clock.ts";
import { shardedModel, shardsOf } from "./sharded-model.ts";

const SEED = 73;
const test = suite(`hub (seed ${SEED})`);
const MODEL = await shardedModel(SEED);
const SHARDS = shardsOf(MODEL);

async function logits(location: ModelLocation): Promise<Float32Array> {
  const model = await loadModel(location, nodeHost, { threads: 1, contextSize: 32 });
  const values = await model.logits([1, 2, 3, 4]);
  await model.dispose();
  return values;
}

const EXPECTED = await logits({ kind: "folder", folder: MODEL });

interface Hub {
  readonly server: FaultServer;
  readonly home: string;
  readonly repository: string;
  locate(name?: string, options?: SourceOptions, environment?: Record<string, string>): Promise<ModelLocation>;
  load(name?: string, options?: SourceOptions, environment?: Record<string, string>): Promise<void>;
}

async function withHub(run: (hub: Hub) => Promise<void>): Promise<void> {
  await using server = await FaultServer.start();
  const home = mkdtempSync(join(tmpdir(), "fptq-hub-"));
  serveModel(server, MODEL);
  const locate = (name = "hf:org/model", options: SourceOptions = {}, environment: Record<string, string> = {}) =>
    locateModel(
      name,
      { ...nodeSources({ HF_HOME: home, HF_ENDPOINT: server.origin, ...environment }), clock: new MemoryClock() },
      options,
    );
  try {
    await run({
      server,
      home,
      repository: join(home, "hub", "models--org--model"),
      locate,
      load: async (...args) => assert.equal(await logits(await locate(...args)), EXPECTED),
    });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function fails<E extends Error>(work: Promise<unknown>, kind: new (...args: never[]) => E, message: RegExp): Promise<void> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, kind, String(error));
  assert.match((error as Error).message, message);
}

/** Downloads that were not finished. */
const leftIn = (repository: string) => readdirSync(join(repository, "blobs")).filter((name) => name.endsWith(".incomplete"));

for (const [text, expected] of [
  ["hf:org/model", ["org/model", "main", "", undefined]],
  ["hf:org/model@v1.0", ["org/model", "v1.0", "", undefined]],
  ["hf:Org-1/My.Model_2@refs", ["Org-1/My.Model_2", "refs", "", undefined]],
  ["hf:org/model/sub/folder", ["org/model", "main", "sub/folder", undefined]],
  ["hf:org/model@v1/file.Q4_1.gguf", ["org/model", "v1", "file.Q4_1.gguf", undefined]],
  ["hf:org/model:Q4_1", ["org/model", "main", "", "Q4_1"]],
  ["hf:org/model/", ["org/model", "main", "", undefined]],
  ["hf:org/model/config.json", ["org/model", "main", "", undefined]],
  ["hf:org/model@v1/sub/model.safetensors.index.json", ["org/model", "v1", "sub", undefined]],
] as const) {
  test(`${text} is a name`, () => {
    const { repository, revision, path, tag } = parseHubName(text);
    assert.equal([repository, revision, path, tag], expected);
  });
}

for (const text of [
  "hf:",
  "hf:model",
  "hf:../model",
  "hf:org/..",
  "hf:org/model/../../etc",
  "hf:org/model@..",
  "hf:org/mo del",
  "hf:/org/model",
  "hf:org//model",
]) {
  test(`${text} is no name`, () => assert.throws(() => parseHubName(text), (error: Error) => error instanceof OptionError)); // prettier-ignore
}

test("the cache folder is laid out as huggingface_hub does", () =>
  withHub(async ({ load, repository }) => {
    await load();
    assert.is(readFileSync(join(repository, "refs/main"), "utf8"), COMMIT);
    const snapshot = join(repository, "snapshots", COMMIT);
    for (const name of [...SHARDS, "config.json"]) {
      const bytes = MODEL.bytes(name);
      const etag = name.endsWith(".json") ? gitOid(bytes) : sha256(bytes);
      assert.is(readlinkSync(join(snapshot, name)), `../../blobs/${etag}`);
      assert.equal(new Uint8Array(readFileSync(join(snapshot, name))), new Uint8Array(bytes));
    }
    assert.equal(
      readdirSync(join(repository, "blobs")).filter((name) => /\./.test(name)),
      [],
    );
  }));

test("what is there is not fetched again; offline and without a Hub it is enough", () =>
  withHub(async ({ load, server }) => {
    await load();
    server.requests.length = 0;
    await load();
    assert.is(server.requests.filter(({ path }) => path.includes("/resolve/")).length, 0);
    server.requests.length = 0;
    await load("hf:org/model", { offline: true });
    await load("hf:org/model", {}, { HF_HUB_OFFLINE: "1" });
    await load(`hf:org/model@${COMMIT}`, { offline: true });
    assert.is(server.requests.length, 0);
    const warnings: string[] = [];
    await load("hf:org/model", { onWarning: (message) => warnings.push(message) }, { HF_ENDPOINT: "http://127.0.0.1:1" });
    assert.is(warnings.length, 1);
    assert.match(
      warnings[0]!,
      /cannot be listed: .*: got no connection to 127\.0\.0\.1:1, need one: .*; using what .*models--org--model has$/,
    );
    await fails(
      load("hf:org/other", { offline: true }),
      DownloadError,
      /hf:org\/other@main: got nothing in .*, need it there or a network: offline \(option offline is set\); a path needs no network$/,
    );
    await fails(
      load("hf:org/other", {}, { HF_HUB_OFFLINE: "1" }),
      DownloadError,
      /need it there or a network: offline \(HF_HUB_OFFLINE is set\); a path needs no network$/,
    );
  }));

test("a blob that Python's library fetched is used", () =>
  withHub(async ({ load, server, repository }) => {
    await load();
    // Only its layout counts: the same blobs, found by another process.
    server.files.clear();
    await load();
    assert.ok(existsSync(repository));
  }));

test("a download cut for good is resumed by the next one", () =>
  withHub(async ({ load, server, repository }) => {
    const path = `/org/model/resolve/${COMMIT}/${SHARDS[1]}`;
    server.faults.set(path, [
      { kind: "cut", after: 3_000_000 },
      ...Array.from({ length: 6 }, () => ({ kind: "status", status: 503 }) as const),
    ]);
    await fails(load(), DownloadError, /got HTTP status 503, need 200; tried \d times/);
    const left = leftIn(repository);
    assert.is(left.length, 1);
    const kept = statSync(join(repository, "blobs", left[0]!)).size;
    assert.ok(kept >= 2 ** 20, `${kept} bytes kept`);
    server.faults.clear();
    server.requests.length = 0;
    await load();
    assert.equal(
      server.asked(path).map(({ range }) => range),
      [`bytes=${kept}-`],
    );
    assert.equal(
      readdirSync(join(repository, "blobs")).filter((name) => name.endsWith(".incomplete")),
      [],
    );
  }));

test("a download somebody else is at is left alone", () =>
  withHub(async ({ load, repository }) => {
    await load();
    const etag = sha256(MODEL.bytes(SHARDS[0]!));
    const theirs = join(repository, "blobs", `${etag}.12345678.incomplete`);
    rmSync(join(repository, "blobs", etag));
    writeFileSync(theirs, "theirs");
    await load();
    assert.is(readFileSync(theirs, "utf8"), "theirs");
    rmSync(join(repository, "blobs", etag));
    utimesSync(theirs, 0, 0);
    // Left behind, and not what it should be: taken over, found out by its digest, fetched anew the next
    // time.
    await fails(load(), CheckpointError, /got digest [0-9a-f]{64}, need [0-9a-f]{64}/);
    await load();
  }));

for (const [what, damage] of [
  [
    "one flipped bit",
    (blob: string) =>
      writeFileSync(
        blob,
        readFileSync(blob).map((byte, i) => (i === 999_999 ? byte ^ 8 : byte)),
      ),
  ],
  ["a truncated file", (blob: string) => truncateSync(blob, 1000)],
] as const) {
  test(`${what} in the cache is healed`, () =>
    withHub(async ({ load, server, repository }) => {
      await load();
      damage(join(repository, "blobs", sha256(MODEL.bytes(SHARDS[2]!))));
      server.requests.length = 0;
      await load();
      assert.is(server.requests.filter(({ path }) => path.includes("/resolve/")).length, 1);
    }));
}

test("one flipped bit on the way is found, and not kept", () =>
  withHub(async ({ load, server, repository }) => {
    server.faults.set(`/org/model/resolve/${COMMIT}/${SHARDS[1]}`, [{ kind: "flip", at: 777_777 }]);
    await fails(load(), CheckpointError, /hf:org\/model\/model-00002.*got digest/);
    server.faults.clear();
    await load();
    assert.ok(existsSync(join(repository, "blobs", sha256(MODEL.bytes(SHARDS[1]!)))));
  }));

test("an abort ends a download and keeps its beginning", () =>
  withHub(async ({ load, server, repository }) => {
    server.always.set(`/org/model/resolve/${COMMIT}/${SHARDS[0]}`, { kind: "slow", piece: 2_200_000 });
    const controller = new AbortController();
    const blobs = join(repository, "blobs");
    const kept = () => existsSync(blobs) && leftIn(repository).some((name) => statSync(join(blobs, name)).size >= 2 * 2 ** 20);
    const look = setInterval(() => kept() && controller.abort(), 20);
    await fails(load("hf:org/model", { signal: controller.signal }), AbortError, /aborted/);
    clearInterval(look);
    const left = leftIn(repository);
    assert.is(statSync(join(repository, "blobs", left[0]!)).size, 2 * 2 ** 20);
  }));

test("two at once", () =>
  withHub(async ({ load, repository }) => {
    await Promise.all([load(), load()]);
    assert.equal(
      readdirSync(join(repository, "blobs")).filter((name) => /\./.test(name)),
      [],
    );
  }));

test("a private model needs the token, which stays with the Hub", () =>
  withHub(async ({ load, server, home }) => {
    await using content = await FaultServer.start();
    content.addFolder(`/org/model/resolve/${COMMIT}`, MODEL.files);
    serveModel(server, MODEL, { isPrivate: true, contentOrigin: content.origin });
    await fails(load(), DownloadError, /hf:org\/model@main: got HTTP status 401 .*HF_TOKEN.*, need 200/);
    await load("hf:org/model", {}, { HF_TOKEN: TOKEN });
    assert.ok(content.requests.length >= SHARDS.length);
    assert.ok(
      content.requests.every(({ authorization }) => authorization === undefined),
      "the token left the Hub",
    );
    rmSync(join(home, "hub"), { recursive: true });
    writeFileSync(join(home, "token"), `${TOKEN}\n`);
    await load();
  }));

test("a model that is not there", () =>
  withHub(({ load }) => fails(load("hf:org/nothing"), DownloadError, /hf:org\/nothing@main: got HTTP status 404 .*, need 200/)));

test("a cache folder that cannot be written to: one warning with numbers, and the model all the same", () =>
  withHub(async ({ load, home }) => {
    writeFileSync(join(home, "file"), "not a folder");
    const warnings: string[] = [];
    const options = { onWarning: (message: string) => warnings.push(message) };
    await load("hf:org/model", options, { HF_HUB_CACHE: join(home, "file", "hub") });
    assert.is(warnings.length, 1);
    assert.match(
      warnings[0]!,
      /^cache: .*cannot be written \(\d+ bytes free\): .*HF_HUB_CACHE names another place; going on without it$/,
    );
  }));

test("where there is no such folder, the cache of blocks serves, online and offline", () =>
  withHub(async ({ load, server }) => {
    const cache = new MemoryBlockStore();
    await load("hf:org/model", { cache });
    server.requests.length = 0;
    await load("hf:org/model", { cache });
    assert.is(server.requests.filter(({ path }) => path.includes("/resolve/") && path.endsWith(".safetensors")).length, 0);
    server.requests.length = 0;
    await load("hf:org/model", { cache, offline: true });
    assert.is(server.requests.length, 0);
  }));

test("what others began and left goes when the file is whole", () =>
  withHub(async ({ load, repository }) => {
    await load();
    const blob = join(repository, "blobs", sha256(MODEL.bytes(SHARDS[0]!)));
    rmSync(blob);
    const left = ["00000001", "00000002", "00000003"].map((part) => `${blob}.${part}.incomplete`);
    for (const path of left) writeFileSync(path, MODEL.bytes(SHARDS[0]!).slice(0, 1000));
    for (const path of [...left.slice(1), `${blob}.incomplete`]) {
      writeFileSync(path, MODEL.bytes(SHARDS[0]!).slice(0, 1000));
      utimesSync(path, 0, 0);
    }
    // Somebody is at the first, and the one of another program's form is that program's or was gone on with.
    await load();
    const names = leftIn(repository).filter((name) => name !== `${sha256(MODEL.bytes(SHARDS[0]!))}.incomplete`);
    assert.equal(
      names.map((name) => join(repository, "blobs", name)),
      [left[0]],
    );
  }));

test("a download that fails before its first byte leaves nothing", () =>
  withHub(async ({ load, server, repository }) => {
    server.always.set(`/org/model/resolve/${COMMIT}/${SHARDS[1]}`, { kind: "status", status: 404 });
    await fails(load(), DownloadError, /got HTTP status 404/);
    assert.equal(leftIn(repository), []);
  }));

test("without the library the error says what to add", () =>
  fails(locateModel("hf:org/model", { fetch }), CapabilityError, /@huggingface\/hub/));

test("a tag chooses one GGUF", () =>
  withHub(async ({ locate, server }) => {
    const folder = MODEL.copy();
    for (const name of ["a.Q4_1.gguf", "a.Q8_0.gguf"]) folder.set(name, `GGUF ${name}`);
    serveModel(server, folder);
    const location = await locate("hf:org/model:q4_1");
    assert.is(location.kind, "file");
    if (location.kind === "file") {
      assert.is(new TextDecoder().decode(await location.file.read(0, location.file.size)), "GGUF a.Q4_1.gguf");
      await location.file.close();
    }
    await fails(
      locate("hf:org/model:Q2"),
      OptionError,
      /got 0 GGUF files with this in their name, need one; there are a\.Q4_1\.gguf, a\.Q8_0\.gguf/,
    );
  }));

test("a listing that leads elsewhere is refused", () =>
  withHub(async ({ load, server }) => {
    const folder = MODEL.copy();
    folder.set("../../evil.safetensors", "x");
    serveModel(server, folder);
    await fails(load(), CheckpointError, /"\.\.\/\.\.\/evil\.safetensors"/);
  }));

test.run();
