/** Compiling kernels before anybody knows what for. */
import type { Host } from "../host/host.ts";
import { chooseKernels } from "../kernels/choose-kernels.ts";
import { type LoadOptions, resolveThreads } from "./load-options.ts";

/**
 * Starts to read, compile and test the kernels that `openWorkspace` will ask for, while a checkpoint is being
 * opened. Says nothing of what fails: it fails again there.
 */
export function prepareKernels(host: Host, { threads, build }: LoadOptions): void {
  void chosen(host, { threads, build }).catch(() => {});
}

async function chosen(host: Host, { threads, build }: LoadOptions): Promise<void> {
  await chooseKernels(host, resolveThreads({ threads }, host) > 1, build);
}
