/** Help fits the terminal, and loses nothing on the way. */
import { execFileSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fitHelp } from "../../src/cli/help.ts";
import { createProgram } from "../../src/cli/program.ts";
import type { CommandContext } from "../../src/cli/command-context.ts";
import { createOutput } from "../../src/cli/output.ts";
import { runCli, TextSink } from "./command-harness.ts";

const test = suite("help");

const output = createOutput(new TextSink(), new TextSink(), {});
const names = createProgram({ output } as CommandContext, "1.2.3").commands.map((command) => command.name());
const helpOf = async (words: readonly string[], columns?: number) =>
  (await runCli([...words, "--help"], { ...(columns && { columns }) })).stdout;
/** Without what tells one width from another. */
const wordsOf = (text: string) => text.replaceAll(/\\\n/g, " ").split(/[\s|]+/).filter((word) => word !== "" && word !== "#").toSorted(); // prettier-ignore

for (const columns of [40, 60, 80, 120, 200]) {
  test(`every command's help stays within ${columns} columns`, async () => {
    for (const name of ["", ...names]) {
      const words = name === "" ? [] : [name];
      const text = await helpOf(words, columns);
      // A word that is longer than the line stays whole: an address, a name of a file, JSON in quotes.
      const long = text
        .split("\n")
        .filter((line) => line.length > columns && !/^ *(-\w+,? )*('[^']*'|"[^"]*"|\S)+( \\)?$/.test(line));
      assert.equal(long, [], `${name} at ${columns}`);
      assert.equal(wordsOf(text), wordsOf(await helpOf(words, 1000)), `${name} at ${columns} and at 1000`);
    }
  });
}

test("what is no terminal has 80 columns", async () => {
  assert.is(await helpOf(["quantize"]), await helpOf(["quantize"], 80));
});

test("an example that is broken means the same to a shell", () => {
  const command = `printf '%s.' run -m "a model" -j '{"type": "object"}' --temp 0 and so on`;
  const fitted = fitHelp(`  ${command}`, 40);
  assert.ok(fitted.includes(" \\\n"));
  assert.is(execFileSync("sh", ["-c", fitted], { encoding: "utf8" }), execFileSync("sh", ["-c", command], { encoding: "utf8" }));
});

test("below the options prose is filled, lists keep their second column, and comments go above", () => {
  const text =
    "One two three\nfour five.\n\nExamples:\n  fptq run -m SmolLM2 -p word   # why it is\n  /a   what it does, at length";
  assert.is(
    fitHelp(text, 24),
    [
      "One two three four five.",
      "",
      "Examples:",
      "  # why it is",
      "  fptq run -m SmolLM2 \\",
      "      -p word",
      "  /a   what it does, at",
      "       length",
    ].join("\n"),
  );
});

test.run();
