/** What does not pass fails at once; what may pass is tried again, and told with wait and reason. */
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AbortError, DownloadError } from "../../src/errors.ts";
import { HttpClient, type HttpOptions } from "../../src/sources/http-client.ts";
import { HttpReader } from "../../src/sources/http-reader.ts";
import { networkProblem } from "../../src/sources/network-problem.ts";
import { FaultServer } from "./fault-server.ts";
import { MemoryClock } from "./memory-clock.ts";

const test = suite("network problems");

const nodeError = (code: string | undefined, message: string) =>
  new TypeError("fetch failed", { cause: Object.assign(new Error(message), code === undefined ? {} : { code }) });
const bunError = (code: string, message: string) => Object.assign(new TypeError(message), { code });
const denoError = (message: string) =>
  new TypeError("fetch failed", { cause: new Error(`error sending request for url (https://h/?token=secret): ${message}`) });

/** Errors as fetch of Node 20.20, Bun 1.4.5 and Deno 2.9.6 threw them. */
const PROBLEMS: readonly (readonly [error: unknown, reason: string, retries: number | undefined])[] = [
  [nodeError("ENOTFOUND", "getaddrinfo ENOTFOUND nowhere.invalid"), "ENOTFOUND, there is no such host", 0],
  [bunError("ENOTFOUND", "getaddrinfo ENOTFOUND nowhere.invalid"), "ENOTFOUND, there is no such host", 0],
  [
    denoError("client error (Connect): dns error: failed to lookup address information: Name or service not known"),
    "ENOTFOUND, there is no such host",
    0,
  ],
  [nodeError("EAI_AGAIN", "getaddrinfo EAI_AGAIN host"), "EAI_AGAIN, the name could not be looked up", 1],
  [
    denoError("client error (Connect): dns error: failed to lookup address information: Temporary failure in name resolution"),
    "EAI_AGAIN, the name could not be looked up",
    1,
  ],
  [nodeError("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:9"), "ECONNREFUSED, nothing listens there", 0],
  [bunError("ECONNREFUSED", "ECONNREFUSED: Unable to connect."), "ECONNREFUSED, nothing listens there", 0],
  [
    denoError("client error (Connect): tcp connect error: Connection refused (os error 111)"),
    "ECONNREFUSED, nothing listens there",
    0,
  ],
  [nodeError("ENETUNREACH", "connect ENETUNREACH"), "ENETUNREACH, no way leads there", 1],
  [
    nodeError("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"),
    "DEPTH_ZERO_SELF_SIGNED_CERT, the certificate is not trusted",
    0,
  ],
  [nodeError("CERT_HAS_EXPIRED", "expired"), "CERT_HAS_EXPIRED, the certificate is not trusted", 0],
  [nodeError("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable"), "UNABLE_TO_VERIFY_LEAF_SIGNATURE, the certificate is not trusted", 0],
  [
    nodeError("ERR_TLS_CERT_ALTNAME_INVALID", "Host: a. is not cert's"),
    "ERR_TLS_CERT_ALTNAME_INVALID, the certificate is not trusted",
    0,
  ],
  [
    denoError("client error (Connect): invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))"),
    "the certificate is not trusted",
    0,
  ],
  [nodeError("ERR_SSL_WRONG_VERSION_NUMBER", "wrong version"), "ERR_SSL_WRONG_VERSION_NUMBER, it does not speak TLS", 0],
  [bunError("EPROTO", "EPROTO: The TLS handshake failed."), "EPROTO, it does not speak TLS", 0],
  [nodeError(undefined, "bad port"), "fetch does not use this port", 0],
  [nodeError("ECONNRESET", "read ECONNRESET"), "ECONNRESET", undefined],
  [nodeError("UND_ERR_CONNECT_TIMEOUT", "Connect Timeout Error"), "UND_ERR_CONNECT_TIMEOUT", undefined],
  [denoError("Connection reset by peer (os error 104)"), "the request failed", undefined],
  [new TypeError("Failed to fetch"), "the request failed", undefined],
  ["no error at all", "the request failed", undefined],
];

for (const [error, reason, retries] of PROBLEMS) {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
  test(`${cause} is: ${reason}`, () => {
    const found = networkProblem(error);
    assert.is(found.reason, reason);
    assert.is(found.retries, retries);
  });
}

interface Outcome {
  readonly error: Error;
  readonly requests: number;
  readonly pauses: number[];
  readonly warnings: string[];
}

/** Reads one byte by a fetch that fails each time. */
async function failing(
  error: unknown,
  options: Partial<HttpOptions> = {},
  url = "https://host/file?token=secret",
): Promise<Outcome> {
  const clock = new MemoryClock();
  const warnings: string[] = [];
  let requests = 0;
  const fetch = () => {
    requests++;
    return Promise.reject(error as Error);
  };
  const client = new HttpClient({ fetch, clock, onWarning: (message) => warnings.push(message), ...options });
  const thrown = await rejected(new HttpReader(client, new URL(url)).read(0, new Uint8Array(1), undefined));
  return { error: thrown, requests, pauses: clock.pauses, warnings };
}

async function rejected(promise: Promise<unknown>): Promise<Error> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as Error,
  );
  assert.ok(error, "nothing was thrown");
  return error;
}

test("a host that does not exist fails at once, without a word about attempts", async () => {
  const { error, requests, pauses, warnings } = await failing(nodeError("ENOTFOUND", "getaddrinfo ENOTFOUND host"));
  assert.instance(error, DownloadError);
  assert.is(error.message, "https://host/file: got no connection to host, need one: ENOTFOUND, there is no such host");
  assert.equal([requests, pauses, warnings], [1, [], []]);
});

test("a name that could not be looked up is asked for once more", async () => {
  const { error, requests, pauses, warnings } = await failing(nodeError("EAI_AGAIN", "getaddrinfo EAI_AGAIN host"));
  assert.match(error.message, /could not be looked up; tried 2 times$/);
  assert.equal([requests, pauses, warnings.length], [2, [500], 1]);
});

test("a connection that was reset is tried again and again, each time with a word", async () => {
  const { error, requests, pauses, warnings } = await failing(nodeError("ECONNRESET", "read ECONNRESET"));
  assert.match(error.message, /need one: ECONNRESET; tried 6 times$/);
  assert.equal([requests, pauses], [6, [500, 1000, 2000, 4000, 8000]]);
  assert.equal(
    warnings,
    [0.5, 1, 2, 4, 8].map(
      (seconds, i) =>
        `https://host/file: got no connection to host, need one: ECONNRESET; trying again in ${seconds} s (attempt ${i + 2} of 6)`,
    ),
  );
});

test("what to do about a proxy is said with the failure", async () => {
  const { error } = await failing(nodeError("ENOTFOUND", ""), { advice: () => "HTTPS_PROXY is set" });
  assert.match(error.message, /there is no such host; HTTPS_PROXY is set$/);
});

test("nothing listens at a port: one attempt", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const { error, pauses } = await failing(undefined, { fetch }, `http://127.0.0.1:${port}/file`);
  assert.match(error.message, `got no connection to 127.0.0.1:${port}, need one: ECONNREFUSED, nothing listens there`);
  assert.equal(pauses, []);
});

test("a server that has answered and refuses for a while is waited for", async () => {
  await using server = await FaultServer.start();
  server.files.set("/file", new Uint8Array(100_000).fill(7));
  server.faults.set("/file", [{ kind: "cut", after: 1000 }]);
  const clock = new MemoryClock();
  let refusals = 2;
  const client = new HttpClient({
    clock,
    fetch: (url, init) =>
      server.requests.length > 0 && refusals-- > 0 ? Promise.reject(nodeError("ECONNREFUSED", "")) : fetch(url, init),
  });
  const bytes = new Uint8Array(100_000);
  const reader = new HttpReader(client, new URL("/file", server.origin));
  await reader.read(0, bytes, undefined);
  reader.disconnect();
  assert.ok(bytes.every((byte) => byte === 7));
  assert.is(clock.pauses.length, 3);
});

for (const [headers, pause] of [
  [{ "retry-after": "7" }, 7000],
  [{ "retry-after": "120" }, 120_000],
  [{ "retry-after": "Wed, 21 Oct 2026 07:28:40 GMT", date: "Wed, 21 Oct 2026 07:28:00 GMT" }, 40_000],
  [{ "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", date: "Wed, 21 Oct 2026 07:28:40 GMT" }, 500],
  [{ ratelimit: '"api";r=0;t=55' }, 55_000],
  [{ "retry-after": "soon" }, 500],
  [{ "retry-after": "-5" }, 500],
  [{}, 500],
] as const) {
  test(`429 with ${JSON.stringify(headers)} is a pause of ${pause} ms`, async () => {
    await using server = await FaultServer.start();
    server.files.set("/file", new Uint8Array(10));
    server.faults.set("/file", [{ kind: "status", status: 429, headers }]);
    const clock = new MemoryClock();
    const warnings: string[] = [];
    const client = new HttpClient({ fetch, clock, onWarning: (message) => warnings.push(message) });
    const reader = new HttpReader(client, new URL("/file", server.origin));
    await reader.read(0, new Uint8Array(10), undefined);
    reader.disconnect();
    assert.equal(clock.pauses, [pause]);
    assert.equal(warnings, [
      `${server.origin}/file: got HTTP status 429 (too many requests), need 200; trying again in ${pause / 1000} s (attempt 2 of 6)`,
    ]);
  });
}

test("a server that asks for an hour is given up at once", async () => {
  await using server = await FaultServer.start();
  server.always.set("/file", { kind: "status", status: 503, headers: { "retry-after": "3600" } });
  const clock = new MemoryClock();
  const reader = new HttpReader(new HttpClient({ fetch, clock }), new URL("/file", server.origin));
  const error = await rejected(reader.read(0, new Uint8Array(1), undefined));
  assert.match(error.message, /got HTTP status 503, need 200; it asks for a pause of 3600 s, longer than this waits$/);
  assert.ok(error instanceof DownloadError && error.status === 503 && error.transient);
  assert.equal([server.requests.length, clock.pauses], [1, []]);
});

test("a signal ends a pause at once", async () => {
  await using server = await FaultServer.start();
  server.always.set("/file", { kind: "status", status: 503, headers: { "retry-after": "200" } });
  const controller = new AbortController();
  const client = new HttpClient({ fetch, onWarning: () => controller.abort() });
  const reader = new HttpReader(client, new URL("/file", server.origin));
  assert.instance(await rejected(reader.read(0, new Uint8Array(1), controller.signal)), AbortError);
  assert.is(server.requests.length, 1);
});

test.run();
