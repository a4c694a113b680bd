/**
 * SHA-256 of files on a thread of its own, while the calling one loads what is in them: a digest of 88 MB
 * takes 60 ms, a fifth of the time from a command to its first word.
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";

/** Smaller files are hashed sooner than a thread starts (20 ms). */
const WORTH_BYTES = 8 * 2 ** 20;

/** Which file, by its path and what the system has it under: a path may get another file meanwhile. */
export interface FileIdentity {
  readonly path: string;
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
}

export interface PendingDigest {
  /** Lower-case hexadecimal; undefined if the thread could not find it out, whatever the reason. */
  readonly digest: Promise<string | undefined>;
  /** Nobody waits for it any more. */
  forget(): void;
}

/** The thread's program. As a text it needs no file that a bundler would have to know of. */
const PROGRAM = `
const { parentPort } = require("node:worker_threads");
const { createHash } = require("node:crypto");
const { openSync, fstatSync, readSync, closeSync } = require("node:fs");
const buffer = Buffer.allocUnsafe(2 ** 18);
function digest({ path, dev, ino, size }) {
  const file = openSync(path, "r");
  try {
    const found = fstatSync(file);
    if (found.dev !== dev || found.ino !== ino || found.size !== size) return undefined;
    const hash = createHash("sha256");
    for (let length; (length = readSync(file, buffer, 0, buffer.length, null)) > 0; ) hash.update(buffer.subarray(0, length));
    return hash.digest("hex");
  } finally {
    closeSync(file);
  }
}
parentPort.on("message", ({ id, file }) => {
  let found;
  try {
    found = digest(file);
  } catch {}
  parentPort.postMessage({ id, found });
});
`;

class DigestThread {
  readonly #worker = new Worker(PROGRAM, { eval: true });
  readonly #waiting = new Map<number, (digest: string | undefined) => void>();
  #ids = 0;
  /** Whether it takes no more: it has ended, or is told to. */
  isOver = false;

  constructor() {
    this.#worker.on("message", ({ id, found }: { id: number; found: string | undefined }) => this.#settle(id, found));
    this.#worker.on("error", () => this.#giveUp());
    this.#worker.on("exit", () => this.#giveUp());
  }

  digest(file: FileIdentity): PendingDigest {
    const id = ++this.#ids;
    const digest = new Promise<string | undefined>((resolve) => this.#waiting.set(id, resolve));
    this.#worker.postMessage({ id, file });
    return { digest, forget: () => this.#settle(id, undefined) };
  }

  #settle(id: number, digest: string | undefined): void {
    this.#waiting.get(id)?.(digest);
    if (this.#waiting.delete(id) && this.#waiting.size === 0) this.#giveUp();
  }

  #giveUp(): void {
    this.isOver = true;
    for (const resolve of this.#waiting.values()) resolve(undefined);
    this.#waiting.clear();
    void this.#worker.terminate().catch(() => {});
  }
}

let thread: DigestThread | undefined;

/** Starts the digest of a file; undefined where that gains nothing: a small file, one processor, not Node. */
export function digestAside(file: FileIdentity): PendingDigest | undefined {
  const isNode = process.versions["deno"] === undefined && process.versions["bun"] === undefined;
  if (!isNode || file.size < WORTH_BYTES || availableParallelism() < 2) return undefined;
  try {
    if (!thread || thread.isOver) thread = new DigestThread();
    return thread.digest(file);
  } catch {
    return undefined; // a process that may start no thread hashes on this one
  }
}
