/** Which rows go through a model together, pass by pass, over a model that computes nothing. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AbortError, DisposedError } from "../../src/errors.ts";
import { nodeHost } from "../../src/host/node.ts";
import { type Part, PROMPT_ROWS_BESIDE_STEPS, Scheduler, settle } from "../../src/model/sequences/scheduler.ts";
import type { Sequence } from "../../src/model/sequences/sequence.ts";

const test = suite("scheduler");
const MOST_ROWS = 256;

/** A sequence as the scheduler sees it. */
class Text {
  readonly name: string;
  readonly rank: number;
  readonly held = { blocks: [], length: 0 };
  length: number;

  constructor(name: string, rank: number, length: number) {
    [this.name, this.rank, this.length] = [name, rank, length];
  }

  leaveOut(count: number): void {
    this.length -= count;
  }
}

/** Passes as they were run: rows of each text. */
function scheduling(onPass: (pass: Record<string, number>) => void = () => {}) {
  const passes: Record<string, number>[] = [];
  const textOf = ({ job }: Part) => job.sequence as unknown as Text;
  const scheduler = new Scheduler(
    {
      maxRows: MOST_ROWS,
      whole: false,
      reserve: () => true,
      reserveFree: (_, rows) => rows,
      async run(parts) {
        const pass = Object.fromEntries(parts.map((part) => [textOf(part).name, part.rows]));
        passes.push(pass);
        onPass(pass);
        for (const part of parts) {
          const text = textOf(part);
          text.held.length += part.rows;
          if (text.held.length === text.length) settle(part.job, () => part.job.resolve(undefined));
        }
      },
    },
    nodeHost,
  );
  const evaluate = (text: Text, signal?: AbortSignal) =>
    scheduler.evaluate(text as unknown as Sequence, 0, { logits: "last", ...(signal && { signal }) });
  /** Prefills, then takes steps of one token. */
  const generate = async (text: Text, tokens: number, signal?: AbortSignal) => {
    await evaluate(text, signal);
    for (let i = 0; i < tokens; i++) {
      text.length++;
      await evaluate(text, signal);
    }
  };
  return { passes, scheduler, evaluate, generate };
}

test("a prompt alone goes in the largest pieces there are", async () => {
  const { passes, evaluate } = scheduling();
  await evaluate(new Text("long", 1, 600));
  assert.equal(passes, [{ long: 256 }, { long: 256 }, { long: 88 }]);
});

test("a running text has a token of every pass, and a prompt beside it goes in small pieces", async () => {
  const long = new Text("long", 2, 1000);
  let joined: Promise<unknown> | undefined;
  const { passes, evaluate, generate } = scheduling((pass) => {
    if (pass["stream"] === 1) joined ??= evaluate(long);
  });
  await generate(new Text("stream", 1, 10), 40);
  await joined;
  const beside = passes.filter(({ long: rows }) => rows !== undefined);
  assert.is(beside.length, Math.ceil(1000 / PROMPT_ROWS_BESIDE_STEPS));
  for (const pass of beside) {
    assert.is(pass["stream"], 1);
    assert.ok(pass["long"]! <= PROMPT_ROWS_BESIDE_STEPS, `${pass["long"]} rows`);
  }
});

test("several prompts beside a running text share the small piece, in order of arrival", async () => {
  const prompts = [new Text("a", 2, 100), new Text("b", 3, 100)];
  let joined: Promise<unknown> | undefined;
  const { passes, evaluate, generate } = scheduling((pass) => {
    if (pass["stream"] === 1) joined ??= Promise.all(prompts.map((text) => evaluate(text)));
  });
  await generate(new Text("stream", 1, 10), 20);
  await joined;
  const beside = passes.filter((pass) => "a" in pass || "b" in pass);
  assert.equal(beside, [
    { stream: 1, a: 64 },
    { stream: 1, a: 36, b: 28 },
    { stream: 1, b: 64 },
    { stream: 1, b: 8 },
  ]);
});

test("a text whose next step comes a little late does not find a large piece before it", async () => {
  const { passes, evaluate, generate } = scheduling();
  const [stream, long] = [new Text("stream", 1, 10), new Text("long", 2, 600)];
  await generate(stream, 1);
  const asking = evaluate(long);
  stream.length++;
  await evaluate(stream);
  await asking;
  assert.ok(passes.every((pass, i) => i < 2 || !("stream" in pass) || (pass["long"] ?? 0) <= PROMPT_ROWS_BESIDE_STEPS));
  assert.is(passes[2]!["long"], PROMPT_ROWS_BESIDE_STEPS);
});

test("who leaves has no row in the next pass, and the others go on", async () => {
  const leaving = new AbortController();
  const { passes, generate } = scheduling((pass) => {
    if (passes.length === 5 && "leaver" in pass) leaving.abort();
  });
  const leaver = generate(new Text("leaver", 1, 10), 1000, leaving.signal).catch((error: unknown) => error);
  await generate(new Text("other", 2, 10), 20);
  assert.instance(await leaver, AbortError);
  assert.is(passes.filter((pass) => "leaver" in pass).length, 5);
  assert.is(passes.filter((pass) => "other" in pass).length, 21);
});

test("a prompt that is given up in the middle leaves its room to those behind it at once", async () => {
  const leaving = new AbortController();
  const { passes, evaluate } = scheduling(() => {
    if (passes.length === 2) leaving.abort();
  });
  const given = evaluate(new Text("given up", 1, 5000), leaving.signal).catch((error: unknown) => error);
  await evaluate(new Text("next", 2, 100));
  assert.instance(await given, AbortError);
  assert.equal(passes, [{ "given up": 256 }, { "given up": 256 }, { next: 100 }]);
});

test("at its end everybody who waits is told", async () => {
  const { scheduler, evaluate } = scheduling();
  const waiting = [1, 2].map((rank) => evaluate(new Text(`${rank}`, rank, 600)).catch((error: unknown) => error));
  scheduler.end(undefined, new DisposedError("model: was disposed"));
  for (const error of await Promise.all(waiting)) assert.instance(error, DisposedError);
});

test.run();
