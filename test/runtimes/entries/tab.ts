/** One of several tabs of one origin. The test calls what is put on the page's global. */
import { loadModel } from "fptq";
import type { BuildName } from "../../../src/kernels/kernel-build.ts";
import { modelUrl } from "../page-server.ts";
import { hashOf, type ModelName } from "../suite.ts";

export interface TabOutcome {
  readonly hash: string;
  /** What a load chose. */
  readonly build: BuildName;
  readonly warnings: readonly string[];
}

export interface Tab {
  /** Bytes loaded so far. */
  done: number;
  load(model: ModelName, offline: boolean): Promise<TabOutcome>;
}

const tab: Tab = {
  done: 0,
  async load(model, offline) {
    const warnings: string[] = [];
    const options = { threads: 1, contextSize: 64, offline, onWarning: (message: string) => warnings.push(message) };
    let build: BuildName = "simd128";
    const load = async () => {
      const loaded = await loadModel(modelUrl(model), { ...options, onProgress: ({ done }) => (tab.done = done) });
      ({ build } = loaded.forwardPass);
      return loaded;
    };
    return { hash: await hashOf(load, { threads: 1 }), build, warnings };
  },
};
Object.assign(globalThis, { tab });
