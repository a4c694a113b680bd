/** What each runtime says of itself, against what the suite found out by computing. */
import type { DiagnoseOptions, Diagnosis } from "../../src/core.ts";
import type { BuildName } from "../../src/kernels/kernel-build.ts";
import { assert, type Check, collector, equal } from "./suite.ts";

export interface DiagnosisLibrary {
  diagnose(options: DiagnoseOptions): Promise<Diagnosis>;
}

/**
 * @param build what a load chose
 * @param threads how many computed
 */
export async function diagnosisChecks({ diagnose }: DiagnosisLibrary, build: BuildName, threads: number): Promise<Check[]> {
  const [check, checks] = collector();
  await check("a diagnosis says what a load does: its build, its threads, that memory is there", async () => {
    const found = await diagnose({ threads });
    const detail = JSON.stringify(found);
    equal(found.build, build);
    equal(found.builds[build], "passed");
    equal(found.features.simd, true);
    equal(found.features.relaxedSimd, found.builds.relaxed !== "missing");
    equal(found.threads.started, threads);
    if (threads > 1) equal(found.sharedMemory && found.memoryLimit.sharedBytes >= 2 ** 28, true);
    assert(found.memoryLimit.bytes >= 2 ** 28, detail);
    equal(String(found.speeds.map((speed) => speed.threads)), threads > 1 ? `1,${threads}` : "1");
    for (const { gemmMacsPerSecond, gemvBytesPerSecond } of found.speeds) {
      assert(Number.isFinite(gemmMacsPerSecond) && gemmMacsPerSecond > 1e8, detail);
      assert(Number.isFinite(gemvBytesPerSecond) && gemvBytesPerSecond > 1e7, detail);
    }
  });
  return checks;
}
