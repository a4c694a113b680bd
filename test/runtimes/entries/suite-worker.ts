/** The worker of a page in which the model runs. Told a job, it answers with the result. */
import { diagnose, loadModel, MemoryBlockStore } from "fptq";
import { browserBlockStore, cacheApiBlockStore } from "../../../src/host/browser/browser-block-stores.ts";
import { readBy } from "../folders.ts";
import { parseJob, runJob } from "../job.ts";
import { countWorkers, modelUrl, NO_WORKER } from "../page-server.ts";

async function work(job: string) {
  const privateFiles = await browserBlockStore();
  if (privateFiles?.name !== "this page's private files") throw new Error(`private files: got ${privateFiles?.name}`);
  // A browser that starts no worker cannot show what it computes with several: it is opened again.
  let silent: string | undefined;
  const onWarning = (text: string) => {
    if (text.includes("no answer within")) silent = text;
  };
  const result = await runJob(parseJob(job), {
    load: (name, options) => {
      if (silent !== undefined) throw new Error(silent);
      return loadModel(modelUrl(name), { onWarning, ...options, cache: false });
    },
    open: loadModel,
    diagnose,
    read: readBy(fetch, "/"),
    stores: { "private files": privateFiles, "the Cache API": cacheApiBlockStore(await caches.open("test")) },
    countWorkers,
    MemoryBlockStore,
  });
  if (silent !== undefined) throw new Error(`${NO_WORKER}: ${silent}`);
  return result;
}

addEventListener("message", async ({ data }: MessageEvent<string>) => {
  const answer = await work(data).then(
    (result) => ({ result }),
    (error: unknown) => ({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
  postMessage(answer);
});
