/**
 * A worker of a page that loads the model at the URL it is told in unusual ways. Answers with hashes and
 * checks.
 */
import { loadModel } from "fptq";
import { type Check, collector, hashOf, type LogitsHash, rejects } from "../suite.ts";

const uncached = { cache: false } as const;

async function work(url: string): Promise<{ logits: LogitsHash[]; checks: Check[] }> {
  const [check, checks] = collector();
  const logits: LogitsHash[] = [];
  await check("with a worker and kernels from where the page says", async () => {
    const kernels = {
      simd128: "/untyped/wasm/fptq-simd128.wasm",
      relaxed: new URL("/untyped/wasm/fptq-relaxed.wasm", location.href),
    };
    const worker = () => new Worker("/worker.js", { type: "module" });
    const model = await loadModel(url, { ...uncached, threads: 2, kernels, worker });
    const { build } = model.forwardPass;
    logits.push({ model: "w4a8", build, threads: 2, hash: await hashOf(() => Promise.resolve(model), { threads: 2 }) });
  });
  await check("kernels that are not there are a CapabilityError that names them", () => {
    return rejects(loadModel(url, { ...uncached, kernels: { simd128: "/none.wasm" } }), "CapabilityError", /none\.wasm.*404/);
  });
  await check("a model that is disposed has no worker left", async () => {
    const model = await loadModel(url, { ...uncached, threads: 3 });
    const locks = async () => (await navigator.locks.query()).held!.length;
    const before = await locks();
    await model.dispose();
    const left = [before, await locks()];
    if (left.join() !== "2,0") throw new Error(`workers before and after: ${left.join()}`);
  });
  await check("a worker that never answers is one warning and a thread less, and not waited for without end", async () => {
    const worker = () => {
      const ended = new Worker("/worker.js", { type: "module" });
      ended.terminate();
      return ended;
    };
    const warnings: string[] = [];
    const options = {
      ...uncached,
      threads: 2,
      worker,
      onWarning: (text: string) => warnings.push(text),
    };
    const model = await loadModel(url, options);
    const told = warnings.filter((text) =>
      text.startsWith("threads: 1 used, others did not start: worker 1: no answer within 10 s"),
    );
    if (told.length !== 1) throw new Error(`warnings: ${warnings.join("; ")}`);
    const { build } = model.forwardPass;
    logits.push({ model: "w4a8", build, threads: 1, hash: await hashOf(() => Promise.resolve(model), { threads: 1 }) });
  });
  // Firefox 153 often starts no worker at all after one whose script could not be loaded: not there.
  const unreachable = navigator.userAgent.includes("Firefox") ? [] : ["/none.js", "https://fptq.invalid/worker.js"];
  for (const worker of unreachable) {
    await check(`a worker from ${worker} is a CapabilityError, and nothing waits for it`, () => {
      return rejects(loadModel(url, { ...uncached, threads: 2, worker }), "CapabilityError", /one did not start/);
    });
  }
  return { logits, checks };
}

addEventListener("message", async ({ data }: MessageEvent<string>) => {
  const answer = await work(data).then(
    (result) => ({ result }),
    (error: unknown) => ({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
  postMessage(answer);
});
