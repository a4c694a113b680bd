/**
 * The examples with a page, started by the commands of their READMEs and used in Chromium. Needs
 * `npm run build` before.
 *
 *   npm run test:examples [-- page|vite-react|next|electron ...]     pictures go to build/examples/
 *
 * They need Chromium; where it is missing they are skipped, but with FPTQ_REQUIRE_DATA set that is a failure.
 */
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Checks } from "../checks.ts";
import { electronChecks } from "./electron.ts";
import { nextChecks } from "./next.ts";
import { pageChecks } from "./page.ts";
import { viteReactChecks } from "./vite-react.ts";

mkdirSync(fileURLToPath(new URL("../../build/examples", import.meta.url)), { recursive: true });
const all = { page: pageChecks, "vite-react": viteReactChecks, next: nextChecks, electron: electronChecks };
const chosen = process.argv.slice(2);
const checks = new Checks();
for (const [name, run] of Object.entries(all)) if (chosen.length === 0 || chosen.includes(name)) await run(checks);
checks.end();
