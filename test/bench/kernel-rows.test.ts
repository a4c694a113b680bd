/** Every kernel of the table has a benchmark row, and every row is a kernel's. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { allRows } from "../../bench/all-rows.ts";
import { type KernelName, KERNELS } from "../../src/kernels/kernel-table.ts";

const test = suite("benchmark rows");

/** Why a kernel has none. */
const TWIN = "shares its loops with a kernel that has one";
const UNROWED: Partial<Record<KernelName, string>> = {
  rope_pairs_f32: TWIN,
  rope_frequencies_f32: "runs once a model, over half a head",
  log_f64: "runs a few times a model",
  power_f64: "runs once a model",
  embed_f32w: "copies one row a token",
  embed_qc8w: "copies one row a token",
  append_k_f32: "copies one row a token",
  append_v_f32: "copies one row a token",
  geglu_tanh_f32_qd8: "geglu_tanh_f32, then what swiglu_f32_qd8 does",
  attention_f32_kf32_vf32: TWIN,
  attention_f32_kqs8_vf32: TWIN,
  attention_f32_kf32_vqs8: TWIN,
  attention_f32_kqd8_vf32: TWIN,
  attention_f32_kf32_vqd8: TWIN,
  attention_f32_kqd8_vqs8: TWIN,
  attention_f32_kqs8_vqd8: TWIN,
};
const computesSize = (name: KernelName) => "returns" in KERNELS[name] && KERNELS[name].returns === "bytes";

const rowed = new Set((await allRows()).map(({ name }) => name.split(" ")[0]!));
const kernels = Object.keys(KERNELS) as KernelName[];

test("rows begin with the name of a kernel", () => {
  assert.ok(rowed.size > 30, `${rowed.size} kernels have rows`);
  assert.equal([...rowed].filter((name) => !(name in KERNELS)), []); // prettier-ignore
});

test("kernels have rows, all but sizes and those with a reason", () => {
  const without = kernels.filter((name) => !rowed.has(name) && !computesSize(name));
  assert.equal(without.toSorted(), Object.keys(UNROWED).toSorted(), "no row; or a row, and still on the list");
});

test.run();
