/** Reading integers of modules that nobody has looked at before. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { TensorType } from "../../../src/checkpoint/checkpoint.ts";
import { IntegerModules } from "../../../src/checkpoint/quantization/integer-modules.ts";
import type { IntegerScheme } from "../../../src/checkpoint/quantization/integer-scheme.ts";
import { UnsupportedModelError } from "../../../src/errors.ts";

const test = suite("integer modules");

const [N, K] = [2, 8];
const scheme: IntegerScheme = {
  layout: "int8", bits: 8, groupSize: "channel", symmetric: true, anyOrder: false, zeroOffset: 0, activations: { kind: "none" },
}; // prettier-ignore

/** Rows of ones, whose scales are zeros of a type. */
function modulesWith(type: TensorType) {
  const tensor = (name: string, of: TensorType, shape: number[], bytes: number) => ({
    name,
    type: of,
    shape,
    bytes,
    file: "m.st",
  });
  const codes = tensor("a.weight", "I8", [N, K], N * K);
  const scales = tensor("a.weight_scale", type, [N, 1], 8 * N);
  const module = {
    name: "a",
    scheme,
    N,
    K,
    G: K,
    codes,
    scales,
    zeros: undefined,
    groupIndex: undefined,
    tensors: [codes, scales],
  };
  const read = (name: string) =>
    Promise.resolve(new Uint8Array(name === codes.name ? N * K : 8 * N).fill(name === codes.name ? 1 : 0));
  return { modules: new IntegerModules([module], read), module };
}

test("scales of a type that is no float of a known size are refused by name, not read as another", async () => {
  for (const type of ["F64", "I16", "U8"] as const) {
    const { modules, module } = modulesWith(type);
    const error = await modules.readF32(module).catch((reason: unknown) => reason);
    assert.instance(error, UnsupportedModelError, String(error));
    assert.is((error as Error).message, `m.st: tensor a.weight_scale: got ${type} scales, need F32, F16 or BF16`);
  }
});

for (const type of ["F32", "F16", "BF16"] as const) {
  test(`scales of ${type} are read`, async () => {
    const { modules, module } = modulesWith(type);
    assert.equal(await modules.readF32(module), new Float32Array(N * K));
  });
}

test.run();
