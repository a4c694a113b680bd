/** Node, Deno and Bun: a script in a child process that prints its result. */
import { formatJob } from "./job.ts";
import type { diagnosisDocument } from "../../src/cli/commands/doctor.ts";
import { installed, type Launched, type Launcher, outputOf } from "./launch.ts";
import { collector, equal, type SuiteResult } from "./suite.ts";

type Entry = "core" | "package";

/** @param more arguments for the command line, which reads the environment */
function launcher(
  command: string,
  args: readonly string[],
  entry: Entry,
  env: (directory: string) => NodeJS.ProcessEnv,
  more: readonly string[] = [],
): Launcher {
  return async (directory, job) => {
    const options = { env: { ...process.env, ...env(directory) } };
    const version = await outputOf(command, ["--version"], options);
    const stdout = await outputOf(command, [...args, `${directory}/${entry}.js`, directory, formatJob(job)], options);
    const result = JSON.parse(stdout) as Launched["result"];
    const doctor = async () => {
      const main = `${directory}/node_modules/fptq/dist/cli/main.js`;
      return JSON.parse(await outputOf(command, [...args, ...more, main, "doctor", "--json"], options)) as DoctorDocument;
    };
    return {
      version: /\d+\.\d+\.\d+/.exec(version)?.[0] ?? version.trim(),
      result: "checks" in result && entry === "package" ? await withDoctor(result, doctor) : result,
    };
  };
}

type DoctorDocument = ReturnType<typeof diagnosisDocument>;

async function withDoctor(result: SuiteResult, doctor: () => Promise<DoctorDocument>): Promise<SuiteResult> {
  const [check, checks] = collector();
  await check("fptq doctor runs, and says the same", async () => {
    const { build, threads, platform } = await doctor();
    equal(build, result.build);
    equal(threads.started, threads.planned);
    equal(platform?.os, process.platform);
  });
  return { ...result, checks: [...result.checks, ...checks] };
}

/** The Node that runs this, which is the oldest one supported where CI runs, and a current one. */
export const node = (entry: Entry): Launcher => launcher(process.execPath, [], entry, () => ({ NODE_OPTIONS: "" }));
export const currentNode = (entry: Entry): Launcher => launcher(installed("node"), [], entry, () => ({ NODE_OPTIONS: "" }));

/**
 * The core may read files, which is how the suite gets its input; the package also counts cores. Neither may
 * use the network.
 */
export function deno(entry: Entry): Launcher {
  const permissions = entry === "core" ? ["--allow-read"] : ["--allow-read", "--allow-sys=cpus"];
  const args = ["run", "--no-prompt", "--no-lock", "--no-remote", "--node-modules-dir=manual", ...permissions];
  const env = (directory: string) => ({ DENO_DIR: `${directory}/deno`, DENO_NO_UPDATE_CHECK: "1" });
  return launcher(installed("deno"), args, entry, env, ["--allow-env"]);
}

export function bun(entry: Entry): Launcher {
  const env = { BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0", DO_NOT_TRACK: "1" };
  return launcher(installed("bun"), ["run", "--no-install"], entry, () => env);
}
