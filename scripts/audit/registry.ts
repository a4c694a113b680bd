/** What `npm audit` says, told apart from that it could say nothing. */
import { spawnSync } from "node:child_process";

export interface CheckResult {
  readonly check: string;
  /** "unavailable": nothing was checked, which is no pass. */
  readonly state: "passed" | "failed" | "unavailable";
  readonly details: readonly string[];
}

const SECONDS = 120;
const MOST_LINES = 5;

/** Runs `npm audit` with some arguments; asks once, and not for long. */
export function npmAudit(args: readonly string[], root: string): { stdout: string; stderr: string } {
  const words = ["audit", ...args, "--json", "--fetch-retries=0", "--fetch-timeout=20000"];
  const { stdout, stderr, error } = spawnSync("npm", words, {
    cwd: root,
    encoding: "utf8",
    timeout: SECONDS * 1000,
    maxBuffer: 1 << 26,
    shell: process.platform === "win32",
  });
  return { stdout: stdout ?? "", stderr: `${error?.message ?? ""}${stderr ?? ""}` };
}

interface Signatures {
  readonly invalid?: readonly { readonly name: string; readonly version: string }[];
  readonly missing?: readonly { readonly name: string; readonly version: string }[];
}

/** Reads `npm audit signatures --json`: what the registry signed is what is installed. */
export function readSignatures(answer: { stdout: string; stderr: string }): CheckResult {
  const check = "signatures of the registry";
  const { invalid, missing } = (jsonOf(answer.stdout) ?? {}) as Signatures;
  if (!Array.isArray(invalid) || !Array.isArray(missing)) return unavailable(check, answer, "the registry offers no signatures, or does not answer");
  const details = [
    ...invalid.map(({ name, version }) => `${name} ${version}: got another signature, need the registry's`),
    ...missing.map(({ name, version }) => `${name} ${version}: got no signature, need the registry's`),
  ];
  return { check, state: details.length > 0 ? "failed" : "passed", details };
} // prettier-ignore

interface Advisories {
  readonly vulnerabilities?: Readonly<Record<string, { readonly severity?: string; readonly range?: string }>>;
}

/**
 * Reads `npm audit --json`: known vulnerabilities of what users get.
 *
 * @param names the packages that count; others are for development
 */
export function readAdvisories(answer: { stdout: string; stderr: string }, names: readonly string[]): CheckResult {
  const check = "known vulnerabilities";
  const { vulnerabilities } = (jsonOf(answer.stdout) ?? {}) as Advisories;
  if (typeof vulnerabilities !== "object") return unavailable(check, answer, "the registry has no list of them, or does not answer");
  const details = Object.entries(vulnerabilities)
    .filter(([name]) => names.includes(name))
    .map(([name, { severity, range }]) => `${name} ${range}: ${severity}`);
  return { check, state: details.length > 0 ? "failed" : "passed", details };
} // prettier-ignore

function unavailable(check: string, { stdout, stderr }: { stdout: string; stderr: string }, why: string): CheckResult {
  const { error } = (jsonOf(stdout) ?? {}) as { error?: { summary?: string; code?: string } };
  const said = [error?.code, error?.summary, ...stderr.split("\n")].filter((line) => line?.trim()).map((line) => line!.trim());
  return { check, state: "unavailable", details: [`${why}; npm says:`, ...said.slice(0, MOST_LINES)] };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
