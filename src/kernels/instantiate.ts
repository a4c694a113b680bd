/** Modules over a memory, as every thread makes them. */
import { instantiateSync } from "@assemblyscript/loader";

/**
 * The exports of all modules over one memory; of those with one name, the last module's. The loader turns a
 * debug build's aborts into readable errors.
 * @returns an object of its own, so that a benchmark can put a clock around each kernel; a module's exports
 *   cannot be changed
 */
export function instantiateModules(modules: readonly WebAssembly.Module[], memory: WebAssembly.Memory): Record<string, unknown> {
  // The raw exports: the loader's own wrap each call in argument-count bookkeeping that these kernels do not
  // use.
  return Object.assign({}, ...modules.map((module) => instantiateSync(module, { env: { memory } }).instance.exports));
}
