/** `file:` URLs, as objects and as text, wherever a path is taken; and files that stand for their folder. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createContext, runInContext } from "node:vm";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { locateModel } from "../../src/core.ts";
import { CapabilityError, OptionError } from "../../src/errors.ts";
import { webSources } from "../../src/host/browser/web-sources.ts";
import { nodeHost } from "../../src/host/node.ts";
import { pathOf } from "../../src/host/node/node-paths.ts";
import { analyze, folderBlockStore, loadModel, openCheckpoint, quantize } from "../../src/index.ts";
import * as libraryOf from "../../src/library.ts";
import { runCli } from "../cli/command-harness.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 83;
const test = suite<{ root: string }>(`file URLs (seed ${SEED})`);
const ODD = "modèle mit Umläuten #1 100% ?x";
const QUANTIZING = { samples: 2, contextSize: 32, groupSize: 32, threads: 1 } as const;

test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "fptq-file-url-"));
});
test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }));

function writeModel(folder: string, options: Parameters<typeof tinyModel>[1] = {}): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, { bytes }] of tinyModel(SEED, options).files) writeFileSync(join(folder, name), bytes);
  return folder;
}

async function rejects(work: () => unknown, type: new (message: string) => Error, pattern: RegExp): Promise<void> {
  const error: unknown = await (async () => work())().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, type, String(error));
  assert.match((error as Error).message, pattern);
}

test("a model by every form of its place", async ({ root }) => {
  for (const [folder, shards] of [
    [writeModel(join(root, "plain")), 1],
    [writeModel(join(root, ODD), { shards: 2 }), 2],
    [writeModel(join(root, "C:\\Users\\someone\\tiny")), 1],
  ] as const) {
    const url = pathToFileURL(folder);
    const files = readdirSync(folder).filter((name) => /^config\.json$|^model/.test(name));
    assert.is(files.length, shards === 1 ? 2 : 4, files.join(", "));
    const sources = [
      folder,
      `${folder}/`,
      url,
      new URL(`${url.href}/`),
      url.href,
      `${url.href}/`,
      url.href.replace("file:", "FILE:"),
      url.href.replace("file://", "file:"),
      url.href.replace("file://", "file://localhost"),
      new URL("./config.json", `${url.href}/`),
      ...files.flatMap((name) => [join(folder, name), pathToFileURL(join(folder, name)), pathToFileURL(join(folder, name)).href]),
    ];
    for (const source of sources) {
      const checkpoint = await openCheckpoint(source);
      assert.is(checkpoint.tensors.size > 10, true, String(source));
      assert.is(checkpoint.name.replace(/\/$/, ""), folder, String(source));
      await checkpoint.close();
    }
  }
});

test("a URL of another realm is a URL", async ({ root }) => {
  const folder = writeModel(join(root, "model"));
  const OtherUrl = class extends (runInContext("Object", createContext({})) as ObjectConstructor) {
    readonly href = pathToFileURL(folder).href;
    readonly protocol = "file:";
  };
  const other = new OtherUrl() as unknown as URL;
  assert.not.instance(other, URL);
  await (await openCheckpoint(other)).close();
});

test("loadModel, analyze, quantize to a URL, and a cache at one", async ({ root }) => {
  const source = pathToFileURL(writeModel(join(root, ODD)));
  const model = await loadModel(source, { threads: 1 });
  await model.dispose();
  assert.ok((await analyze(source.href, { ...QUANTIZING })).length > 0);

  for (const output of [pathToFileURL(join(root, "out #1")), pathToFileURL(join(root, "out 2%")).href]) {
    await quantize(source, { ...QUANTIZING, output });
    await (await openCheckpoint(output)).close();
  }
  assert.equal(readdirSync(root).toSorted(), [ODD, "out #1", "out 2%"].toSorted());

  const store = folderBlockStore(pathToFileURL(join(root, "cache #1")));
  await store.put("names/0", new Uint8Array([1]));
  assert.is(store.name, join(root, "cache #1"));
  assert.ok(existsSync(join(root, "cache #1", "names", "0")));
});

for (const [place, message] of [
  ["file:model", /^output: got "file:model", need file:\/\/\/PATH from the root, or \.\/file:model for a file of that name$/],
  ["file:///a/model #1", /^output: got "file:.*", need %23 for # and %3F for \? in a file: URL, or the path$/],
  [new URL("file:///a/model?x"), /need %23 for # and %3F for \?/],
  ["file:///a/100% b", /^output: got "file:.*100% b", need a file: URL of this machine: /],
  ["file:///a%2Fb", /need a file: URL of this machine: /],
  ["file://elsewhere/a", /need a file: URL of this machine: /],
  ["https://host/model", /^output: got a URL of https:, need a path or a file: URL$/],
  [new URL("http://host/model?token=secret"), /^output: got a URL of http:, need a path or a file: URL$/],
  ["", /^output: got "", need a path or a file: URL$/],
  [undefined, /^output: got undefined, need a path or a file: URL$/],
] as const) {
  test(`${String(place)} is no path`, async () => {
    await rejects(() => pathOf(place, "output"), OptionError, message);
    await rejects(() => quantize("nowhere", { output: place as string }), OptionError, message);
  });
}

test("without a file system a file: URL is refused, and why", async () => {
  const place: libraryOf.EntryPoint = { host: () => nodeHost, sources: webSources };
  const page: libraryOf.EntryPoint = { ...place, baseUrl: () => "file:///models/page.html" };
  const why = /^model: got the file: URL file:\/\/\/models\/model\/?, need an http\(s\) URL, .* cannot read files by their path$/;
  for (const source of ["file:///models/model", new URL("file:///models/model/")]) {
    await rejects(() => locateModel(source, webSources), CapabilityError, why);
    await rejects(() => libraryOf.loadModel(place, source), CapabilityError, why);
  }
  await rejects(() => libraryOf.loadModel(page, "model/"), CapabilityError, why);
  const output = new URL("file:///models/out");
  const refused = /^output: got "file:\/\/\/models\/out", need an OutputFolder/;
  await rejects(() => libraryOf.quantize(place, "https://host/m", { output }), CapabilityError, refused);
  await rejects(() => libraryOf.noFolderBlockStore(output), CapabilityError, /^cache: got the folder "file:/);
});

test("a URL that is neither of files nor of a server is refused", () =>
  rejects(() => loadModel(new URL("data:text/plain,x")), OptionError, /^model: got a URL of data:, need http:, https: or/));

test("the command line takes them for models, texts, outputs, figures and caches", async ({ root }) => {
  const library = await import("../../src/index.ts");
  const url = (name: string) => pathToFileURL(join(root, name)).href;
  writeModel(join(root, ODD));
  writeFileSync(join(root, "text #1.txt"), "the cat sat on the mat and the dog ran to the other end of the house. ".repeat(40));
  const fptq = async (...words: string[]) => {
    const { code, stderr, stdout } = await runCli(words, { library });
    assert.is(code, 0, `${words.join(" ")}: ${stderr}`);
    return stdout;
  };
  const calibration = ["--calibration", url("text #1.txt"), "--samples", "2", "-c", "32", "-t", "1", "--cache", url("cache")];
  await fptq("quantize", url(ODD), "-o", url("out #1"), "--group-size", "32", ...calibration);
  await fptq("analyze", url(ODD), "--svg", url("figure #1.svg"), ...calibration);
  await fptq("inspect", url("out #1/config.json"));
  await fptq("ppl", "-m", url("out #1"), "-f", url("text #1.txt"), "-c", "32", "--chunks", "1");
  await fptq("bench", "-m", url("out #1"), "-p", "4", "-n", "0", "-r", "1", "-t", "1");
  assert.equal(readdirSync(root).toSorted(), [ODD, "figure #1.svg", "out #1", "text #1.txt"].toSorted());

  const { code, stderr } = await runCli(["ppl", "-m", url("out #1"), "-f", "file:///a?b"], { library });
  assert.is(code, 1);
  assert.match(stderr, /^error: --file: got "file:\/\/\/a\?b", need %23/);
});

test.run();
