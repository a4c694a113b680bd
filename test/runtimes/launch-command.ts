/** Node, Deno and Bun: a script in a child process that prints its result. */
import { formatJob } from "./job.ts";
import { installed, type Launched, type Launcher, outputOf } from "./launch.ts";

type Entry = "core" | "package";

function launcher(
  command: string,
  args: readonly string[],
  entry: Entry,
  env: (directory: string) => NodeJS.ProcessEnv,
): Launcher {
  return async (directory, job) => {
    const options = { env: { ...process.env, ...env(directory) } };
    const version = await outputOf(command, ["--version"], options);
    const stdout = await outputOf(command, [...args, `${directory}/${entry}.js`, directory, formatJob(job)], options);
    return { version: /\d+\.\d+\.\d+/.exec(version)?.[0] ?? version.trim(), result: JSON.parse(stdout) as Launched["result"] };
  };
}

/** The Node that runs this, which is the oldest one supported where CI runs, and a current one. */
export const node = (entry: Entry): Launcher => launcher(process.execPath, [], entry, () => ({ NODE_OPTIONS: "" }));
export const currentNode = (entry: Entry): Launcher => launcher(installed("node"), [], entry, () => ({ NODE_OPTIONS: "" }));

/** The core may read files, which is how the suite gets its input; the package also counts cores. Neither may use the network. */
export function deno(entry: Entry): Launcher {
  const permissions = entry === "core" ? ["--allow-read"] : ["--allow-read", "--allow-sys=cpus"];
  const args = ["run", "--no-prompt", "--no-lock", "--no-remote", "--node-modules-dir=manual", ...permissions];
  return launcher(installed("deno"), args, entry, (directory) => ({ DENO_DIR: `${directory}/deno`, DENO_NO_UPDATE_CHECK: "1" }));
}

export function bun(entry: Entry): Launcher {
  const env = { BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0", DO_NOT_TRACK: "1" };
  return launcher(installed("bun"), ["run", "--no-install"], entry, () => env);
}
