/** What a server may send, and what is made of it: bounded, and an error with a name. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openCheckpoint } from "../../src/core.ts";
import { CheckpointError, DownloadError } from "../../src/errors.ts";
import { type Fetch, HttpClient } from "../../src/sources/http-client.ts";
import { HttpReader } from "../../src/sources/http-reader.ts";
import { locateModel } from "../../src/sources/locate-model.ts";
import { MemoryFolder } from "../memory-folder.ts";
import { FaultServer } from "./fault-server.ts";
import { MemoryClock } from "./memory-clock.ts";

const test = suite("hostile servers");
const FILE = new Uint8Array(1000).fill(3);

async function fails(work: Promise<unknown>, kind: new (message: string) => Error, message: RegExp): Promise<Error> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, kind, String(error));
  assert.match((error as Error).message, message);
  return error as Error;
}

interface Answer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: BodyInit | null;
}

/** A reader of a `fetch` that gives these answers, the last one again and again; and what it was asked. */
function answered(...answers: readonly Answer[]): { reader: HttpReader; asked: string[]; clock: MemoryClock } {
  const asked: string[] = [];
  const clock = new MemoryClock();
  const fetch: Fetch = (url) => {
    const { status = 200, headers = {}, body = FILE } = answers[Math.min(asked.length, answers.length - 1)]!;
    asked.push(url);
    return Promise.resolve(new Response(status === 304 ? null : body, { status, headers }));
  };
  return { reader: new HttpReader(new HttpClient({ fetch, clock }), new URL("https://host/file?token=secret")), asked, clock };
}

for (const length of ["-1", "1e3", "0x10", "abc", "9007199254740993", "1".repeat(400), "1000, 1000"]) {
  test(`a Content-Length of ${length.slice(0, 20)} is none`, async () => {
    const { reader, asked } = answered({ headers: { "content-length": length } });
    await fails(
      reader.open(undefined),
      DownloadError,
      /^https:\/\/host\/file: Content-Length: got "[^"]{1,40}", need a number of bytes$/,
    );
    assert.is(asked.length, 1);
  });
}

test("a Content-Range beyond what a number holds", async () => {
  const { reader } = answered({ status: 206, headers: { "content-range": "bytes 0-9/99999999999999999999" } });
  await fails(reader.open(undefined), DownloadError, /Content-Range: got "99999999999999999999", need a number of bytes$/);
});

test("a file that is said to end before the place that was asked for", async () => {
  const { reader } = answered({ status: 206, headers: { "content-range": "bytes 500-501/400" } });
  await fails(reader.read(500, new Uint8Array(1), undefined), DownloadError, /got 400 bytes, need more than 500$/);
});

test("another range than was asked for, and several in one", async () => {
  const other = answered({ status: 206, headers: { "content-range": "bytes 7-9/1000" } });
  await fails(other.reader.open(undefined), DownloadError, /got bytes from 7, need them from 0$/);
  const several = answered({ status: 206, headers: { "content-type": "multipart/byteranges; boundary=x" } });
  await fails(several.reader.open(undefined), DownloadError, /got several ranges in one answer, need the one from 0$/);
});

test("nothing has changed, of a file nobody has", async () => {
  const { reader, asked } = answered({ status: 304 });
  await fails(reader.read(0, new Uint8Array(1), undefined), DownloadError, /got HTTP status 304 for no condition, need 200$/);
  assert.is(asked.length, 1);
});

test("more bytes than were declared are not read", async () => {
  const { reader } = answered({ headers: { "content-length": "10" }, body: new Uint8Array(2 ** 20).fill(5) });
  await reader.open(undefined);
  assert.is(reader.size, 10);
  const bytes = new Uint8Array(10);
  await reader.read(0, bytes, undefined);
  assert.ok(bytes.every((byte) => byte === 5));
  reader.disconnect();
});

test("fewer bytes than were declared, and no more when asked again", async () => {
  await using server = await FaultServer.start();
  server.respond = (_, response) => {
    response.writeHead(200, { "content-length": "2000", connection: "close" });
    response.write(FILE, () => response.destroy());
    return true;
  };
  const clock = new MemoryClock();
  const reader = new HttpReader(new HttpClient({ fetch, clock }), new URL("/file", server.origin));
  await fails(
    reader.read(0, new Uint8Array(2000), undefined),
    DownloadError,
    /got 1000 bytes, need 2000: the connection broke; tried 6 times$/,
  );
  assert.is(server.requests.length, 6);
});

for (const [to, message] of [
  ["http://host/file", /got a redirect from https to http:\/\/host\/file, need https/],
  ["file:///etc/passwd", /got status 302 without a place to go to, need an http or https URL$/],
  ["data:text/plain,secret", /got status 302 without a place to go to/],
  ["blob:https://host/1", /got status 302 without a place to go to/],
  ["javascript:1", /got status 302 without a place to go to/],
  ["https://user:secret@host/other", /got a redirect to https:\/\/host\/other with a user in it, need one without/],
] as const) {
  test(`a redirect to ${to} is refused at once`, async () => {
    const { reader, asked } = answered({ status: 302, headers: { location: to } });
    const error = await fails(reader.open(undefined), DownloadError, message);
    assert.not.match(`${error.message}${String(error.cause)}`, /secret/);
    assert.is(asked.length, 1);
  });
}

test("a redirect from http to https, and within a host, is followed", async () => {
  const { reader, asked } = answered({ status: 308, headers: { location: "../there" } }, {});
  await reader.open(undefined);
  reader.disconnect();
  assert.equal(asked, ["https://host/file?token=secret", "https://host/there"]);
});

test("a body without a size is read up to a limit, whatever goes on coming", async () => {
  await using server = await FaultServer.start();
  const piece = Buffer.alloc(2 ** 20);
  let sent = 0;
  server.respond = (_, response) => {
    response.writeHead(200);
    const more = () => {
      do sent++;
      while (response.write(piece));
    };
    response.on("drain", more).on("error", () => {});
    more();
    return true;
  };
  await fails(
    locateModel(`${server.origin}/model.gguf`, { fetch, clock: new MemoryClock() }),
    DownloadError,
    /model\.gguf: got more than 67108864 bytes, need at most that from a server that does not say how many$/,
  );
  assert.ok(sent < 400, `${sent} MiB sent`);
});

test("a small file that is said to be huge is refused before memory is taken for it", async () => {
  await using server = await FaultServer.start();
  const folder = new MemoryFolder("model", [["config.json", "{}"]]);
  server.addFolder("/model", folder.files);
  server.always.set("/model/config.json", { kind: "length", bytes: 2 ** 52 });
  server.ranges = false;
  const location = await locateModel(`${server.origin}/model/`, { fetch, clock: new MemoryClock() });
  await fails(openCheckpoint(location), CheckpointError, /config\.json: got 4503599627370496 bytes, need at most \d+$/);
});

test.run();
