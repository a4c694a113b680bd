/** Clients that are slow, say too much, go away or stay, at a server that has little patience. */
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CapabilityError } from "../../src/errors.ts";
import { type HttpLimits, listen, type ListeningServer } from "../../src/host/node/node-http-server.ts";

const test = suite("node http server");
const QUICK: HttpLimits = { headers: 200, request: 400, reading: 300, idle: 200, interval: 50 };

type App = (request: Request) => Response | Promise<Response>;

/** Runs a server for the time of a check. */
async function serving(app: App, check: (server: ListeningServer, end: () => Promise<void>) => Promise<void>, grace = 500) {
  const ending = new AbortController();
  const server = await listen({ fetch: app }, { hostname: "127.0.0.1", port: 0, limits: QUICK });
  const ended = server.untilEnded(ending.signal, grace);
  try {
    await check(server, () => {
      ending.abort();
      return ended;
    });
  } finally {
    ending.abort();
    await ended;
  }
}

/** Writes pieces, one every 60 ms, and gives all that came until the server closed the connection. */
async function spoken(port: number, pieces: readonly string[]): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (data) => (text += data.toString("latin1")));
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    await sleep(60);
  }
  await closed;
  return text;
}

const hello: App = () => new Response("hello");
const echo: App = async (request) => new Response(await request.text());
const drops = (count: number) => Array.from({ length: count }, (_, i) => `X-Slow-${i}: 1\r\n`);

test("headers that come drop by drop are cut off", () =>
  serving(hello, async ({ port }) => {
    const text = await spoken(port, ["GET / HTTP/1.1\r\nHost: a\r\n", ...drops(60)]);
    assert.match(text, /^HTTP\/1\.1 408 /);
  }));

test("a body that comes drop by drop is cut off", () =>
  serving(echo, async ({ port }) => {
    const text = await spoken(port, ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", ...Array(60).fill("x")]);
    assert.not.match(text, /^HTTP\/1\.1 200 /);
  }));

test("a connection that says nothing is closed", () =>
  serving(hello, async ({ port }) => {
    await spoken(port, []);
  }));

test("a flood of headers is refused", () =>
  serving(hello, async ({ port }) => {
    const text = await spoken(port, [`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`]);
    assert.match(text, /^HTTP\/1\.1 431 /);
  }));

test("a client may wait for its answer longer than any of the limits", () => {
  const late: App = async () => {
    await sleep(800);
    return new Response("at last");
  };
  return serving(late, async ({ port }) => {
    assert.is(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "at last");
  });
});

test("an answer that nobody reads ends, and its work with it", () => {
  let cancelled!: () => void;
  const told = new Promise<void>((resolve) => (cancelled = resolve));
  const endless: App = () =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.enqueue(new Uint8Array(1 << 20)),
        cancel: () => cancelled(),
      }),
    );
  return serving(endless, async ({ port }) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await told;
    socket.destroy();
  });
});

test("a client that goes away is known at once, before its answer and in the middle of it", () => {
  const signals: AbortSignal[] = [];
  const waiting: App = ({ signal, url }) => {
    signals.push(signal);
    const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    if (url.endsWith("/whole")) return aborted.then(() => new Response("nobody"));
    return new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(10)) }));
  };
  return serving(waiting, async ({ port }) => {
    for (const path of ["whole", "stream"]) {
      const leaving = new AbortController();
      const asking = fetch(`http://127.0.0.1:${port}/${path}`, { signal: leaving.signal });
      if (path === "stream") await (await asking).body!.getReader().read();
      else while (signals.length === 0) await sleep(5);
      const known = new Promise<void>((resolve) => signals.at(-1)!.addEventListener("abort", () => resolve()));
      leaving.abort();
      await asking.catch(() => {});
      await known;
    }
  });
});

test("at its end answers come to theirs, connections kept for a next request do not hold it up", () => {
  let begun!: () => void;
  const began = new Promise<void>((resolve) => (begun = resolve));
  const slow: App = async () => {
    begun();
    await sleep(150);
    return new Response("whole");
  };
  return serving(
    slow,
    async ({ port }, end) => {
      const asking = fetch(`http://127.0.0.1:${port}/`);
      await began;
      const ended = end();
      assert.is(await (await asking).text(), "whole");
      await ended;
      await fetch(`http://127.0.0.1:${port}/`).then(() => assert.unreachable("still open"), () => {}); // prettier-ignore
    },
    60_000,
  );
});

test("who has not come to an end by then is cut off", () => {
  const endless: App = () => new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(10)) }));
  return serving(endless, async ({ port }, end) => {
    const { body } = await fetch(`http://127.0.0.1:${port}/`);
    const reader = body!.getReader();
    await reader.read();
    const ended = end();
    await reader.read().then(() => assert.unreachable("went on"), () => {}); // prettier-ignore
    await ended;
  });
});

test("a port in use is an error that names it", () =>
  serving(hello, async ({ port }) => {
    const error = await listen({ fetch: hello }, { hostname: "127.0.0.1", port }).catch((e: unknown) => e);
    assert.instance(error, CapabilityError);
    assert.match((error as Error).message, new RegExp(`cannot listen at 127.0.0.1, port ${port}: `));
  }));

test.run();
