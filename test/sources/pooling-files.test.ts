/** The files of a model of vectors wherever a model can come from, one of them in a folder below. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openCheckpoint } from "../../src/checkpoint/open-checkpoint.ts";
import { encodeSafetensors } from "../../src/checkpoint/safetensors/safetensors-layout.ts";
import { CheckpointError } from "../../src/errors.ts";
import { openFolder, openLocation } from "../../src/host/node/node-files.ts";
import { nodeSources } from "../../src/host/node/node-sources.ts";
import { locateModel, type ModelSource, type SourceCapabilities } from "../../src/sources/locate-model.ts";
import { tinyModel } from "../tiny-model.ts";
import { FaultServer } from "./fault-server.ts";
import { COMMIT, gitOid, serveModel } from "./hub-server.ts";

const SEED = 79;
const test = suite(`files of pooling (seed ${SEED})`);
const POOLING = { kind: "mean", normalize: false, prompts: { query: "find: " }, defaultPrompt: "query" };

const model = tinyModel(SEED);
model.set("modules.json", JSON.stringify([{ path: "", type: "x.Transformer" }, { path: "1_Pooling", type: "x.Pooling" }])); // prettier-ignore
model.set("config_sentence_transformers.json", JSON.stringify({ prompts: POOLING.prompts, default_prompt_name: "query" }));
const pooling = JSON.stringify({ pooling_mode_mean_tokens: true });
const below = "1_Pooling/config.json";
const withPooling = model.copy();
withPooling.set(below, pooling);

async function poolingOf(source: ModelSource, sources: SourceCapabilities): Promise<unknown> {
  const checkpoint = await openCheckpoint(await locateModel(source, sources));
  await checkpoint.close();
  return checkpoint.pooling;
}

async function inFolder(run: (path: string) => Promise<void>): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), "fptq-pooling-"));
  try {
    await run(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

test("a folder on disk, where no other file below it can be opened", () =>
  inFolder(async (path) => {
    for (const [name, { bytes }] of model.files) writeFileSync(join(path, name), bytes);
    mkdirSync(join(path, "1_Pooling"));
    writeFileSync(join(path, below), pooling);
    writeFileSync(join(path, "1_Pooling", "other.json"), "{}");
    const checkpoint = await openCheckpoint(await openLocation(path));
    await checkpoint.close();
    assert.equal(checkpoint.pooling, POOLING);
    for (const name of ["1_Pooling/other.json", "1_Pooling/../config.json", "../config.json"]) {
      const error: unknown = await openFolder(path).open(name).then(() => undefined, (reason: unknown) => reason); // prettier-ignore
      assert.instance(error, CheckpointError, name);
    }
  }));

test("a folder of a server", async () => {
  await using server = await FaultServer.start();
  server.addFolder("/model", withPooling.files);
  assert.equal(await poolingOf(`${server.origin}/model`, { fetch }), POOLING);
});

test("the Hub, by its cache folder and by one of blocks", () =>
  inFolder(async (home) => {
    await using server = await FaultServer.start();
    serveModel(server, model);
    server.files.set(`/org/model/resolve/${COMMIT}/${below}`, Buffer.from(pooling));
    const answer = server.respond!;
    server.respond = (request, response) => {
      if (!/\/tree\/\w+\/1_Pooling(\?|$)/.test(decodeURIComponent(request.url!))) return answer(request, response);
      const oid = gitOid(Buffer.from(pooling));
      const files = [{ type: "file", path: below, size: pooling.length, oid }];
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(files));
      return true;
    };
    const sources = nodeSources({ HF_HOME: home, FPTQ_CACHE: join(home, "fptq"), HF_ENDPOINT: server.origin });
    assert.equal(await poolingOf("hf:org/model", sources), POOLING);
    const { cachedFolder: _, ...hub } = sources.hub!;
    assert.equal(await poolingOf("hf:org/model", { ...sources, hub }), POOLING);
    // Once more from the cache, with the server gone.
    await server[Symbol.asyncDispose]();
    const offline = await openCheckpoint(await locateModel("hf:org/model", sources, { offline: true }));
    await offline.close();
    assert.equal(offline.pooling, POOLING);
  }));

test("files chosen in a page", async () => {
  const files = [...withPooling.files].map(([name, { bytes }]) => {
    const file = new File([bytes.slice()], name.slice(name.lastIndexOf("/") + 1));
    return Object.defineProperty(file, "webkitRelativePath", { value: `model/${name}` });
  });
  assert.equal(await poolingOf(files, {}), POOLING);
});

const withDense = withPooling.copy();
withDense.set("modules.json", JSON.stringify([{ path: "", type: "x.Transformer" }, { path: "1_Pooling", type: "x.Pooling" }, { path: "2_Dense", type: "x.Dense" }])); // prettier-ignore
const WEIGHTS = Float32Array.from({ length: 2 * 64 }, (_, i) => i);
withDense.set(
  "2_Dense/config.json",
  JSON.stringify({ in_features: 64, out_features: 2, bias: false, activation_function: "torch.nn.modules.linear.Identity" }),
);
withDense.set(
  "2_Dense/model.safetensors",
  encodeSafetensors([{ name: "linear.weight", type: "F32", shape: [2, 64] }], [WEIGHTS]),
);

test("linear layers behind pooling, wherever a model comes from", () =>
  inFolder(async (path) => {
    const given = async (source: ModelSource, sources: SourceCapabilities) => {
      const checkpoint = await openCheckpoint(await locateModel(source, sources));
      assert.equal(await checkpoint.readDense!(), [{ weight: WEIGHTS, bias: undefined }]);
      await checkpoint.close();
    };
    const disk = join(path, "disk");
    for (const folder of ["1_Pooling", "2_Dense"]) mkdirSync(join(disk, folder), { recursive: true });
    for (const [name, { bytes }] of withDense.files) writeFileSync(join(disk, name), bytes);
    await given(disk, nodeSources({}));

    await using server = await FaultServer.start();
    server.addFolder("/model", withDense.files);
    await given(`${server.origin}/model`, { fetch });

    serveModel(server, model);
    const inHub = [...withDense.files].filter(([name]) => name.includes("/") || name === "modules.json");
    for (const [name, { bytes }] of inHub) server.files.set(`/org/model/resolve/${COMMIT}/${name}`, Buffer.from(bytes));
    const answer = server.respond!;
    server.respond = (request, response) => {
      const [, folder = ""] = /\/tree\/\w+\/?([^?]*)/.exec(decodeURIComponent(request.url!)) ?? [];
      if (!request.url!.includes("/tree/")) return answer(request, response);
      const names = [...withDense.files.keys()].filter((name) => name.slice(0, Math.max(0, name.lastIndexOf("/"))) === folder);
      const files = names.map((name) => {
        const bytes = Buffer.from(withDense.files.get(name)!.bytes);
        return { type: "file", path: name, size: bytes.length, oid: gitOid(bytes) };
      });
      const folders = folder === "" ? ["1_Pooling", "2_Dense"].map((name) => ({ type: "directory", path: name, size: 0, oid: "" })) : []; // prettier-ignore
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify([...files, ...folders]));
      return true;
    };
    const sources = nodeSources({ HF_HOME: join(path, "hub"), FPTQ_CACHE: join(path, "fptq"), HF_ENDPOINT: server.origin });
    await given("hf:org/model", sources);
    const { cachedFolder: _, ...hub } = sources.hub!;
    await given("hf:org/model", { ...sources, hub });

    const files = [...withDense.files].map(([name, { bytes }]) => {
      const file = new File([bytes.slice()], name.slice(name.lastIndexOf("/") + 1));
      return Object.defineProperty(file, "webkitRelativePath", { value: `model/${name}` });
    });
    await given(files, {});
  }));

test.run();
