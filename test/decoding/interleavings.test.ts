/**
 * Generations, logits and sequences at random times beside aborts, leaving, disposal and deaths of threads:
 * each call ends with the right answer or the error it may end with, and nothing is left.
 */
import { readdirSync } from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type LanguageModel, loadModel } from "../../src/core.ts";
import { nodeHost } from "../../src/host/node.ts";
import { kernelThreads } from "../../src/host/node/node-threads.ts";
import type { Host } from "../../src/host/host.ts";
import { bundled } from "../kernels/bundled.ts";
import { mulberry32 } from "../random.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 79;
const ROUNDS = 4;
const CALLS = 14;
const LIMIT_MS = 20_000;
const test = suite(`interleavings (seed ${SEED})`);
const random = mulberry32(SEED);
const below = (count: number) => Math.floor(random() * count);
const folder = tinyModel(SEED);

// A main thread that sleeps for ever cannot be interrupted from within; neither can one that does not exit.
const GUARD = `setTimeout(() => { console.error("hung for two minutes"); process.kill(process.pid, "SIGKILL"); }, 120_000)`;
const guard = new Worker(GUARD, { eval: true });
guard.unref();

/** Watching threads, as they are made. */
const watchers: Worker[] = [];
const module = createRequire(import.meta.url)("node:worker_threads") as { Worker: typeof Worker };
module.Worker = class extends Worker {
  constructor(...args: ConstructorParameters<typeof Worker>) {
    super(...args);
    watchers.push(this);
  }
};
syncBuiltinESMExports();

const startDying = kernelThreads(
  new URL("../../dist/host/node/node-thread-watcher.js", import.meta.url),
  bundled("dying-worker.mjs"),
);
/** A host whose first worker dies in the job of that number. */
const dyingAt = (job: number): Host => ({
  ...nodeHost,
  spawnWorker: (start) => startDying(Object.assign(start, { death: start.thread === 1 ? job : Infinity })),
});

const PROMPTS = ["the cat and the dog ".repeat(9), "the house", "one of the hens in the garden then ate all of the corn"];
const GREEDY = { temperature: 0, maxTokens: 10, ignoreEos: true } as const;
const IDS = Array.from({ length: 30 }, (_, i) => 3 + ((i * 7) % 200));

/** What a model says that nobody disturbs. */
const alone = await loadModel({ kind: "folder", folder }, nodeHost, { threads: 1, contextSize: 128 });
const EXPECTED: (readonly number[])[] = [];
for (const prompt of PROMPTS) EXPECTED.push((await alone.generate(prompt, GREEDY).result).tokens);
const LOGITS = await alone.logits(IDS);
await alone.dispose();

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

interface Call {
  run(model: LanguageModel): Promise<void>;
  /** Errors it may end with while nothing else has happened. */
  readonly errors: readonly string[];
}

const whole = (which: number): Call => ({
  errors: [],
  run: async (model) => assert.equal((await model.generate(PROMPTS[which]!, GREEDY).result).tokens, EXPECTED[which]),
});
const CALLS_OF: readonly (() => Call)[] = [
  () => whole(below(PROMPTS.length)),
  () => whole(0),
  () => ({
    errors: [],
    run: async (model) => {
      const found = await model.logits(IDS);
      assert.is(found.findIndex((value, i) => !Object.is(value, LOGITS[i])), -1); // prettier-ignore
    },
  }),
  () => ({
    errors: ["AbortError"],
    run: async (model) => {
      const controller = new AbortController();
      const which = below(PROMPTS.length);
      const { result } = model.generate(PROMPTS[which]!, { ...GREEDY, signal: controller.signal });
      const timer = setTimeout(() => controller.abort(), below(12));
      assert.equal((await result.finally(() => clearTimeout(timer))).tokens, EXPECTED[which]);
    },
  }),
  () => ({
    errors: [],
    run: async (model) => {
      const which = below(PROMPTS.length);
      const generation = model.generate(PROMPTS[which]!, GREEDY);
      const pieces = generation[Symbol.asyncIterator]();
      const first = pieces.next();
      first.catch(() => {}); // looked at below
      await sleep(below(10));
      await Promise.all([pieces.return(), first]);
      const { stop, tokens } = await generation.result;
      assert.is(["cancelled", "length"].includes(stop), true);
      assert.equal(tokens, EXPECTED[which]!.slice(0, tokens.length));
    },
  }),
  () => ({
    errors: [],
    run: async (model) => {
      const which = below(PROMPTS.length);
      let left = 1 + below(5);
      for await (const _ of model.generate(PROMPTS[which]!, GREEDY)) if (--left === 0) break;
    },
  }),
  () => ({
    errors: ["DisposedError"],
    run: async (model) => {
      const sequence = model.createSequence();
      const timer = setTimeout(() => sequence.dispose(), below(15));
      try {
        assert.equal((await sequence.generate(PROMPTS[2]!, GREEDY).result).tokens, EXPECTED[2]);
        using fork = sequence.fork();
        await sequence.logits([5]);
        fork.truncate(3);
        await fork.logits([7]);
      } finally {
        clearTimeout(timer);
        sequence.dispose();
      }
    },
  }),
  () => ({
    errors: [],
    run: async (model) => {
      using from = model.createSequence();
      await from.logits(IDS.slice(0, 20));
      using to = model.createSequence();
      await to.restore(await from.save());
      const found = await to.logits(IDS.slice(20));
      const behind = LOGITS.subarray(LOGITS.length - found.length);
      assert.is(found.findIndex((value, i) => !Object.is(value, behind[i])), -1); // prettier-ignore
    },
  }),
];

for (const threads of [1, 2, 3]) {
  test(`${threads} threads`, async () => {
    const seen = new Map<string, number>();
    for (let round = 0; round < ROUNDS; round++) {
      const dies = threads > 1 && round % 4 === 1;
      const unwatched = threads > 1 && round % 4 === 2;
      const disposes = round % 4 === 3;
      const host = dies ? dyingAt(20 + below(600)) : nodeHost;
      const options = { threads, contextSize: 128, cacheTokens: [128, 512][below(2)]!, chunkSize: [8, 32][below(2)]! };
      const model = await loadModel({ kind: "folder", folder }, host, options);
      const allowed = [...(dies || unwatched ? ["CapabilityError"] : []), ...(disposes ? ["DisposedError"] : [])];
      const calls = Array.from({ length: CALLS }, async () => {
        const { run, errors } = CALLS_OF[below(CALLS_OF.length)]!();
        await sleep(below(25));
        const ended = await bounded((async () => run(model))()).then(
          () => "answer",
          (error: Error) => {
            if (![...allowed, ...errors].includes(error.name)) throw error;
            return error.name;
          },
        );
        seen.set(ended, (seen.get(ended) ?? 0) + 1);
      });
      if (unwatched) calls.push(sleep(below(25)).then(async () => void (await watchers.at(-1)!.terminate())));
      if (disposes) calls.push(sleep(below(25)).then(() => bounded(model.dispose())));
      const failures = (await Promise.allSettled(calls)).filter((one) => one.status === "rejected");
      assert.equal(failures.map(({ reason }) => String((reason as Error).stack)), []); // prettier-ignore
      for (const expected of [...(unwatched ? ["CapabilityError"] : []), ...(disposes ? ["DisposedError"] : [])]) {
        const error = await bounded(model.logits(IDS)).then(() => undefined, (thrown: Error) => thrown); // prettier-ignore
        assert.is(error?.name, expected);
      }
      const { free, total } = model.forwardPass.cacheTokens;
      assert.is(free, total, `round ${round}: tokens are left`);
      await bounded(model.dispose());
    }
    assert.ok(seen.get("answer")! > 0, JSON.stringify([...seen]));
  });
}

test("nothing is left: no thread but the guard, and a new model answers", async () => {
  const model = await loadModel({ kind: "folder", folder }, nodeHost, { threads: 2, contextSize: 128 });
  const with2 = threadsNow();
  await whole(1).run(model);
  await model.dispose();
  if (process.platform === "linux") assert.is(threadsNow(), with2 - 2);
  await guard.terminate();
});

const threadsNow = () => (process.platform === "linux" ? readdirSync("/proc/self/task").length : 0);

function bounded<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RangeError(`no end within ${LIMIT_MS} ms`)), LIMIT_MS);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

test.run();
