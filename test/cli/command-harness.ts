/** Runs a command line in this process, against a fake library, and keeps what it wrote. */
import { Readable, Writable } from "node:stream";
import type { CommandContext } from "../../src/cli/command-context.ts";
import type { Library } from "../../src/cli/library-contract.ts";
import { createOutput } from "../../src/cli/output.ts";
import { runCommandLine } from "../../src/cli/program.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface HarnessOptions {
  readonly library?: Partial<Library>;
  /** What stands on stdin, or a stream of it. */
  readonly input?: string | CommandContext["input"];
  readonly signal?: AbortSignal;
  /** Columns of a terminal that shows both streams; without it they are files. */
  readonly columns?: number;
  readonly environment?: NodeJS.ProcessEnv;
}

const refuse = (name: string) => () => Promise.reject(new Error(`${name} was called and should not have been`));

export async function runCli(words: readonly string[], options: HarnessOptions = {}): Promise<Outcome> {
  const stdout = new TextSink(options.columns !== undefined, options.columns);
  const stderr = new TextSink(options.columns !== undefined, options.columns);
  const context: CommandContext = {
    output: createOutput(stdout, stderr, options.environment ?? {}),
    input: typeof options.input === "object" ? options.input : Readable.from([Buffer.from(options.input ?? "")]),
    signal: options.signal ?? new AbortController().signal,
    library: () => Promise.resolve({ ...NOTHING, ...options.library } as Library),
    server: refuse("server"),
  };
  const code = await runCommandLine(words, context, "1.2.3");
  return { code, stdout: stdout.text, stderr: stderr.text };
}

/** A stream that keeps what is written to it, and says whether it is a terminal. */
export class TextSink extends Writable {
  text = "";
  readonly isTTY: boolean;
  readonly columns: number;

  constructor(isTTY = false, columns = 100) {
    super();
    this.isTTY = isTTY;
    this.columns = columns;
  }

  override _write(chunk: Buffer | string, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

const NOTHING = Object.fromEntries(
  [
    "loadModel",
    "quantize",
    "analyze",
    "perplexity",
    "klDivergence",
    "lambada",
    "multipleChoice",
    "measureSpeed",
    "diagnose",
    "lossByPart",
  ].map((name) => [name, refuse(name)]),
);
