/**
 * Checks what a user installs with the package, or gets as a part of it: licences, signatures of the
 * registry, known vulnerabilities.
 *
 *     npm run audit -- [--json] [--offline]       --offline: licences only
 *
 * Ends with 1 if something is wrong, with 2 if nothing is wrong but something could not be checked.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { licenceFailures, productionPackages } from "./audit/licences.ts";
import { type CheckResult, npmAudit, readAdvisories, readSignatures } from "./audit/registry.ts";

const { values: flags } = parseArgs({
  options: { json: { type: "boolean", default: false }, offline: { type: "boolean", default: false } },
});
const root = fileURLToPath(new URL("..", import.meta.url));

const packages = productionPackages(root);
const failures = licenceFailures(packages);
const results: CheckResult[] = [
  { check: `licences of ${packages.length} packages`, state: failures.length > 0 ? "failed" : "passed", details: failures },
];
if (!flags.offline) {
  results.push(readSignatures(npmAudit(["signatures"], root)));
  const names = packages.map(({ name }) => name);
  results.push(readAdvisories(npmAudit([], root), names));
}
if (flags.json) console.log(JSON.stringify(results, null, 2));
else for (const { check, state, details } of results) console.log([`${check}: ${state}`, ...details].join("\n  "));

const states = new Set(results.map(({ state }) => state));
process.exitCode = states.has("failed") ? 1 : states.has("unavailable") ? 2 : 0;
