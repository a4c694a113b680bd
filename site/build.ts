/**
 * Builds the site into `build/site/html`: the reference by TypeDoc, all pages by VitePress; then checks it.
 *
 *     npm run docs -- [--base /fptq/] [--repository ADDRESS] [--serve] [--port 5173]
 *
 * --base: path below which the site will lie. --repository: where links to files that are no pages lead, such
 * as https://HOST/OWNER/fptq/blob/main/; without one, and without one in package.json, they are no links.
 * --serve: serves what was built.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { checkSite } from "./check.ts";
import { root } from "./pages.ts";

const { values: flags } = parseArgs({
  options: {
    base: { type: "string", default: "/" },
    repository: { type: "string" },
    serve: { type: "boolean", default: false },
    port: { type: "string", default: "5173" },
  },
});
if (!/^\/([\w.-]+\/)*$/.test(flags.base)) throw new Error(`--base: got ${flags.base}, need a path between slashes, as /fptq/`);
const site = fileURLToPath(new URL(".", import.meta.url));
const port = Number(flags.port);

/** Runs a program of the site's own packages, and ends where it fails. */
function run(script: string, ...words: string[]): void {
  const { status } = spawnSync(process.execPath, [`${site}node_modules/${script}`, ...words], { cwd: site, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

run("typescript/bin/tsc", "-p", ".");
run("typedoc/bin/typedoc");

// Read by the configuration, which VitePress imports by itself.
process.env["FPTQ_SITE_BASE"] = flags.base;
if (flags.repository !== undefined) process.env["FPTQ_REPOSITORY"] = flags.repository;
const { build, serve } = await import("vitepress");
await build(site);
checkSite(`${root}build/site/html`, flags.base);
if (flags.serve) await serve({ root: site, base: flags.base, port });
