/**
 * The builds of `assembly/`: two of the kernels that run a model, one for each instruction set, with the same
 * exports and the same bits; and one of those that only quantizing needs, which no relaxed instruction would
 * make faster. Each with or without shared memory.
 */
export type InstructionSet = "simd128" | "relaxed";
/** A published file is `fptq-<this>.wasm`. */
export type KernelFile = InstructionSet | "quantizer";
export type KernelBuild = KernelFile | `${KernelFile}-threads`;

export function kernelBuild<File extends KernelFile>(file: File, shared: boolean): File | `${File}-threads` {
  return shared ? `${file}-threads` : file;
}

export function splitBuild(build: KernelBuild): { file: KernelFile; shared: boolean } {
  return { file: build.replace("-threads", "") as KernelFile, shared: build.endsWith("-threads") };
}
