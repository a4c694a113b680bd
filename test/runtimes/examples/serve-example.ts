/** Starts an example in its runtime and says where it listens. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { installed } from "../launch.ts";
import { kernelModules } from "../launch-workerd.ts";
import type { InstalledExamples } from "./install.ts";

export interface Server {
  /** One for each socket it listens on. */
  readonly origins: readonly string[];
  /** Bytes of what is deployed, gzipped; undefined for what runs from its folder. */
  readonly deployedBytes?: number;
  /** What it has printed. */
  log(): string;
  stop(): Promise<void>;
}

const STARTED_WITHIN_MS = 60_000;
const KERNELS = "node_modules/fptq/dist/wasm";

/** @param listening finds the origins in what the process printed; undefined while they are not there */
async function start(
  command: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; listening: (text: string) => readonly string[] | undefined },
): Promise<Server> {
  const child = spawn(command, args, { cwd: options.cwd, env: options.env, stdio: ["ignore", "pipe", "pipe", "pipe"] });
  let text = "";
  const ended = once(child, "close");
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  const origins = new Promise<readonly string[]>((resolve, reject) => {
    for (const stream of child.stdio.slice(1) as Readable[]) {
      stream.setEncoding("utf8").on("data", (part: string) => {
        text += part;
        const found = options.listening(text);
        if (found) resolve(found);
      });
    }
    child.once("error", reject);
    child.once("close", () => reject(new Error(`ended before it listened\n${text}`)));
    setTimeout(() => reject(new Error(`does not listen\n${text}`)), STARTED_WITHIN_MS).unref();
  });
  try {
    return { origins: await origins, log: () => text, stop };
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }
}

const listeningOn = (text: string) => {
  const origin = /http:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
  return origin === undefined ? undefined : [origin];
};

export function serveInDeno({ directory }: InstalledExamples): Promise<Server> {
  const cwd = `${directory}/examples/deno`;
  // The task itself: `deno task` would be a process between this one and the server.
  const { tasks } = JSON.parse(readFileSync(`${cwd}/deno.json`, "utf8")) as { tasks: { start: string } };
  const env = { ...process.env, PORT: "0", DENO_DIR: `${directory}/deno-cache`, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
  return start(installed("deno"), tasks.start.split(" ").slice(1), { cwd, env, listening: listeningOn });
}

export function serveInBun({ directory }: InstalledExamples): Promise<Server> {
  const env = { ...process.env, PORT: "0", BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0", DO_NOT_TRACK: "1" };
  return start(installed("bun"), ["main.ts"], { cwd: `${directory}/examples/bun`, env, listening: listeningOn });
}

interface WranglerConfig {
  readonly main: string;
  readonly compatibility_date: string;
  readonly compatibility_flags?: readonly string[];
  readonly assets: { readonly directory: string; readonly binding: string };
  readonly vars: Readonly<Record<string, string>>;
}

/** The same Worker behind two sockets: as `wrangler.jsonc` says, and with pages of another origin allowed. */
export const CORS_ORIGIN = "https://example.org";

/** Bundled as wrangler does it, configured by what wrangler would read. */
export async function serveInWorkerd({ directory }: InstalledExamples): Promise<Server> {
  const cwd = `${directory}/examples/workers`;
  const config = JSON.parse(readFileSync(`${cwd}/wrangler.jsonc`, "utf8").replaceAll(/^\s*\/\/.*$/gm, "")) as WranglerConfig;
  await build({
    entryPoints: [`${cwd}/${config.main}`],
    outfile: `${cwd}/bundle.js`,
    bundle: true,
    format: "esm",
    target: "es2024",
    logLevel: "warning",
    conditions: ["workerd", "worker", "browser"],
    external: ["*.wasm", "cloudflare:*"],
  });
  writeFileSync(`${cwd}/workerd.capnp`, capnp(config, realpathSync(`${cwd}/${config.assets.directory}`)));
  const listening = (text: string) => {
    const port = (socket: string) =>
      new RegExp(`"event"\\s*:\\s*"listen",\\s*"socket"\\s*:\\s*"${socket}",\\s*"port"\\s*:\\s*(\\d+)`).exec(text)?.[1];
    const ports = [port("http"), port("cors")];
    return ports.includes(undefined) ? undefined : ports.map((number) => `http://127.0.0.1:${number}`);
  };
  const args = ["serve", "workerd.capnp", "--control-fd=3"];
  const server = await start(installed("workerd"), args, { cwd, env: process.env, listening });
  const kernels = readdirSync(`${cwd}/${KERNELS}`).map((name) => `${KERNELS}/${name}`);
  const bytes = ["bundle.js", ...kernels].map((file) => gzipSync(readFileSync(`${cwd}/${file}`)).length);
  return { ...server, deployedBytes: bytes.reduce((sum, length) => sum + length) };
}

function capnp(config: WranglerConfig, assets: string): string {
  const list = (texts: readonly string[]) => `[${texts.map((text) => JSON.stringify(text)).join(", ")}]`;
  const worker = (name: string, vars: Readonly<Record<string, string>>) => `
const ${name} :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "bundle.js"),
    ${kernelModules(KERNELS)}
  ],
  bindings = [
    (name = "${config.assets.binding}", service = "assets"),
    ${Object.entries(vars).map(([key, value]) => `(name = "${key}", text = ${JSON.stringify(value)}),`).join(" ")}
  ],
  compatibilityDate = "${config.compatibility_date}",
  compatibilityFlags = ${list(config.compatibility_flags ?? [])},
);
`; // prettier-ignore
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "server", worker = .server),
    (name = "corsServer", worker = .corsServer),
    (name = "assets", disk = (path = ${JSON.stringify(assets)})),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "server"),
    (name = "cors", address = "127.0.0.1:0", http = (), service = "corsServer"),
  ],
);
${worker("server", config.vars)}${worker("corsServer", { ...config.vars, CORS_ORIGIN })}`;
}
