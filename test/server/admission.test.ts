import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Admission } from "../../src/server/admission.ts";
import { ApiError } from "../../src/server/api-error.ts";
import { mulberry32 } from "../random.ts";
import { clientOf, loadTiny } from "./serving.ts";

const SEED = 5;
const test = suite(`who waits for whom (seed ${SEED})`);
const FOREVER = new AbortController().signal;

/** A line, and in which order those in it had their turn. */
function line(atATime: number, mostWaiting: number) {
  const admission = new Admission(atATime, mostWaiting);
  const order: string[] = [];
  const refused: string[] = [];
  const places = new Map<string, { leave(): void }>();
  const enter = (name: string, signal = FOREVER) => {
    const place = admission.enter(name[0]!);
    places.set(name, place);
    void place.turn(signal).then(() => order.push(name), (error: unknown) => refused.push(error instanceof ApiError ? `${name} ${error.status}` : name)); // prettier-ignore
  };
  /** Lets those that are called say so. */
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const leave = async (name: string) => {
    places.get(name)!.leave();
    await settled();
  };
  return { admission, order, refused, enter, leave, settled };
}

test("each client has a turn before any has the next, its own in order", async () => {
  const { order, enter, leave, settled } = line(1, 64);
  for (const name of ["a1", "a2", "a3", "a4", "b1", "c1", "b2"]) enter(name);
  await settled();
  for (let i = 0; i < 7; i++) await leave(order.at(-1)!);
  assert.equal(order, ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]);
});

test("a client that comes late waits for no more than a turn of each other one", async () => {
  const { order, enter, leave, settled } = line(2, 64);
  for (let i = 0; i < 20; i++) enter(`a${i}`);
  for (let i = 0; i < 10; i++) enter(`b${i}`);
  await settled();
  for (let i = 0; i < 4; i++) await leave(order[i]!);
  enter("c0");
  for (let i = 4; i < 7; i++) await leave(order[i]!);
  assert.ok(order.includes("c0"), order.join());
});

test("whoever leaves the line has no turn, and nobody else's is lost", async () => {
  const random = mulberry32(SEED);
  const { admission, order, enter, leave, settled } = line(3, 100);
  const waiting: string[] = [];
  for (let i = 0; i < 60; i++) {
    const name = `${"abcd"[Math.floor(random() * 4)]}${i}`;
    waiting.push(name);
    enter(name);
  }
  await settled();
  const gone = waiting.filter((name) => !order.includes(name) && random() < 0.3);
  for (const name of gone) await leave(name);
  for (let i = 0; i < order.length; i++) await leave(order[i]!);
  assert.equal(new Set(order).size, order.length);
  assert.equal(order.toSorted(), waiting.filter((name) => !gone.includes(name)).toSorted()); // prettier-ignore
  assert.equal([admission.running, admission.waiting], [0, 0]);
});

test("a full line makes room for whoever has fewer in it, and for nobody else", async () => {
  const { admission, order, refused, enter, leave, settled } = line(1, 3);
  for (const name of ["a1", "a2", "a3", "a4"]) enter(name);
  assert.throws(() => enter("a5"), (error: Error) => error instanceof ApiError && error.status === 429); // prettier-ignore
  enter("b1");
  await settled();
  assert.equal(refused, ["a4 429"]);
  // Two of a and one of b: another of b would only change whose line is the longer one.
  assert.throws(() => enter("b2"), /^queue: got 3 requests that wait, need fewer than 3/);
  enter("c1");
  await settled();
  assert.equal(refused, ["a4 429", "a3 429"]);
  assert.is(admission.waiting, 3);
  await leave("a4");
  for (let i = 0; i < 4; i++) await leave(order[i]!);
  assert.equal(order, ["a1", "a2", "b1", "c1"]);
  assert.equal([admission.running, admission.waiting], [0, 0]);
});

test("a turn that is aborted is none; what was refused before anybody waited is told", async () => {
  const stopped = new AbortController();
  const { order, refused, enter, leave, settled } = line(1, 2);
  enter("a1");
  enter("a2", stopped.signal);
  stopped.abort();
  await settled();
  assert.equal([order, refused], [["a1"], ["a2"]]);
  await leave("a2");
  await leave("a1");
  const admission = new Admission(1, 2);
  const places = ["a", "a", "a", "b"].map((client) => admission.enter(client));
  const error: unknown = await places[2]!.turn(FOREVER).catch((reason: unknown) => reason);
  assert.is(error instanceof ApiError && error.status, 429);
});

test("a server tells clients apart by their keys, else by their address", async () => {
  const model = await loadTiny();
  const body = { prompt: "the cat", max_tokens: 2, temperature: 0 };
  const asked: string[] = [];
  const clientAddress = () => asked.push("x").toString();
  assert.is((await clientOf(model, { clientAddress }).post("/v1/completions", body)).status, 200);
  assert.is(asked.length, 1);
  const keyed = clientOf(model, { clientAddress, apiKeys: ["k"] });
  assert.is((await keyed.post("/v1/completions", body, { headers: { Authorization: "Bearer k" } })).status, 200);
  assert.is(asked.length, 1);
  await model.dispose();
});

test.run();
