/** What `model.memory()` says of JavaScript's heap, beside what V8 says. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sharedData, SMOLLM2 } from "../shared-data.ts";

const test = suite("JavaScript memory");

test("the estimate of SmolLM2's tokenizer is within a quarter of what V8 counts", () => {
  const path = sharedData(SMOLLM2);
  if (path === undefined) return;
  const script = fileURLToPath(new URL("./tokenizer-heap.ts", import.meta.url));
  const output = execFileSync(process.execPath, ["--expose-gc", "--import", "tsx", script, path], { encoding: "utf8" });
  const { estimated, counted } = JSON.parse(output) as { estimated: number; counted: number };
  console.log(`figure: tokenizer of SmolLM2: ${estimated} bytes estimated, ${counted} counted, Node ${process.versions.node}`);
  assert.ok(counted > 2 ** 20 && Math.abs(estimated - counted) < counted / 4, output);
});

test.run();
