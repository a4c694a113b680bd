/** One of several tabs of one origin. The test calls what is put on the page's global. */
import { loadModel } from "fptq";
import { modelUrl } from "../page-server.ts";
import { hashOf, type ModelName } from "../suite.ts";

export interface TabOutcome {
  readonly hash: string;
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
    const load = () => loadModel(modelUrl(model), { ...options, onProgress: ({ done }) => (tab.done = done) });
    return { hash: await hashOf(load, { threads: 1 }), warnings };
  },
};
Object.assign(globalThis, { tab });
