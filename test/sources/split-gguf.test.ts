/** A GGUF in parts, from wherever models come: any part stands for all. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadModel, type ModelLocation, openCheckpoint } from "../../src/core.ts";
import { CheckpointError, DownloadError, OptionError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { nodeSources } from "../../src/host/node/node-sources.ts";
import { MemoryBlockStore } from "../../src/sources/block-cache.ts";
import { locateModel, type ModelSource, type SourceOptions } from "../../src/sources/locate-model.ts";
import { buildGguf, memoryFile } from "../checkpoint/gguf/gguf-fixture.ts";
import { partName, splitGguf } from "../checkpoint/gguf/split-gguf.ts";
import { tinyGguf } from "../checkpoint/gguf/tiny-gguf.ts";
import { MemoryFolder } from "../memory-folder.ts";
import { FaultServer } from "./fault-server.ts";
import { serveModel } from "./hub-server.ts";
import { MemoryClock } from "./memory-clock.ts";

const test = suite("split GGUF (seed 1)");
const { fixture } = tinyGguf({ architecture: "llama", type: "Q8_0" });
const NAME = "tiny model.Q8_0";
const PARTS = splitGguf(fixture, 3, { name: NAME });
const [FIRST, SECOND, THIRD] = [0, 1, 2].map((place) => partName(NAME, place, 3)) as [string, string, string];

async function logits(location: ModelLocation): Promise<Float32Array> {
  const model = await loadModel(location, nodeHost, { threads: 1, contextSize: 32 });
  const values = await model.logits([1, 2, 3, 4]);
  await model.dispose();
  return values;
}

const EXPECTED = await logits({ kind: "file", file: memoryFile(buildGguf(fixture).bytes) });

interface Place {
  readonly server: FaultServer;
  readonly folder: string;
  load(source: ModelSource, options?: SourceOptions): Promise<void>;
}

async function withPlace(run: (place: Place) => Promise<void>): Promise<void> {
  await using server = await FaultServer.start();
  const folder = mkdtempSync(join(tmpdir(), "fptq-split-"));
  const sources = { ...nodeSources({ HF_HOME: join(folder, "hub"), HF_ENDPOINT: server.origin }), clock: new MemoryClock() };
  const load = async (source: ModelSource, options: SourceOptions = {}) =>
    assert.equal(await logits(await locateModel(source, sources, { cache: false, ...options })), EXPECTED);
  try {
    await run({ server, folder, load });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function fails<E extends Error>(work: Promise<unknown>, kind: new (...args: never[]) => E, message: RegExp): Promise<void> {
  const error = await work.catch((reason: unknown) => reason);
  assert.instance(error, kind, String(error));
  assert.match((error as Error).message, message);
}

const withoutThird = () => new Map([...PARTS].filter(([name]) => name !== THIRD));

function memoryFolder(files: ReadonlyMap<string, Uint8Array>): MemoryFolder {
  const folder = new MemoryFolder("parts");
  for (const [name, bytes] of files) folder.set(name, bytes);
  return folder;
}

test("by a path, of a part or the folder", () =>
  withPlace(async ({ folder, load }) => {
    for (const [name, bytes] of PARTS) writeFileSync(join(folder, name), bytes);
    for (const name of ["", FIRST, SECOND, THIRD]) await load(join(folder, name));
    rmSync(join(folder, THIRD));
    const missing = new RegExp(`got part 2 of 3 of a split GGUF, need part 3 beside it: .*${THIRD}: got nothing, need a file$`);
    await fails(load(join(folder, SECOND)), CheckpointError, missing);
  }));

test("by a URL, with its query, and from a cache", () =>
  withPlace(async ({ server, load }) => {
    server.addFolder("/some", memoryFolder(PARTS).files);
    const url = (name: string) => `${server.origin}/some/${encodeURIComponent(name)}?token=1`;
    for (const name of [FIRST, SECOND, THIRD]) await load(url(name));
    const asked = server.requests.filter(({ path }) => path.startsWith("/some/"));
    assert.is(new Set(asked.map(({ path }) => path.replace(/\?.*/, ""))).size, 3);
    const cache = new MemoryBlockStore();
    await load(url(FIRST), { cache });
    server.requests.length = 0;
    await load(url(FIRST), { cache, offline: true });
    await load(url(THIRD), { cache, offline: true });
    assert.is(server.requests.length, 0);
    server.files.delete(`/some/${encodeURIComponent(THIRD)}`);
    server.files.delete(`/some/${THIRD}`);
    await fails(load(url(FIRST)), DownloadError, /00003-of-00003\.gguf: got HTTP status 404/);
  }));

test("by a Hub name: a tag, a part, the folder; in the Hub's cache folder and in blocks", () =>
  withPlace(async ({ server, load }) => {
    serveModel(server, memoryFolder(withSpaceless(PARTS)));
    const part = [...withSpaceless(PARTS).keys()][1]!;
    for (const cache of [undefined, new MemoryBlockStore()]) {
      for (const name of ["hf:org/model:q8_0", `hf:org/model/${part}`, "hf:org/model"]) await load(name, { cache });
      server.requests.length = 0;
      for (const name of ["hf:org/model:q8_0", `hf:org/model/${part}`]) await load(name, { cache, offline: true });
      assert.is(server.requests.length, 0);
    }
  }));

test("a Hub that lacks a part, and a tag that fits two models", () =>
  withPlace(async ({ server, load }) => {
    serveModel(server, memoryFolder(withSpaceless(withoutThird())));
    await fails(
      load("hf:org/model:q8_0"),
      CheckpointError,
      /need part 3 beside it: hf:org\/model\/.*00003-of-00003\.gguf is missing/,
    );
    const two = new Map([...withSpaceless(PARTS), ["other.Q8_0.gguf", buildGguf(fixture).bytes]]);
    serveModel(server, memoryFolder(two));
    await fails(load("hf:org/model:q8_0"), OptionError, /got 4 GGUF files with this in their name, need one/);
  }));

/** The Hub's names have no spaces. */
function withSpaceless(files: ReadonlyMap<string, Uint8Array>): Map<string, Uint8Array> {
  return new Map([...files].map(([name, bytes]) => [name.replaceAll(" ", "-"), bytes]));
}

test("files of a page, in any order; one alone says what to do", () =>
  withPlace(async ({ load }) => {
    const files = [...PARTS].map(([name, bytes]) => new File([bytes as Uint8Array<ArrayBuffer>], name));
    await load(files);
    await load(files.toReversed());
    await fails(load(files.slice(0, 2)), CheckpointError, /need part 3 beside it: files: .*00003-of-00003\.gguf is missing/);
    await fails(load(files[1]!), CheckpointError, /got part 2 of 3 of a split GGUF alone, need all of them together/);
  }));

test("closing closes every part", () =>
  withPlace(async ({ folder }) => {
    for (const [name, bytes] of PARTS) writeFileSync(join(folder, name), bytes);
    const checkpoint = await openCheckpoint(await locateModel(join(folder, SECOND), nodeSources()));
    const file = [...checkpoint.tensors.keys()];
    await checkpoint.close();
    await fails(checkpoint.readF32(file.at(-1)!), CheckpointError, /cannot be read/);
    await fails(checkpoint.readF32(file[0]!), CheckpointError, /cannot be read/);
  }));

test.run();
