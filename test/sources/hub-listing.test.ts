/** What a Hub may answer, and what is said where it cannot be asked. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MemoryBlockStore, openCheckpoint } from "../../src/core.ts";
import { AbortError, CapabilityError, CheckpointError, DownloadError } from "../../src/errors.ts";
import { webSources } from "../../src/host/browser/web-sources.ts";
import { hubAdvice, proxyAdvice } from "../../src/host/node/node-proxies.ts";
import { nodeSources } from "../../src/host/node/node-sources.ts";
import { HttpClient } from "../../src/sources/http-client.ts";
import { hubFetch } from "../../src/sources/hub-fetch.ts";
import { hubNameHint, hubNameOfPage } from "../../src/sources/hub.ts";
import { locateModel, type SourceOptions } from "../../src/sources/locate-model.ts";
import { runCli } from "../cli/command-harness.ts";
import { MemoryFolder } from "../memory-folder.ts";
import { FaultServer } from "./fault-server.ts";
import { COMMIT, serveModel } from "./hub-server.ts";
import { MemoryClock } from "./memory-clock.ts";

const test = suite("hub listing");
const INFO = "/api/models/org/model/revision/main";
const TREE = `/api/models/org/model/tree/${COMMIT}`;

interface Hub {
  readonly server: FaultServer;
  readonly clock: MemoryClock;
  readonly warnings: string[];
  readonly home: string;
  locate(options?: SourceOptions, environment?: Record<string, string>): Promise<readonly string[]>;
}

async function withHub(run: (hub: Hub) => Promise<void>): Promise<void> {
  await using server = await FaultServer.start();
  const home = mkdtempSync(join(tmpdir(), "fptq-hub-listing-"));
  serveModel(server, new MemoryFolder("org/model", [["config.json", "{}"]]));
  const clock = new MemoryClock();
  const warnings: string[] = [];
  const onWarning = (message: string) => void warnings.push(message);
  const locate = async (options: SourceOptions = {}, environment: Record<string, string> = {}) => {
    const sources = nodeSources({ HF_HOME: home, HF_ENDPOINT: server.origin, ...environment });
    const location = await locateModel("hf:org/model", { ...sources, clock }, { onWarning, ...options });
    return location.kind === "folder" ? location.folder.list() : [location.file.name];
  };
  try {
    await run({ server, clock, warnings, home, locate });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function fails(work: () => unknown, kind: new (message: string) => Error, message: RegExp): Promise<void> {
  const error: unknown = await (async () => work())().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, kind, String(error));
  assert.match((error as Error).message, message);
}

/** Answers one path as told, before everything else. */
function answer(server: FaultServer, path: string, respond: (response: ServerResponse, request: IncomingMessage) => void): void {
  const { respond: others } = server;
  server.respond = (request, response) => {
    if (new URL(request.url!, "http://any").pathname !== path) return others!(request, response);
    respond(response, request);
    return true;
  };
}

const json = (response: ServerResponse, value: unknown, headers = {}) =>
  void response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));

const ENTRY = { type: "file", path: "config.json", size: 2, oid: "0".repeat(40) };

for (const path of [INFO, TREE]) {
  test(`${path}: a Hub that is busy is asked again, with a word`, () =>
    withHub(async ({ server, clock, warnings, locate }) => {
      const busy = { kind: "status", status: 429, headers: { ratelimit: '"api";r=0;t=42' } } as const;
      server.faults.set(path, [busy, { kind: "status", status: 503 }]);
      // The faults of a path stand in the way of what the Hub answers there.
      const { respond } = server;
      server.respond = (request, response) => {
        if (server.faults.get(path)?.length === 0) server.faults.delete(path);
        return respond!(request, response);
      };
      assert.equal(await locate(), ["config.json"]);
      assert.equal(clock.pauses, [42_000, 1000]);
      assert.match(warnings[0]!, /^hf:org\/model@main: cannot be listed: .*429 \(too many requests\).*; trying again in 42 s/);
      assert.is(warnings.length, 2);
    }));
}

test("what the cache has need not wait for a Hub that is busy", () =>
  withHub(async ({ server, clock, warnings, locate }) => {
    for (const options of [{}, { cache: new MemoryBlockStore() }]) {
      server.always.clear();
      await locate(options);
      server.always.set(INFO, { kind: "status", status: 503 });
      await locate(options).catch((error: Error) => assert.match(error.message, /got nothing in/));
    }
    assert.equal(clock.pauses, []);
    assert.ok(
      warnings.every((warning) => /503, need 200; using what /.test(warning)),
      warnings.join("\n"),
    );
    assert.is(warnings.length, 2);
  }));

test("an abort ends the wait for a Hub that does not answer", () =>
  withHub(async ({ server, locate }) => {
    const controller = new AbortController();
    answer(server, INFO, () => controller.abort());
    await fails(() => locate({ signal: controller.signal }), AbortError, /aborted/);
  }));

test("an abort ends the wait for a listing that does not go on", () =>
  withHub(async ({ server, locate }) => {
    const controller = new AbortController();
    answer(server, TREE, (response) => {
      response.writeHead(200, { "content-type": "application/json" }).write("[");
      setTimeout(() => controller.abort(), 50);
    });
    await fails(() => locate({ signal: controller.signal }), AbortError, /aborted/);
  }));

test("a listing without end is cut off", () =>
  withHub(async ({ server, locate }) => {
    const spaces = Buffer.alloc(2 ** 20, " ");
    answer(server, TREE, (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const more = () => {
        while (response.write(spaces));
      };
      response.on("drain", more).on("error", () => {});
      more();
    });
    await fails(locate, DownloadError, /got more than 16777216 bytes, need at most that of a listing$/);
  }));

test("a listing whose pages never end is cut off", () =>
  withHub(async ({ server, locate }) => {
    answer(server, TREE, (response) => json(response, [ENTRY], { link: `<${server.origin}${TREE}?next>; rel="next"` }));
    await fails(locate, DownloadError, /got more than 100 pages of one listing/);
    assert.is(server.requests.length, 100);
  }));

test("the next page may not be a file", () =>
  withHub(async ({ server, locate }) => {
    answer(server, TREE, (response) => json(response, [ENTRY], { link: '<file:///etc/passwd>; rel="next"' }));
    assert.equal(await locate(), ["config.json"]);
    const asked: string[] = [];
    const client = new HttpClient({ fetch: (url) => Promise.reject(new Error(String(asked.push(url)))) });
    const fetch = hubFetch(client, server.origin, undefined);
    await fails(() => fetch("file:///etc/passwd"), DownloadError, /got a URL of file:, need http: or https:$/);
    assert.equal(asked, []);
  }));

for (const size of [-1, 0.5, 2 ** 60, "2", null, undefined]) {
  test(`a size of ${JSON.stringify(size)} is none`, () =>
    withHub(async ({ server, locate }) => {
      answer(server, TREE, (response) => json(response, [{ ...ENTRY, size }]));
      await fails(locate, CheckpointError, /^hf:org\/model\/config\.json: listing: got .* bytes, need a size$/);
    }));
}

test("a file that does not fit on the disk of the cache is not begun there", () =>
  withHub(async ({ server, warnings, home }) => {
    answer(server, TREE, (response) =>
      json(response, [
        { ...ENTRY, size: 2 ** 52 },
        { ...ENTRY, path: "model.safetensors" },
      ]),
    );
    const sources = nodeSources({ HF_HOME: home, HF_ENDPOINT: server.origin });
    const onWarning = (message: string) => void warnings.push(message);
    const location = await locateModel("hf:org/model", { ...sources, clock: new MemoryClock() }, { onWarning });
    await fails(
      () => openCheckpoint(location),
      CheckpointError,
      /config\.json: got 2 bytes, need 4503599627370496: another file/,
    );
    assert.match(
      warnings.join(),
      /got \d+ bytes free, need 4503599627370496; HF_HUB_CACHE names another place; going on without it$/,
    );
    const blobs = join(home, "hub", "models--org--model", "blobs");
    assert.equal(readdirSync(blobs), []);
  }));

test("an answer that is no listing", () =>
  withHub(async ({ server, locate }) => {
    answer(server, INFO, (response) => void response.writeHead(200, { "content-type": "text/html" }).end("<p>log in here"));
    await fails(locate, DownloadError, /^hf:org\/model@main: cannot be listed by http:\/\/127\.0\.0\.1:\d+: /);
  }));

test("no Hub and nothing in the cache: the ways out", () =>
  withHub(async ({ clock, locate, home }) => {
    const environment = { HF_ENDPOINT: "http://127.0.0.1:9", HTTPS_PROXY: "http://proxy" };
    // Port 9 is one that fetch does not use, which it says at once.
    const out = /HF_ENDPOINT names a mirror, .*option offline takes what was downloaded before, and a path needs no network$/;
    await fails(() => locate({}, { HF_ENDPOINT: "http://127.0.0.1:9" }), DownloadError, out);
    await fails(
      () => locate({}, environment),
      DownloadError,
      /; HTTPS_PROXY is set, and .*NODE_USE_ENV_PROXY=1.*; HF_ENDPOINT names/,
    );
    await fails(() => locate({}, { HF_ENDPOINT: "mirror" }), Error, /^HF_ENDPOINT: got "mirror", need an http\(s\) URL$/);
    assert.equal(clock.pauses, []);
    assert.not(existsSync(join(home, "hub")), "nothing is left behind");
  }));

test("the command line calls the ways out by its own names", async () => {
  const library = {
    loadModel: () => Promise.reject(new DownloadError("hf:org/model@main: no; option offline takes what was downloaded before")),
  };
  const { code, stderr } = await runCli(["run", "-m", "hf:org/model", "-p", "x"], { library });
  assert.is(code, 1);
  assert.is(stderr, "error: hf:org/model@main: no; --offline takes what was downloaded before\n");
});

const node = (version: string, ...execArgv: string[]) => ({ versions: { node: version }, execArgv });
for (const [what, environment, runtime, expected] of [
  ["no proxy", {}, node("20.20.2"), undefined],
  ["Node 20", { HTTPS_PROXY: "x" }, node("20.20.2"), /^HTTPS_PROXY is set, and fetch of Node 20\.20\.2 does not use it/],
  ["Node 20, told to", { https_proxy: "x", NODE_USE_ENV_PROXY: "1" }, node("20.20.2"), /^https_proxy is set, and fetch of Node/],
  ["Node 22.20", { HTTP_PROXY: "x", NODE_USE_ENV_PROXY: "1" }, node("22.20.0"), /^HTTP_PROXY is set, and fetch of Node/],
  ["Node 24", { ALL_PROXY: "x" }, node("24.1.0"), /^ALL_PROXY is set, and Node uses it only with NODE_USE_ENV_PROXY=1$/],
  ["Node 22.21, told to", { HTTPS_PROXY: "x", NODE_USE_ENV_PROXY: "1" }, node("22.21.0"), undefined],
  ["Node 24, told by a flag", { HTTPS_PROXY: "x" }, node("24.5.0", "--use-env-proxy"), undefined],
  [
    "Node 24, told by options",
    { HTTPS_PROXY: "x", NODE_OPTIONS: "--max-old-space-size=99 --use-env-proxy" },
    node("24.5.0"),
    undefined,
  ],
  ["Deno", { HTTPS_PROXY: "x" }, { versions: { node: "22.0.0", deno: "2.9.6" }, execArgv: [] }, undefined],
  ["Bun", { HTTPS_PROXY: "x" }, { versions: { node: "22.0.0", bun: "1.4.5" }, execArgv: [] }, undefined],
] as const) {
  test(`a proxy in the environment of ${what}`, () => {
    const advice = proxyAdvice(environment, runtime);
    if (expected) assert.match(advice ?? "nothing", expected);
    else assert.is(advice, undefined);
    const named = /HTTPS_PROXY a proxy/.test(hubAdvice(environment, runtime));
    assert.is(named, expected === undefined, "named once");
  });
}

for (const [path, hint] of [
  ["org/model", "; did you mean hf:org/model?"],
  ["Org-1/My.Model_2/", "; did you mean hf:Org-1/My.Model_2?"],
  ["org/model:Q4_1", "; did you mean hf:org/model:Q4_1?"],
  ["org/model@v1", "; did you mean hf:org/model@v1?"],
  ["model", ""],
  ["./org/model", ""],
  ["../model", ""],
  ["/org/model", ""],
  ["~/model", ""],
  ["org/model/deep", ""],
  ["models/tiny.gguf", ""],
  ["org/config.json", ""],
  ["C:\\models/tiny", ""],
  ["", ""],
] as const) {
  test(`"${path}" ${hint === "" ? "is no name on the Hub" : "may be meant as one on the Hub"}`, () => {
    assert.is(hubNameHint(path), hint);
  });
}

test("a path that is none and looks like a name: did you mean", async () => {
  const place = mkdtempSync(join(tmpdir(), "fptq-hint-"));
  const before = process.cwd();
  process.chdir(place);
  try {
    const { loadModel } = await import("../../src/index.ts");
    await fails(
      () => loadModel("org/name"),
      CheckpointError,
      /^org\/name: got nothing, need a file or folder; did you mean hf:org\/name\?$/,
    );
    mkdirSync("org");
    await fails(() => loadModel("org/name"), CheckpointError, /^org\/name: got nothing, need a file or folder$/);
    const { stderr } = await runCli(["run", "-m", "a/b", "-p", "x"], { library: { loadModel } as never });
    assert.is(stderr, "error: a/b: got nothing, need a file or folder; did you mean hf:a/b?\n");
    await fails(() => locateModel("org/name", webSources), CapabilityError, /did you mean hf:org\/name\?$/);
  } finally {
    process.chdir(before);
    rmSync(place, { recursive: true });
  }
});

for (const [page, expected] of [
  ["https://huggingface.co/org/model", ["org/model", "main", ""]],
  ["https://hf.co/org/model/", ["org/model", "main", ""]],
  ["https://huggingface.co/org/model/tree/v1", ["org/model", "v1", ""]],
  ["https://huggingface.co/org/model/tree/refs%2Fpr%2F1/sub?x#y", ["org/model", "refs/pr/1", "sub"]],
  ["https://huggingface.co/org/model/blob/main/a.Q4_1.gguf", ["org/model", "main", "a.Q4_1.gguf"]],
  ["https://huggingface.co/org/model/blob/main/config.json", ["org/model", "main", ""]],
  ["https://huggingface.co/org/model/resolve/main/a.gguf", undefined],
  ["https://huggingface.co/org/model/tree/..%2F..", undefined],
  ["https://huggingface.co/org", undefined],
  ["https://elsewhere.org/org/model", undefined],
] as const) {
  test(`${page} is ${expected ? "a model's page" : "no model's page"}`, () => {
    const name = hubNameOfPage(new URL(page));
    assert.equal(name && [name.repository, name.revision, name.path], expected);
  });
}

test("a model by the URL of its page", () =>
  withHub(async ({ server, home }) => {
    const sources = nodeSources({ HF_HOME: home, HF_ENDPOINT: server.origin });
    const location = await locateModel("https://huggingface.co/org/model", sources);
    assert.equal(location.kind === "folder" && (await location.folder.list()), ["config.json"]);
  }));

test.run();
