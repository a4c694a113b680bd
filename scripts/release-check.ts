/**
 * Everything short of publishing: what has to be filled in, that it builds, what others see of it, and that
 * it installs and runs where nothing else is.
 *
 *     npm run release:check -- [--only WORD ...] [--list]       steps whose name contains a WORD
 *
 * All steps run, whatever fails before. Ends with 1 if one failed.
 */
import { parseArgs } from "node:util";
import { RELEASE_STEPS } from "./package/release-steps.ts";

const { values: flags } = parseArgs({
  options: { only: { type: "string", multiple: true }, list: { type: "boolean", default: false } },
});
const steps = RELEASE_STEPS.filter(({ name }) => !flags.only || flags.only.some((word) => name.includes(word)));
if (steps.length === 0) throw new Error(`--only: got ${flags.only!.join(", ")}, need a word of a step; --list shows them`);

const indent = (text: string) => text.replaceAll(/^/gm, "     ");
let failed = 0;
for (const { name, run } of flags.list ? [] : steps) {
  const began = performance.now();
  const took = () => `(${((performance.now() - began) / 1000).toFixed(1)} s)`;
  try {
    const note = await run();
    console.log(`ok   ${name}  ${took()}${note ? `\n${indent(note)}` : ""}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}  ${took()}\n${indent(error instanceof Error ? error.message : String(error))}`);
  }
}
if (flags.list) for (const { name } of steps) console.log(name);
else console.log(`${steps.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
