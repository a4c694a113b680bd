/** What the launchers share: where things are, what they give back, and a child process that always ends. */
import { type ChildProcess, type ChildProcessByStdio, spawn, type SpawnOptions } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Job, SpeedFigures } from "./job.ts";
import type { SuiteResult } from "./suite.ts";

export const HERE = fileURLToPath(new URL(".", import.meta.url));

/** Longest time a runtime gets; every one is done in seconds on a quiet machine. */
export const LIMIT_MS = 600_000;

export interface Launched {
  readonly version: string;
  readonly result: SuiteResult | SpeedFigures;
}

/** The runtime is not on this machine. */
export class NotInstalledError extends Error {
  override readonly name = "NotInstalledError";
}

/** @param directory what `prepare` filled */
export type Launcher = (directory: string, job: Job) => Promise<Launched>;

/** The binary of a package of `test/runtimes`. */
export function installed(name: string): string {
  return `${HERE}node_modules/.bin/${name}`;
}

/**
 * What a command prints on stdout.
 * @throws NotInstalledError if there is no such command; Error with its stderr if it fails or takes too long
 */
export async function outputOf(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<string> {
  const child = spawn(command, args, {
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
    ...options,
    stdio: ["ignore", "pipe", "pipe"],
  }) as ChildProcessByStdio<null, Readable, Readable>;
  const [stdout, stderr, end] = await Promise.all([textOf(child.stdout), textOf(child.stderr), endOf(child)]);
  if (end instanceof Error) throw new NotInstalledError(`${command}: ${end.message}`);
  if (end !== "0") throw new Error(`${command} ${args.join(" ")}: ended with ${end}\n${stderr}${stdout}`);
  return stdout;
}

export async function textOf(stream: Readable): Promise<string> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) text += chunk as string;
  return text;
}

function endOf(child: ChildProcess): Promise<Error | string> {
  return new Promise((resolve) => {
    child.once("error", resolve);
    child.once("close", (code, signal) => resolve(String(signal ?? code)));
  });
}
