/** The machine-independent code of the shipped build: what an optimizer lost or a refactoring cost shows here, without a clock. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const root = fileURLToPath(new URL("../..", import.meta.url));
const test = suite("codegen of the float kernels");

/** Body of each exported function, one instruction a line, indented by depth. */
function disassemble(): Map<string, string[]> {
  const args = ["node_modules/binaryen/bin/wasm-dis", "--enable-simd", "dist/wasm/fptq-simd128.wasm"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 });
  assert.is(status, 0, stderr);
  const exported = new Map(Array.from(stdout.matchAll(/\(export "(\w+)" \(func (\$\S+?)\)\)/g), ([, name, id]) => [id!, name!]));
  const bodies = new Map<string, string[]>();
  for (const text of stdout.split(/\n (?=\(func )/).slice(1)) {
    const name = exported.get(/^\(func (\$\S+)/.exec(text)![1]!);
    if (name) bodies.set(name, text.split("\n"));
  }
  return bodies;
}

const indent = (line: string) => line.length - line.trimStart().length;

/** The loops of a function that contain no other loop, each as its lines. */
function innermostLoops(body: string[]): string[][] {
  const loops: string[][] = [];
  body.forEach((line, start) => {
    if (!/^\(loop\b/.test(line.trimStart())) return;
    const length = body.slice(start + 1).findIndex((next) => indent(next) <= indent(line));
    const loop = body.slice(start, start + 1 + length);
    if (!loop.slice(1).some((inner) => inner.includes("(loop"))) loops.push(loop);
  });
  return loops;
}

const bodies = disassemble();
const count = (lines: string[], instruction: string) =>
  lines.filter((line) => line.trimStart().startsWith(`(${instruction}`)).length;

for (const kernel of [
  "pack_f32w",
  "embed_f32w",
  "embed_qc8w",
  "rmsnorm_f32",
  "rmsnorm_heads_f32",
  "rope_table_f32",
  "rope_f32",
  "swiglu_f32",
  "add_f32",
  "gemm_f32_f32_f32w_4x8c1",
  "first_nonfinite_f32",
  "argmax_f32",
  "softmax_f32",
  "cross_entropy_f32",
  "observe_f32",
]) {
  test(`${kernel}: no call and no global in its innermost loops`, () => {
    const loops = innermostLoops(bodies.get(kernel)!);
    assert.ok(loops.length > 0);
    for (const loop of loops) assert.is(count(loop, "call") + count(loop, "global."), 0, loop.join("\n"));
  });
}

test("gemm_f32_f32_f32w_4x8c1: a step of k takes two loads of weights, and for each row one broadcast, two products and two sums", () => {
  const loops = innermostLoops(bodies.get("gemm_f32_f32_f32w_4x8c1")!).filter((loop) => count(loop, "f32x4.mul") > 0);
  const steps = loops.map((loop) => [
    count(loop, "v128.load") - count(loop, "v128.load32_splat"),
    count(loop, "v128.load32_splat"),
    count(loop, "f32x4.mul"),
    count(loop, "f32x4.add"),
  ]);
  const rows = [1, 2, 3, 4].map((MR) => [2, MR, 2 * MR, 2 * MR]);
  const oneRowFourPanels = [8, 1, 8, 8];
  assert.equal(steps.map(String).toSorted(), [...rows, oneRowFourPanels].map(String).toSorted());
});

test.run();
