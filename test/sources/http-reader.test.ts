/** Reading a file over a connection that breaks, from a server that misbehaves. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AbortError, DownloadError } from "../../src/errors.ts";
import { displayUrl, HttpClient } from "../../src/sources/http-client.ts";
import { HttpReader } from "../../src/sources/http-reader.ts";
import { mulberry32 } from "../random.ts";
import { type Fault, FaultServer } from "./fault-server.ts";
import { MemoryClock } from "./memory-clock.ts";

const test = suite("http reader (seed 61)");
const random = mulberry32(61);
const FILE = Uint8Array.from({ length: 300_000 }, () => Math.floor(random() * 256));

async function withServer(run: (server: FaultServer, reader: HttpReader, clock: MemoryClock) => Promise<void>): Promise<void> {
  await using server = await FaultServer.start();
  server.files.set("/file", FILE);
  const clock = new MemoryClock();
  const reader = new HttpReader(new HttpClient({ fetch, clock }), new URL("/file", server.origin));
  try {
    await run(server, reader, clock);
  } finally {
    reader.disconnect();
  }
}

async function rejected(promise: Promise<unknown>): Promise<Error> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  );
  assert.ok(error, "nothing was thrown");
  return error;
}

async function read(reader: HttpReader, at: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await reader.read(at, bytes, signal);
  return bytes;
}

const readAll = (reader: HttpReader) => read(reader, 0, FILE.length);
const isDownloadError = (error: Error): error is DownloadError => error instanceof DownloadError;

test("one request for a file read in pieces from its start to its end", () =>
  withServer(async (server, reader) => {
    await reader.open(undefined);
    assert.is(reader.size, FILE.length);
    for (let at = 0; at < FILE.length; at += 70_000) {
      const length = Math.min(70_000, FILE.length - at);
      assert.equal(await read(reader, at, length), FILE.slice(at, at + length));
    }
    assert.is(server.requests.length, 1);
  }));

test("a jump is a request with a range", () =>
  withServer(async (server, reader) => {
    assert.equal(await read(reader, 250_000, 10), FILE.slice(250_000, 250_010));
    assert.equal(await read(reader, 5, 10), FILE.slice(5, 15));
    reader.disconnect();
    assert.equal(server.requests.map(({ range }) => range), ["bytes=250000-", "bytes=5-"]); // prettier-ignore
  }));

for (const ranges of [true, false]) {
  test(`a connection cut twice goes on where it was${ranges ? "" : ", from a server without ranges too"}`, () =>
    withServer(async (server, reader, clock) => {
      server.ranges = ranges;
      // Without ranges each attempt begins at 0, so the second has to get further than the first.
      server.faults.set("/file", [{ kind: "cut", after: 65_536 }, { kind: "cut", after: 131_072 }]); // prettier-ignore
      assert.equal(await readAll(reader), FILE);
      assert.is(clock.pauses.length, 2);
      const begins = server.requests.map(({ range }) => Number(/\d+/.exec(range!)![0]));
      assert.is(begins[0], 0);
      assert.ok(begins[1]! > 0 && begins[2]! > begins[1]!, `resumed from ${begins.join(", ")}`);
    }));
}

test("a short body is resumed", () =>
  withServer(async (server, reader) => {
    server.faults.set("/file", [{ kind: "short", after: 100_000 }]);
    assert.equal(await readAll(reader), FILE);
    assert.is(server.requests.length, 2);
  }));

for (const status of [408, 429, 500, 502, 503, 504]) {
  test(`status ${status} is tried again after pauses that double`, () =>
    withServer(async (server, reader, clock) => {
      server.faults.set(
        "/file",
        Array.from({ length: 3 }, () => ({ kind: "status", status }) as const),
      );
      assert.equal(await readAll(reader), FILE);
      assert.equal(clock.pauses, [500, 1000, 2000]);
    }));
}

test("a server that asks for a longer pause gets it", () =>
  withServer(async (server, reader, clock) => {
    server.faults.set("/file", [{ kind: "status", status: 503, headers: { "retry-after": "7" } }]);
    await readAll(reader);
    assert.equal(clock.pauses, [7000]);
  }));

test("a server that stays broken is given up with the number of attempts", () =>
  withServer(async (server, reader) => {
    server.always.set("/file", { kind: "status", status: 500 });
    const error = await rejected(readAll(reader));
    assert.ok(isDownloadError(error) && error.status === 500, error.message);
    assert.match(error.message, /\/file: got HTTP status 500, need 200; tried 6 times/);
    assert.is(server.requests.length, 6);
  }));

for (const status of [400, 401, 403, 404, 410]) {
  test(`status ${status} is an error at once`, () =>
    withServer(async (server, reader) => {
      server.always.set("/file", { kind: "status", status });
      const error = await rejected(readAll(reader));
      assert.ok(isDownloadError(error) && error.status === status && !error.transient, error.message);
      assert.is(server.requests.length, 1);
    }));
}

test("a connection cut each time without a byte is given up", () =>
  withServer(async (server, reader) => {
    server.always.set("/file", { kind: "cut", after: 0 });
    const error = await rejected(readAll(reader));
    assert.ok(isDownloadError(error), String(error));
    assert.match(error.message, /tried 6 times/);
  }));

test("a redirect loop ends with an error", () =>
  withServer(async (server, reader) => {
    server.always.set("/file", { kind: "redirect", to: "/file" });
    assert.match((await rejected(readAll(reader))).message, /more than 10 redirects/);
  }));

test("a redirect is followed", () =>
  withServer(async (server, reader) => {
    server.files.set("/elsewhere", FILE);
    server.always.set("/file", { kind: "redirect", to: "/elsewhere" });
    assert.equal(await readAll(reader), FILE);
  }));

for (const to of ["file:///etc/passwd", "data:text/plain,x", "http://", undefined]) {
  test(`a redirect to ${to} is refused`, () =>
    withServer(async (server, reader) => {
      server.respond = (_, response) => {
        response.writeHead(302, to === undefined ? {} : { location: to }).end();
        return true;
      };
      assert.ok(isDownloadError(await rejected(readAll(reader))));
      assert.is(server.requests.length, 1);
    }));
}

for (const [what, bytes] of [
  ["more", 400_000],
  ["less", 200_000],
] as const) {
  test(`a Content-Length of ${what} than the file is no file`, () =>
    withServer(async (server, reader) => {
      const sized = new HttpReader(new HttpClient({ fetch, clock: new MemoryClock() }), reader.url, FILE.length);
      server.ranges = false;
      server.always.set("/file", { kind: "length", bytes });
      const error = await rejected(readAll(sized));
      assert.ok(isDownloadError(error), String(error));
    }));
}

test("a file that changes while it is loaded is an error", () =>
  withServer(async (server, reader) => {
    server.faults.set("/file", [{ kind: "cut", after: 65_536 }]);
    await reader.open(undefined);
    server.files.set("/file", FILE.map((byte) => byte ^ 1)); // prettier-ignore
    assert.match((await rejected(readAll(reader))).message, /changed on the server/);
  }));

test("an abort ends a slow body at once", () =>
  withServer(async (server, reader) => {
    server.always.set("/file", { kind: "slow", piece: 1000 });
    const controller = new AbortController();
    const reading = read(reader, 0, FILE.length, controller.signal);
    setTimeout(() => controller.abort(), 50);
    const error = await rejected(reading);
    assert.instance(error, AbortError);
  }));

test("an abort ends a wait for an answer, though fetch does not care", async () => {
  const controller = new AbortController();
  const deaf = () => new Promise<Response>(() => {});
  const reader = new HttpReader(new HttpClient({ fetch: deaf, clock: new MemoryClock() }), new URL("http://localhost/file"));
  const reading = read(reader, 0, 1, controller.signal);
  controller.abort();
  assert.instance(await rejected(reading), AbortError);
});

test("silence counts as a broken connection", () =>
  withServer(async (server, reader, clock) => {
    clock.impatient = true;
    server.faults.set("/file", [{ kind: "slow", piece: 1000 }]);
    assert.equal(await readAll(reader), FILE);
    assert.is(server.requests.length, 2);
  }));

test("credentials go to their own origin only, and into no message", () =>
  withServer(async (server) => {
    await using other = await FaultServer.start();
    other.files.set("/file", FILE);
    server.always.set("/file", { kind: "redirect", to: `${other.origin}/file` });
    const authorization = { origin: server.origin, value: "Bearer secret" };
    const client = new HttpClient({ fetch, clock: new MemoryClock(), authorization });
    const url = new URL(`/file?token=secret`, server.origin);
    const reader = new HttpReader(client, url);
    assert.equal(await read(reader, 0, 10), FILE.slice(0, 10));
    reader.disconnect();
    assert.is(server.requests[0]!.authorization, "Bearer secret");
    assert.is(other.requests[0]!.authorization, undefined);

    other.always.set("/file", { kind: "status", status: 404 } satisfies Fault);
    const error = await rejected(read(new HttpReader(client, url), 0, 10));
    assert.not.match(`${error.message}${String(error.cause)}`, /secret/);
    const nobody = new HttpReader(
      new HttpClient({ fetch, clock: new MemoryClock(), authorization }),
      new URL("http://127.0.0.1:1/file?token=secret"),
    );
    assert.not.match((await rejected(read(nobody, 0, 1))).message, /secret/);
    assert.is(displayUrl(new URL("https://user:secret@host/a?token=secret#secret")), "https://host/a");
  }));

test.run();
