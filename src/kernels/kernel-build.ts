/** The builds of `assembly/`: an instruction set, with or without shared memory. All have the same exports. */
export type KernelBuild = "simd128" | "simd128-threads";
