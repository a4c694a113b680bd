import { readdirSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { buildSync } from "esbuild";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CapabilityError, DisposedError, OptionError } from "../../src/errors.ts";
import { BOARD_BYTES } from "../../src/kernels/job-board.ts";
import { instantiateKernels, Kernels } from "../../src/kernels/kernels.ts";
import { MemoryPlan, STATIC_DATA_BYTES } from "../../src/kernels/memory-plan.ts";
import type { Pointer } from "../../src/kernels/pointer.ts";
import { ThreadPool } from "../../src/kernels/thread-pool.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { nodeHost } from "../../src/host/node.ts";
import { kernelThreads } from "../../src/host/node/node-threads.ts";
import type { Host } from "../../src/host/host.ts";
import { assertSameBits } from "../oracle/compare.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 43;
const test = suite(`thread pool (seed ${SEED})`);
const IDS = [3, 1, 4, 1, 5, 9, 2, 6];

const checkpoint = await openSafetensorsCheckpoint(tinyModel(SEED));

// A pool that waits for a dead worker cannot be interrupted by this thread, so another one guards the whole
// file.
const GUARD = `setTimeout(() => { console.error("hung for a minute"); process.kill(process.pid, "SIGKILL"); }, 60_000)`;
const guard = new Worker(GUARD, { eval: true });
guard.unref();
test.after(async () => {
  await checkpoint.close();
  await guard.terminate();
});

const load = (threads: number, runtime: Host = nodeHost) => Transformer.load(checkpoint, runtime, { threads });
const logits = async (model: Transformer) => (await model.forward(IDS, { logits: "last" }))!.slice();

async function failure(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => assert.unreachable("it should have failed"),
    (error: Error) => error,
  ) as Promise<Error>;
}

/** Threads of this process. */
const count = () => readdirSync("/proc/self/task").length;

type Death = "during a job" | "between jobs" | "at start";

const startDying = kernelThreads(
  new URL("../../dist/host/node/node-thread-watcher.js", import.meta.url),
  bundled("dying-worker.mjs"),
);

/** A worker started by a built file sees no TypeScript: what it needs of the sources is made part of it. */
function bundled(name: string): URL {
  const outfile = fileURLToPath(new URL(`../../build/${name}`, import.meta.url));
  const entry = fileURLToPath(new URL(name, import.meta.url));
  buildSync({ entryPoints: [entry], bundle: true, platform: "node", format: "esm", outfile });
  return pathToFileURL(outfile);
}

/** A runtime whose first worker dies. */
function dying(death: Death): Host {
  return { ...nodeHost, spawnWorker: (start) => startDying(Object.assign(start, { death })) };
}

test("any number of threads gives the bits of one, more of them than units of work included", async () => {
  const alone = await load(1);
  const expected = await logits(alone);
  await alone.dispose();
  for (const threads of [2, 3, 5]) {
    const model = await load(threads);
    assert.is(model.threads, threads);
    assertSameBits(await logits(model), expected, `${threads} threads`);
    await model.dispose();
  }
});

test("dispose ends every thread; two models share the watching one", async () => {
  if (process.platform !== "linux") return console.log("skip: threads are counted through /proc");
  await (await load(2)).dispose(); // threads that V8 and libuv start once
  const before = count();
  const first = await load(3);
  assert.is(count(), before + 3, "two workers and the thread that watches them");
  const second = await load(2);
  assert.is(count(), before + 4);
  await first.dispose();
  assert.is(count(), before + 2);
  await second.dispose();
  await second.dispose();
  assert.is(count(), before);
});

test("a worker that dies in the middle of a job is an error, and the others end", async () => {
  for (const threads of [2, 3]) {
    const model = await load(threads, dying("during a job"));
    const error = await failure(model.forward(IDS, { logits: "last" }));
    assert.instance(error, CapabilityError);
    assert.match(error.message, /^threads: a worker died during \w+; load the model again/);
    const again = await failure(model.forward(IDS, { logits: "last" }));
    assert.is(again, error);
    await model.dispose();
  }
});

test("a worker that dies between jobs is an error of the next job, with its reason as the cause", async () => {
  const model = await load(2, dying("between jobs"));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const error = await failure(model.forward(IDS, { logits: "last" }));
  assert.instance(error, CapabilityError);
  assert.match(error.message, /^threads: a worker died before \w+/);
  assert.match((error.cause as Error).message, /worker 1: it exited with code 4/);
  await model.dispose();
});

test("a worker that does not start is an error, and the others end", async () => {
  const error = await failure(load(3, dying("at start")));
  assert.instance(error, CapabilityError);
  assert.match(error.message, /^threads: of 2 workers asked for, one did not start: .*no thread today/);
  assert.match((error.cause as Error).message, /no thread today/);
});

test("a disposed model refuses work instead of waiting for nobody", async () => {
  const model = await load(2);
  await model.dispose();
  const error = await failure(logits(model));
  assert.instance(error, DisposedError);
  assert.match(error.message, /^model: got one that was disposed, need to load it again$/);
});

test("a trap in a worker is an error of the job", async () => {
  const plan = new MemoryPlan();
  const board = plan.reserve("scratch", BOARD_BYTES, "board");
  const scratch = [plan.reserve("scratch", 0, "scratch"), plan.reserve("scratch", 0, "scratch")];
  const memory = plan.createMemory(true);
  const modules = [await nodeHost.kernelModule("simd128-threads")];
  const run = instantiateKernels(modules, memory);
  const pool = ThreadPool.start({ modules, memory, board, scratch }, run, nodeHost.spawnWorker!);
  const kernels = new Kernels(run, memory, scratch[0]!, pool);
  await kernels.threadsStarted();
  // The first of two rows is the last that fits into memory.
  const K = 64;
  const [x, weight] = [(memory.buffer.byteLength - 4 * K) as Pointer, STATIC_DATA_BYTES as Pointer];
  assert.throws(
    () => kernels.split("rmsnorm_f32", 2, x, weight, x, 2, K, 1e-5),
    (error: Error) => error instanceof CapabilityError && error.message.includes("a worker trapped in rmsnorm_f32"),
  );
  await kernels.dispose();
});

test("a number of threads that is none is refused", async () => {
  for (const threads of [0, -1, 1.5, 65, Number.NaN]) {
    const error = await failure(load(threads));
    assert.instance(error, OptionError);
    assert.match(error.message, /^threads: got .*, need an integer from 1 to 64$/);
  }
});

test("ids that do not fit into the cache are refused before anything is computed", async () => {
  const model = await Transformer.load(checkpoint, nodeHost, { threads: 2, contextSize: 10 });
  await logits(model);
  const error = await failure(logits(model));
  assert.instance(error, OptionError);
  assert.match(error.message, /8 tokens in the cache and 8 more, but it holds 10/);
  assert.is(model.length, IDS.length);
  await model.dispose();
});

test.run();
