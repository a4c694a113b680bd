/** The client of the load benchmark, over a server of a tiny model, and how its figures are written down. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, TurnedAwayError } from "../../bench/serve/ask.ts";
import { measureChurn } from "../../bench/serve/churn.ts";
import { measureLoad, percentilesOf } from "../../bench/serve/load.ts";
import { loadTable, withSection } from "../../bench/serve/report.ts";
import { requestsOf } from "../../bench/serve/requests.ts";
import { listen } from "../../src/host/node/node-http-server.ts";
import { nodeHost } from "../../src/host/node.ts";
import { loadModel } from "../../src/core.ts";
import { createServer, type ServerOptions } from "../../src/server.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 91;
const test = suite(`load benchmark (seed ${SEED})`);
const model = await loadModel({ kind: "folder", folder: tinyModel(SEED) }, nodeHost, { threads: 1, contextSize: 256, cacheTokens: 2048 }); // prettier-ignore
test.after(() => model.dispose());

const IDS = Array.from({ length: 1000 }, (_, i) => 10 + ((i * i) % 250));
const requests = requestsOf(IDS, { count: 12, tokens: 8, shortest: 10, longest: 100, seed: SEED });
const alone = (request: (typeof requests)[number]) =>
  model.generate(request.prompt, { maxTokens: request.max_tokens, seed: request.seed, temperature: request.temperature, ignoreEos: true }).result; // prettier-ignore

async function serving(options: ServerOptions, check: (origin: string) => Promise<void>): Promise<void> {
  const ending = new AbortController();
  const server = await listen(createServer(model, options), { hostname: "127.0.0.1", port: 0 });
  try {
    await check(`http://127.0.0.1:${server.port}`);
  } finally {
    const ended = server.untilEnded(ending.signal, 1000);
    ending.abort();
    await ended;
  }
}

test("requests are the same for the same seed, with prompts between the limits", () => {
  assert.equal(requestsOf(IDS, { count: 12, tokens: 8, shortest: 10, longest: 100, seed: SEED }), requests);
  assert.ok(requests.every(({ prompt }) => prompt.length >= 10 && prompt.length <= 100));
  assert.ok(new Set(requests.map(({ prompt }) => prompt.length)).size > 6);
});

test("one request: the model's text, its tokens, a reason and the time of each piece", () =>
  serving({}, async (origin) => {
    const [request] = requests;
    const answer = await ask(origin, request!);
    const expected = await alone(request!);
    assert.is(answer.text, expected.text);
    assert.is(answer.tokens, 8);
    assert.is(answer.finishReason, "length");
    assert.ok(answer.firstMs > 0 && answer.firstMs <= answer.wholeMs);
    assert.ok(answer.gapsMs.length > 0 && answer.gapsMs.length <= 7);
  }));

test("a server that is full is told apart from one that fails", () =>
  serving({ parallel: 1, maxWaiting: 0 }, async (origin) => {
    const outcomes = await Promise.allSettled(requests.slice(0, 4).map((request) => ask(origin, request)));
    const reasons = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
    assert.ok(reasons.length > 0 && reasons.every((reason) => reason instanceof TurnedAwayError));
    const failed = await ask(origin, { ...requests[0]!, prompt: [1e6] }).catch((error: unknown) => error);
    assert.match(String(failed), /status 400/);
  }));

test("load: every request is asked once", () =>
  serving({ parallel: 4 }, async (origin) => {
    const figures = await measureLoad(origin, requests, { clients: 4, parallel: 4 });
    assert.equal([figures.requests, figures.tokens], [12, 96]);
    assert.match(loadTable([figures]), /\| 4 \| 4 \| [\d.]+ \| [\d.]+ \| \d+ \/ \d+ \/ \d+ \|/);
  }));

test("clients that are slow or leave: nothing lost, stuck or different, and a wrong answer is seen", () =>
  serving({ parallel: 4 }, async (origin) => {
    const expected = await Promise.all(requests.map(async (request) => (await alone(request)).text));
    const churn = { requests, expected, clients: 6, seconds: 1, rss: () => 0 };
    const figures = await measureChurn(origin, churn);
    assert.ok(figures.finished > 0 && figures.left > 0, JSON.stringify(figures));
    assert.equal([figures.different, figures.lost, figures.stuck], [0, [], 0]);
    const wrong = await measureChurn(origin, { ...churn, expected: expected.map((text) => `${text}!`), seconds: 0.2 });
    assert.is(wrong.different, wrong.finished);
    assert.is(model.forwardPass.cacheTokens.free, model.forwardPass.cacheTokens.total);
  }));

test("percentiles, and the place in a page", () => {
  assert.equal(percentilesOf(Array.from({ length: 101 }, (_, i) => 100 - i)), { p50: 50, p95: 95, p99: 99 });
  const page = "before\n<!-- bench:serve -->\nold\n<!-- /bench:serve -->\nafter\n";
  assert.is(withSection(page, "new"), "before\n<!-- bench:serve -->\n\nnew\n\n<!-- /bench:serve -->\nafter\n");
  assert.throws(() => withSection("nothing", "new"), /need <!-- bench:serve -->/);
});

test.run();
