/** The script from end to end, on a tiny model. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { OPENINGS } from "../../scripts/calibration-text/openings.ts";
import { mulberry32 } from "../random.ts";
import { tinyModel } from "../tiny-model.ts";

const test = suite("calibration text (seed 83)");
const folder = mkdtempSync(join(tmpdir(), "fptq-calibration-text-"));
test.after(() => rmSync(folder, { recursive: true }));

const random = mulberry32(83);
const text = Array.from({ length: 400 }, () => "abcdefgh".slice(Math.floor(random() * 7))).join(" ");
writeFileSync(join(folder, "text.txt"), text);
mkdirSync(join(folder, "model"));
for (const [name, { bytes }] of tinyModel(83).files) writeFileSync(join(folder, "model", name), bytes);

function run(...args: string[]) {
  const script = fileURLToPath(new URL("../../scripts/calibration-text.ts", import.meta.url));
  return spawnSync(process.execPath, ["--import", "tsx", script, ...args], { encoding: "utf8" });
}

test("pieces of the text and passages of the model by turns, the same every time", () => {
  const write = (name: string, threads: number) => {
    const words = { model: "model", text: "text.txt", output: name };
    const paths = Object.entries(words).flatMap(([option, file]) => [`--${option}`, join(folder, file)]);
    const { status, stderr } = run(...paths, "--passages", "3", "--tokens", "20", "--context", "250", "--threads", `${threads}`);
    assert.is(status, 0, stderr);
    return readFileSync(join(folder, name), "utf8");
  };
  const first = write("one.jsonl", 1);
  const lines = first.trimEnd().split("\n").map((line) => (JSON.parse(line) as { text: string }).text); // prettier-ignore
  assert.is(lines.length, 6);
  assert.ok(text.startsWith(lines[0]! + lines[2]! + lines[4]!));
  for (const [i, passage] of [lines[1]!, lines[3]!, lines[5]!].entries()) {
    assert.ok(passage.startsWith(OPENINGS[i]!));
    assert.ok(passage.length > OPENINGS[i]!.length);
  }
  assert.is(write("two.jsonl", 2), first);
});

test("what is missing is named", () => {
  assert.match(run("-m", join(folder, "model")).stderr, /--output: got none, need a file to write/);
  const { status, stderr } = run("-m", join(folder, "model"), "--text", join(folder, "text.txt"), "-o", join(folder, "no"), "--tokens", "90", "--context", "250"); // prettier-ignore
  assert.is(status, 1);
  assert.match(stderr, /--text: \d+ tokens, need 6480/);
});

test("openings are different from each other", () => assert.is(new Set(OPENINGS).size, OPENINGS.length));

test.run();
