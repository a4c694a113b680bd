import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { writeQ4_0 } from "../../bench/peers/q4-0.ts";
import { dequantize } from "../../src/checkpoint/gguf/ggml-dequantize.ts";
import { readGguf } from "../../src/checkpoint/gguf/gguf.ts";
import { openGgufCheckpoint } from "../../src/checkpoint/gguf/gguf-checkpoint.ts";
import { openFile } from "../../src/host/node/node-files.ts";
import { buildGguf } from "../checkpoint/gguf/gguf-fixture.ts";
import { tinyGguf } from "../checkpoint/gguf/tiny-gguf.ts";

const SEED = 17;
const test = suite(`a GGUF as Q4_0 (seed ${SEED})`);
const folder = mkdtempSync(join(tmpdir(), "fptq-q4-0-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const [source, target] = [join(folder, "source.gguf"), join(folder, "target.gguf")];
const { fixture } = tinyGguf({ architecture: "llama", type: "Q4_1", seed: SEED });
writeFileSync(source, buildGguf(fixture).bytes);
await writeQ4_0(source, target);

test("Q4_1 tensors become Q4_0, all else stays as it is", async () => {
  const [before, after] = [await openFile(source), await openFile(target)];
  const [old, converted] = [await readGguf(before), await readGguf(after)];
  assert.equal([...converted.metadata.keys()], [...old.metadata.keys()]);
  assert.equal([...converted.tensors.keys()], [...old.tensors.keys()]);
  const types = new Set<string>();
  for (const [name, was] of old.tensors) {
    const is = converted.tensors.get(name)!;
    types.add(was.type.name);
    assert.equal(is.dims, was.dims);
    if (was.type.name !== "Q4_1") {
      assert.is(is.type.name, was.type.name);
      assert.equal(await after.read(is.offset, is.bytes), await before.read(was.offset, was.bytes), name);
      continue;
    }
    assert.is(is.type.name, "Q4_0");
    const values = (bytes: Uint8Array, type: "Q4_0" | "Q4_1") => {
      const out = new Float32Array(was.dims.reduce((product, size) => product * size, 1));
      dequantize(type, bytes, out);
      return out;
    };
    const x = values(await before.read(was.offset, was.bytes), "Q4_1");
    const y = values(await after.read(is.offset, is.bytes), "Q4_0");
    for (let block = 0; block < x.length; block += 32) {
      const extreme = Math.max(...x.subarray(block, block + 32).map(Math.abs));
      // Half a step of extreme / 8 within -8..7; a value of the other sign near 8 steps is cut to 7, a whole
      // step. A float16 scale moves eight steps by at most 8 * 2^-11 of one, if it is not subnormal.
      const limit = (extreme / 8) * (1 + 8 * 2 ** -11) + 8 * 2 ** -25;
      for (let i = block; i < block + 32; i++) {
        assert.ok(Math.abs(x[i]! - y[i]!) <= limit, `${name}[${i}]: ${x[i]} became ${y[i]}, largest ${extreme}`);
      }
    }
  }
  assert.ok(types.has("Q4_1") && types.has("F32"));
  await before.close();
  await after.close();
});

test("the model can be opened, and is no larger", async () => {
  const file = await openFile(target);
  const checkpoint = await openGgufCheckpoint(file);
  assert.ok(checkpoint.tensors.size > 0);
  await checkpoint.close();
  assert.ok(readFileSync(target).length < readFileSync(source).length);
});

test.run();
