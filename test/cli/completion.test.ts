/** Completion as shells do it: each script is read by its shell, which is asked what it would offer. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { completedCommands } from "../../src/cli/completion/completion-words.ts";
import type { CommandContext } from "../../src/cli/command-context.ts";
import { createOutput } from "../../src/cli/output.ts";
import { createProgram } from "../../src/cli/program.ts";
import { RECIPE_NAMES } from "../../src/quantizer/recipe/recipe-presets.ts";
import { runCli, TextSink } from "./command-harness.ts";

const test = suite("completion");
const folder = mkdtempSync(join(tmpdir(), "fptq-completion-"));
mkdirSync(join(folder, "a model"));
mkdirSync(join(folder, "models"));
writeFileSync(join(folder, "model.gguf"), "");
test.after(() => rmSync(folder, { recursive: true }));

/** Prints what a shell offers for the last of the words. */
type Ask = (script: string, words: readonly string[]) => { readonly command: string; readonly args: readonly string[] };
const ASK: Record<"bash" | "fish", Ask> = {
  bash: (script, words) => {
    const program = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _fptq; printf "%s\\n" "${COMPREPLY[@]}"';
    return { command: "bash", args: ["--norc", "-c", program, "bash", script, ...words] };
  },
  fish: (script, words) => ({
    command: "fish",
    args: ["--no-config", "-c", "source $argv[1]; complete -C $argv[2]", script, words.join(" ")],
  }),
};
async function offered(shell: keyof typeof ASK, words: readonly string[]): Promise<string[]> {
  const script = join(folder, `script.${shell}`);
  const { stdout } = await runCli(["completion", shell]);
  writeFileSync(script, stdout);
  const { command, args } = ASK[shell](script, words);
  const result = spawnSync(command, args, {
    cwd: folder,
    encoding: "utf8",
    timeout: 20_000,
  });
  assert.is(result.stderr, "", shell);
  // fish gives a description behind a tab.
  return result.stdout.split("\n").flatMap((line) => (line === "" ? [] : [line.split("\t")[0]!])).toSorted(); // prettier-ignore
}

for (const shell of ["bash", "fish"] as const) {
  const isThere = spawnSync(shell, ["-c", "exit 0"]).status === 0;
  if (!isThere) console.log(`skip: completion in ${shell}, which is not installed`);
  if (!isThere) continue;
  test(`${shell} offers commands, options, their choices, files and folders`, async () => {
    assert.equal(await offered(shell, ["fptq", "qu"]), ["quantize"]);
    assert.equal(await offered(shell, ["fptq", "quantize", "--rec"]), ["--recipe"]);
    assert.equal(await offered(shell, ["fptq", "quantize", "--recipe", "fptq-"]), RECIPE_NAMES.filter((name) => name.startsWith("fptq-")).toSorted()); // prettier-ignore
    assert.equal(await offered(shell, ["fptq", "run", "--build", "relaxed-i"]), ["relaxed-i16"]);
    const paths = (await offered(shell, ["fptq", "inspect", "mod"])).map((path) => path.replace(/\/$/, ""));
    assert.equal(paths, ["model.gguf", "models"]);
    const folders = (await offered(shell, ["fptq", "quantize", "-o", "mod"])).map((path) => path.replace(/\/$/, ""));
    assert.equal(folders, ["models"]);
  });
}

// What zsh offers can only be asked at a terminal; here it reads the script.
if (spawnSync("zsh", ["-c", "exit 0"]).status !== 0) console.log("skip: completion in zsh, which is not installed");
else {
  test("zsh reads its script, and takes it for fptq", async () => {
    const program = 'autoload -Uz compinit; compinit -D -u; eval "$1"; print -r -- ${_comps[fptq]}';
    const { stdout } = await runCli(["completion", "zsh"]);
    const result = spawnSync("zsh", ["-f", "-c", program, "zsh", stdout], { encoding: "utf8", timeout: 20_000 });
    assert.equal([result.stdout, result.stderr], ["_fptq\n", ""]);
  });
}

test("llama.cpp's short names are options of one dash", async () => {
  assert.equal(await offered("bash", ["fptq", "run", "-ct"]), ["-ctk", "-ctv"]);
  assert.equal(await offered("bash", ["fptq", "run", "-ctk", "q8"]), ["q8", "q8t"]);
});

test("every option of every command is known, and every choice that its help shows", () => {
  const program = createProgram({ output: createOutput(new TextSink(), new TextSink(), {}) } as CommandContext, "1.2.3");
  const completed = completedCommands(program);
  for (const command of program.commands) {
    const found = completed.find(({ name }) => name === command.name())!;
    for (const { long, flags } of command.options) {
      const option = found.options.find(({ names }) => names.includes(long!));
      assert.ok(option, `${command.name()} ${long}`);
      const shown = /<([\w.-]+(?:\|[\w.-]+)+)>/.exec(flags)?.[1]?.split("|");
      if (shown) assert.equal(option.value, { kind: "words", words: shown }, `${command.name()} ${long}`);
    }
  }
});

test("another shell is exit 2, with the three that are known", async () => {
  const { code, stderr } = await runCli(["completion", "fsh"]);
  assert.is(code, 2);
  assert.match(stderr, /Allowed choices are bash, zsh, fish\./);
});

test.run();
