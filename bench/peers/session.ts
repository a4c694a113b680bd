/**
 * A conversation with an engine in a process or page of its own: one request, one answer, and a reason where
 * it fails.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface Session {
  /** @throws Error with what the engine said */
  call<T>(operation: string, request: object): Promise<T>;
  close(): Promise<void>;
}

/** What an engine does. Times are milliseconds, measured inside, beside the computation. */
export interface EngineOperations {
  load: { request: { model: string; threads: number; contextSize: number }; answer: { version: string; details: string } };
  /** From an empty cache to the logits of the last of `prompt`. */
  prefill: { request: { prompt: Prompt }; answer: { ms: number } };
  /**
   * `tokens` steps of one token each, with the prompt (of `depth` tokens) in the cache before; the prompt is
   * not timed.
   */
  decode: { request: { prompt: Prompt; tokens: number }; answer: { ms: number } };
}

/** The same tokens twice: engines without a tokenizer of their own API take ids, the others text. */
export interface Prompt {
  readonly ids: readonly number[];
  readonly text: string;
}

/** Longest silence before an engine counts as hung: the slowest one takes minutes to fill a deep cache. */
const LIMIT_MS = 30 * 60_000;

/** A script that reads requests from stdin and writes answers to stdout, one JSON line each. */
export class ChildSession implements Session {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #exit: Promise<string>;
  #errors = "";

  constructor(node: string, script: string, env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(node, ["--import", import.meta.resolve("tsx"), script], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...env },
    });
    this.#child.stderr!.on("data", (chunk: Buffer) => (this.#errors = (this.#errors + chunk.toString()).slice(-4000)));
    this.#child.stdin!.on("error", () => {});
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
    this.#exit = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => resolve(signal ? `by ${signal}` : `with exit code ${code}`));
      this.#child.once("error", (error) => resolve(error.message));
    });
  }

  async call<T>(operation: string, request: object): Promise<T> {
    this.#child.stdin!.write(`${JSON.stringify({ operation, ...request })}\n`);
    for (;;) {
      const { value, done } = await withinLimit(this.#answers.next(), operation);
      if (done) throw new Error(`ended: ${lastLine(this.#errors) || (await this.#exit)}`);
      // Engines print messages of their own; an answer says that it is one.
      if (!value.startsWith(ANSWER)) continue;
      const answer = JSON.parse(value.slice(ANSWER.length)) as T & { error?: string };
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer;
    }
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.stdin!.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    await this.#exit;
    clearTimeout(timer);
  }
}

const ANSWER = "answer ";

const lastLine = (text: string) =>
  text
    .trim()
    .split("\n")
    .findLast((line) => /error/i.test(line)) ?? text.trim().split("\n").at(-1);

export async function withinLimit<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer after ${LIMIT_MS / 60_000} minutes`)), LIMIT_MS);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}
