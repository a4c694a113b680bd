/** A server in a process of its own: `fptq serve` of the built package, or another engine's. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const PEER = fileURLToPath(new URL("../peers/llama-cpp-server.mjs", import.meta.url));

export interface ServerProcess {
  readonly origin: string;
  /** What it said of itself when it began to listen. */
  readonly said: string;
  /** Resident bytes; 0 where the system does not say. */
  rss(): number;
  stop(): Promise<void>;
  /** Ends it at once, in the middle of whatever it does. */
  kill(): void;
}

/** @throws Error with what the server said, if it ended before it listened */
export function startServer(model: string, words: readonly string[]): Promise<ServerProcess> {
  return start([PROGRAM, "serve", "-m", model, "--port", "0", ...words]);
}

/** llama.cpp over a GGUF. @param context tokens of one request @throws Error as above */
export function startPeer(gguf: string, threads: number, parallel: number, context: number): Promise<ServerProcess> {
  return start([PEER, gguf, ...[threads, parallel, context].map(String)]);
}

async function start(words: readonly string[]): Promise<ServerProcess> {
  const child = spawn(process.execPath, words, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.setEncoding("utf8");
  const origin = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (text: string) => {
      log += text;
      const [, address] = /(http:\/\/127\.0\.0\.1:\d+)\//.exec(log) ?? [];
      if (address !== undefined) resolve(address);
    });
    child.once("exit", (code) => reject(new Error(`the server ended with code ${code}: ${log}`)));
  });
  return {
    origin,
    said: log,
    rss: () => residentBytes(child.pid!),
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.kill("SIGTERM");
      }),
    kill: () => void child.kill("SIGKILL"),
  };
}

function residentBytes(pid: number): number {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
