/** The two commands of an example's README. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { outputOf } from "../runtimes/launch.ts";
import { assert } from "../checks.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Long enough for a build on a busy machine. */
const STARTED_WITHIN_MS = 300_000;

/** `npm ci` of an example, if its README has the command. */
export async function install(name: string): Promise<void> {
  const command = `npm ci --prefix examples/${name}`;
  const readme = readFileSync(`${root}examples/${name}/README.md`, "utf8");
  assert(
    readme.includes(`    npm ci\n    ${command} && npm start --prefix examples/${name}\n`),
    "README.md: need the two commands",
  );
  const quiet = ["--no-audit", "--no-fund", "--prefer-offline"];
  await outputOf("npm", [...command.split(" ").slice(1), ...quiet], { cwd: root });
}

export interface Started {
  readonly url: string;
  /** What it has printed. */
  log(): string;
  stop(): Promise<void>;
}

/** `npm start` of an example, until it prints where it listens. */
export async function npmStart(name: string, args: readonly string[]): Promise<Started> {
  const command = ["start", "--prefix", `examples/${name}`, "--", ...args];
  return started(spawn("npm", command, { cwd: root, stdio: ["ignore", "pipe", "pipe"], detached: true, env: environment() }));
}

export function environment(): NodeJS.ProcessEnv {
  return { ...process.env, FORCE_COLOR: "0", NO_COLOR: "1", NEXT_TELEMETRY_DISABLED: "1" };
}

/** @param child leader of a group of its own, so that what it started ends with it */
export async function started(child: ChildProcess): Promise<Started> {
  let text = "";
  const ended = once(child, "close");
  const stop = async () => {
    if (child.exitCode === null) process.kill(-child.pid!, "SIGKILL");
    await ended;
  };
  const url = new Promise<string>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr] as Readable[]) {
      stream.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        const found = /http:\/\/(localhost|127\.0\.0\.1):\d+\/?/.exec(text);
        if (found) resolve(found[0]);
      });
    }
    child.once("error", reject);
    child.once("close", () => reject(new Error(`ended before it listened\n${text}`)));
    setTimeout(() => reject(new Error(`does not listen\n${text}`)), STARTED_WITHIN_MS).unref();
  });
  try {
    return { url: await url, log: () => text, stop };
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
}
