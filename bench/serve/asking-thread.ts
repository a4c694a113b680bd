/** A client in a thread: asks what it is told to, and says when each part of the answer came. */
import { parentPort } from "node:worker_threads";
import { ask, type CompletionRequest } from "./ask.ts";

parentPort!.on("message", ({ origin, request }: { readonly origin: string; readonly request: CompletionRequest }) => {
  void ask(origin, request).then((answer) => parentPort!.postMessage(answer));
});
