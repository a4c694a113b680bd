import { spawn as spawnProcess } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { AbortError, CapabilityError, DisposedError, OptionError } from "../../../src/errors.ts";
import { BOARD_BYTES, markDead } from "../../../src/kernels/threads/job-board.ts";
import { MemoryPlan, STATIC_DATA_BYTES } from "../../../src/kernels/memory-plan.ts";
import { offsetBy, type Pointer } from "../../../src/kernels/pointer.ts";
import { Transformer } from "../../../src/model/transformer.ts";
import { nodeHost } from "../../../src/host/node.ts";
import { kernelThreads } from "../../../src/host/node/node-threads.ts";
import type { Host, WorkerHandle } from "../../../src/host/host.ts";
import { assertSameBits } from "../../oracle/compare.ts";
import { tinyModel } from "../../tiny-model.ts";
import { bundled } from "../bundled.ts";
import { openPool } from "../open-pool.ts";

const SEED = 43;
const test = suite(`thread pool (seed ${SEED})`);
const IDS = [3, 1, 4, 1, 5, 9, 2, 6];

const checkpoint = await openSafetensorsCheckpoint(tinyModel(SEED));

// A pool that waits for a dead worker cannot be interrupted by this thread, so another one guards the whole
// file.
const GUARD = `setTimeout(() => { console.error("hung for three minutes"); process.kill(process.pid, "SIGKILL"); }, 180_000)`;
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

/** Passes until one fails: the first ones may be over before the worker that dies has claimed a share. */
async function failureOfPasses(model: Transformer): Promise<Error> {
  return failure(
    (async () => {
      for (let pass = 0; pass < 100_000; pass++) {
        model.truncate(0);
        await logits(model);
      }
    })(),
  );
}

/** Threads of this process. */
const count = () => readdirSync("/proc/self/task").length;

type Death = "during a job" | "between jobs" | "at start" | "with its watcher" | "slow";

const WATCHER = new URL("../../../dist/host/node/node-thread-watcher.js", import.meta.url);
const WORKER = new URL("../../../dist/host/node/node-worker.js", import.meta.url);
const DYING = bundled("dying-worker.mjs");
const startDying = kernelThreads(WATCHER, DYING);
const startUnwatched = kernelThreads(bundled("dying-watcher.mjs"), DYING);

/** A runtime whose first worker dies. */
function dying(death: Death): Host {
  const spawn = death === "with its watcher" ? startUnwatched : startDying;
  return { ...nodeHost, spawnWorker: (start) => spawn(Object.assign(start, { death })) };
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

test("beside a busy process on every core, any number of threads gives the bits of one", async () => {
  const alone = await load(1);
  const expected = await logits(alone);
  await alone.dispose();
  const busy = Array.from({ length: availableParallelism() }, () => spawnProcess(process.execPath, ["-e", "for (;;);"]));
  try {
    for (const threads of [2, 3]) {
      const model = await load(threads);
      for (let pass = 0; pass < 30; pass++) {
        model.truncate(0);
        assertSameBits(await logits(model), expected, `${threads} threads, pass ${pass}`);
      }
      await model.dispose();
    }
  } finally {
    for (const neighbour of busy) neighbour.kill("SIGKILL");
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

test("workers started after a watching thread failed share one, also when its end is told of late", async () => {
  if (process.platform !== "linux") return console.log("skip: threads are counted through /proc");
  await (await load(2)).dispose();
  const before = count();
  const plan = new MemoryPlan();
  const board = plan.reserve("scratch", BOARD_BYTES, "board");
  const memory = plan.createMemory(true);
  const modules = [await nodeHost.kernelModule("simd128-threads")];
  const start = (thread: number) =>
    startUnwatched({ modules, kernels: [], memories: [{ memory, scratch: board }], board, thread, generation: 0 });
  process.env["FPTQ_TEST_WATCHER"] = "throws"; // a thread has the environment of its start
  const lost = start(2);
  delete process.env["FPTQ_TEST_WATCHER"];
  const second = await failure(lost.ready).then(() => start(3));
  await second.ready;
  const third = start(4);
  await third.ready;
  assert.is(count(), before + 3);
  await Promise.all([second.end(), third.end()]);
  assert.is(count(), before);
});

test("a worker that dies in the middle of a job is an error, and the others end", async () => {
  for (const threads of [2, 3]) {
    const model = await load(threads, dying("during a job"));
    const error = await failureOfPasses(model);
    assert.instance(error, CapabilityError);
    assert.match(error.message, /^threads: a worker died during \w+; load the model again/);
    const again = await failure(model.forward(IDS, { logits: "last" }));
    assert.is(again, error);
    await model.dispose();
  }
});

test("a worker that dies between jobs is an error of the next job, with its reason as the cause", async () => {
  const host = dying("between jobs");
  let died!: Promise<Error>;
  const spawnWorker: Host["spawnWorker"] = (start) => {
    const handle = host.spawnWorker!(start);
    died = new Promise((resolve) => handle.onDeath(resolve));
    return handle;
  };
  const model = await load(2, { ...host, spawnWorker });
  const hold = setInterval(() => {}, 1000); // threads do not keep a process
  await died;
  clearInterval(hold);
  const error = await failure(model.forward(IDS, { logits: "last" }));
  assert.instance(error, CapabilityError);
  assert.match(error.message, /^threads: a worker died before \w+/);
  assert.match((error.cause as Error).message, /worker 1: it exited with code 4/);
  await model.dispose();
});

test("the thread that watches dies, and its workers with it: an error, and a model loaded anew works", async () => {
  const model = await load(3, dying("with its watcher"));
  const before = performance.now();
  const error = await failureOfPasses(model);
  assert.instance(error, CapabilityError);
  assert.match(error.message, /^threads: the thread that watches over the workers died during \w+; load the model again/);
  assert.ok(performance.now() - before < 30_000, "not within a bound");
  await model.dispose();
  await failure(logits(model));
  const alone = await load(1);
  const again = await load(3);
  assertSameBits(await logits(again), await logits(alone), "loaded again");
  await again.dispose();
  await alone.dispose();
});

test("a job that takes long is waited for: the thread that watches answers", async () => {
  const alone = await load(1);
  const model = await load(2, dying("slow"));
  const expected = await logits(alone);
  let longest = 0;
  for (let pass = 0; pass < 100_000 && longest < 2000; pass++) {
    const before = performance.now();
    model.truncate(0);
    assertSameBits(await logits(model), expected, "2 threads");
    longest = Math.max(longest, performance.now() - before);
  }
  assert.ok(longest > 2000, "the worker was not slow");
  await model.dispose();
  await alone.dispose();
});

test("a watching thread that somebody ends between jobs is an error of the next job", async () => {
  let lost: (() => void) | undefined;
  const spawnWorker: Host["spawnWorker"] = (start) => {
    const handle = nodeHost.spawnWorker!(start);
    lost = () => markDead(start);
    return handle;
  };
  const model = await load(2, { ...nodeHost, spawnWorker });
  lost!();
  assert.match((await failure(logits(model))).message, /^threads: a worker died before \w+/);
  await model.dispose();
});

const missing = new URL("none.js", import.meta.url);
for (const [what, host, reason] of [
  ["its script throws", dying("at start"), /worker 1: no thread today/],
  ["its script is missing", { ...nodeHost, spawnWorker: kernelThreads(WATCHER, missing) }, /worker 1: .*none\.js/],
  [
    "the watching thread's script is missing",
    { ...nodeHost, spawnWorker: kernelThreads(missing, WORKER) },
    /worker 1: .*none\.js/,
  ],
  [
    "its address is no file's",
    { ...nodeHost, spawnWorker: kernelThreads(WATCHER, new URL("https://a.invalid/w.js")) },
    /worker 1: .*file/,
  ],
  [
    "the runtime refuses",
    {
      ...nodeHost,
      spawnWorker: () => {
        throw new Error("no more than one");
      },
    },
    /no more than one/,
  ],
] as const satisfies [string, Host, RegExp][]) {
  // prettier-ignore
  test(`a worker that does not start is a thread less and one warning: ${what}`, async () => {
    const warnings: string[] = [];
    const onWarning = (message: string) => warnings.push(message);
    const alone = await load(1);
    const model = await Transformer.load(checkpoint, host, { threads: 3, onWarning });
    const started = what === "its script throws" ? 2 : 1;
    assert.is(model.threads, started);
    const about = warnings.filter((message) => message.includes("others did not start"));
    assert.is(about.length, 1, warnings.join("\n"));
    assert.match(about[0]!, new RegExp(`^threads: ${started} used, others did not start: `));
    assert.match(about[0]!, reason);
    assertSameBits(await logits(model), await logits(alone), `${started} threads`);
    await model.dispose();
    await alone.dispose();
  });
}

test("a worker that was to be started as the caller said, and was not, is an error", async () => {
  const ready = () => Promise.reject(new CapabilityError("worker 1: no such script"));
  const spawnWorker = () => ({ ready: ready(), onDeath: () => {}, end: async () => {} });
  const error = await failure(load(3, { ...nodeHost, spawnWorker }));
  assert.instance(error, CapabilityError);
  assert.match(error.message, /^threads: of 2 workers asked for, one did not start: worker 1: no such script/);
});

test("a worker that never says that it is ready is not waited for, and takes no part when it comes late", async () => {
  const handles: WorkerHandle[] = [];
  const spawnWorker: NonNullable<Host["spawnWorker"]> = (start) => {
    const handle = nodeHost.spawnWorker!(start);
    handles.push(handle);
    return start.thread === 2 ? handle : { ...handle, ready: new Promise<void>(() => {}), end: async () => {} };
  };
  const { kernels, data } = await openPool(4, spawnWorker, { limitMs: 5000 });
  assert.match((await kernels.threadsStarted())!, /worker 1: no answer within 5 s of its start/);
  await Promise.all(handles.map(({ ready }) => ready)); // those that are late are there now
  assert.is(kernels.threads, 2);
  const [M, K] = [64, 32];
  const x = kernels.f32(data, M * K).map((_, i) => Math.sin(i));
  kernels.f32(data, M * K).set(x);
  const [weight, y, expected] = [1, 2, 3].map((i) => offsetBy(data, 4 * i * M * K)) as [Pointer, Pointer, Pointer];
  kernels.f32(weight, K).fill(1);
  kernels.run.rmsnorm_f32(data, weight, expected, M, K, 1e-5, 0, M);
  for (let i = 0; i < 200; i++) {
    kernels.f32(y, M * K).fill(0);
    kernels.split("rmsnorm_f32", M, data, weight, y, M, K, 1e-5);
    assertSameBits(kernels.f32(y, M * K), kernels.f32(expected, M * K), `job ${i}`);
  }
  await kernels.dispose();
  for (const handle of handles) await handle.end();
});

test("waiting for workers ends with the signal, or when the kernels are disposed", async () => {
  const silent = () => ({ ready: new Promise<void>(() => {}), onDeath: () => {}, end: async () => {} });
  const controller = new AbortController();
  const loading = Transformer.load(checkpoint, { ...nodeHost, spawnWorker: silent }, { threads: 2, signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  assert.instance(await failure(loading), AbortError);
  const { kernels } = await openPool(2, silent);
  await kernels.dispose();
  assert.throws(() => kernels.memory, (error: unknown) => error instanceof DisposedError); // prettier-ignore
});

test("a disposed model refuses work instead of waiting for nobody", async () => {
  const model = await load(2);
  await model.dispose();
  const error = await failure(logits(model));
  assert.instance(error, DisposedError);
  assert.match(error.message, /^model: got one that was disposed, need to load it again$/);
});

test("a trap in a worker is an error of the job", async () => {
  const { kernels } = await openPool(2, nodeHost.spawnWorker!);
  await kernels.threadsStarted();
  // The first of two rows is the last that fits into memory.
  const K = 64;
  const [x, weight] = [(kernels.memory.buffer.byteLength - 4 * K) as Pointer, STATIC_DATA_BYTES as Pointer];
  assert.throws(
    () => kernels.split("rmsnorm_f32", 2, x, weight, x, 2, K, 1e-5),
    (error: Error) => error instanceof CapabilityError && error.message.includes("a share of rmsnorm_f32 trapped"),
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
