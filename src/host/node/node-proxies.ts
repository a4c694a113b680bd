/** What Node, Deno and Bun make of a proxy in the environment; ways out where the Hub cannot be reached. */

const VARIABLES = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/** The part of `process` that is used. */
export interface Runtime {
  readonly versions: Readonly<Record<string, string | undefined>>;
  readonly execArgv: readonly string[];
}

/**
 * Says that a proxy is set and this runtime's `fetch` does not use it; undefined where none is set, or it is
 * used. Deno and Bun use it always; Node from 22.21 and 24.0 if told to
 * (https://nodejs.org/api/cli.html#node_use_env_proxy1), and not before.
 */
export function proxyAdvice(environment: NodeJS.ProcessEnv, runtime: Runtime = process): string | undefined {
  const name = VARIABLES.find((variable) => environment[variable]);
  if (name === undefined || heedsProxies(environment, runtime)) return undefined;
  const { node = "" } = runtime.versions;
  if (canHeedProxies(node)) return `${name} is set, and Node uses it only with NODE_USE_ENV_PROXY=1`;
  return `${name} is set, and fetch of Node ${node} does not use it: Node 24 does with NODE_USE_ENV_PROXY=1, Deno and Bun always`;
}

/** Ways to a model where the Hub cannot be reached. */
export function hubAdvice(environment: NodeJS.ProcessEnv, runtime: Runtime = process): string {
  const isNode = !heedsProxies({}, runtime);
  const proxy = `, HTTPS_PROXY a proxy${isNode ? " (Node from 22.21, with NODE_USE_ENV_PROXY=1)" : ""}`;
  // The failure itself has named a proxy that is not used.
  const isNamed = proxyAdvice(environment, runtime) !== undefined;
  return `HF_ENDPOINT names a mirror${isNamed ? "" : proxy}, option offline takes what was downloaded before, and a path needs no network`;
}

function heedsProxies({ NODE_USE_ENV_PROXY: use, NODE_OPTIONS: options = "" }: NodeJS.ProcessEnv, runtime: Runtime): boolean {
  const { versions, execArgv } = runtime;
  if (versions["deno"] !== undefined || versions["bun"] !== undefined) return true;
  const told = use === "1" || [...execArgv, ...options.split(" ")].includes("--use-env-proxy");
  return told && canHeedProxies(versions["node"] ?? "");
}

function canHeedProxies(node: string): boolean {
  const [major = 0, minor = 0] = node.split(".").map(Number);
  return major >= 24 || (major === 22 && minor >= 21);
}
