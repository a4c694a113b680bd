/** Kernels given by the caller: each file by its name, and what is missing is named with the file to pass. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSafetensorsCheckpoint } from "../../src/checkpoint/safetensors/safetensors-checkpoint.ts";
import { CapabilityError } from "../../src/errors.ts";
import type { Host } from "../../src/host/host.ts";
import { withGivenKernels } from "../../src/host/host-options.ts";
import { nodeHost } from "../../src/host/node.ts";
import type { KernelFile } from "../../src/kernels/kernel-build.ts";
import { calibrate } from "../../src/quantizer/calibrate/calibrate.ts";
import { Transformer } from "../../src/model/transformer.ts";
import { tinyModel } from "../tiny-model.ts";

const SEED = 47;
const test = suite(`given kernels (seed ${SEED})`);
const compiled = (file: KernelFile) =>
  new WebAssembly.Module(readFileSync(new URL(`../../dist/wasm/fptq-${file}.wasm`, import.meta.url)));
const [simd128, quantizer] = [compiled("simd128"), compiled("quantizer")];
const checkpoint = await openSafetensorsCheckpoint(tinyModel(SEED));
test.after(() => checkpoint.close());

const SAMPLES = [Int32Array.of(3, 1, 4, 1, 5, 9, 2, 6)];
const calibrateBy = (host: Host) => calibrate(checkpoint, SAMPLES, { host, threads: 1 });
const failure = (work: Promise<unknown>) => work.then(() => assert.unreachable("no error"), (error: Error) => error) as Promise<Error>; // prettier-ignore

test("a model runs without the quantizer's module", async () => {
  const model = await Transformer.load(checkpoint, withGivenKernels(nodeHost, { kernels: { simd128 } }), { threads: 1 });
  assert.ok((await model.forward(SAMPLES[0]!, { logits: "last" }))!.every(Number.isFinite));
  await model.dispose();
});

test("calibration needs it, says so, and takes it", async () => {
  const error = await failure(calibrateBy(withGivenKernels(nodeHost, { kernels: { simd128 } })));
  assert.instance(error, CapabilityError);
  assert.match(error.message, 'kernels: got simd128, need "quantizer", fptq/wasm/fptq-quantizer.wasm, as a WebAssembly.Module');
  const stats = await calibrateBy(withGivenKernels(nodeHost, { kernels: { simd128, quantizer } }));
  assert.equal(stats, await calibrateBy(nodeHost));
});

test("a module that is another than its name says is refused by the first kernel it lacks", async () => {
  const error = await failure(calibrateBy(withGivenKernels(nodeHost, { kernels: { simd128, quantizer: simd128 } })));
  assert.instance(error, CapabilityError);
  assert.match(error.message, "kernels: the modules given do not export observe_f32; need fptq/wasm/fptq-quantizer.wasm");
});

test.run();
