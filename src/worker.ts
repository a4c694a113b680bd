/**
 * The script of a kernel thread in a page, `fptq/worker`: told once what to work on, it computes until the
 * model is disposed.
 */
import { runBrowserWorker, type ThreadOrder } from "./host/browser/browser-worker.ts";

addEventListener("message", ({ data }: MessageEvent<ThreadOrder>) => runBrowserWorker(data), { once: true });
