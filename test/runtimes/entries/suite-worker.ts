/** The worker of a page in which the model runs. Told a job, it answers with the result. */
import { diagnose, loadModel, MemoryBlockStore } from "fptq";
import { browserBlockStore, cacheApiBlockStore } from "../../../src/host/browser/browser-block-stores.ts";
import { readBy } from "../folders.ts";
import { parseJob, runJob } from "../job.ts";
import { countWorkers, modelUrl } from "../page-server.ts";

async function work(job: string) {
  const privateFiles = await browserBlockStore();
  if (privateFiles?.name !== "this page's private files") throw new Error(`private files: got ${privateFiles?.name}`);
  return runJob(parseJob(job), {
    load: (name, options) => loadModel(modelUrl(name), { ...options, cache: false }),
    open: loadModel,
    diagnose,
    read: readBy(fetch, "/"),
    stores: { "private files": privateFiles, "the Cache API": cacheApiBlockStore(await caches.open("test")) },
    countWorkers,
    MemoryBlockStore,
  });
}

addEventListener("message", async ({ data }: MessageEvent<string>) => {
  const answer = await work(data).then(
    (result) => ({ result }),
    (error: unknown) => ({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
  postMessage(answer);
});
