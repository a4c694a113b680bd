/** The builds of `assembly/`: an instruction set, with or without shared memory. All have the same exports and give the same bits. */
export type InstructionSet = "simd128" | "relaxed";
export type KernelBuild = InstructionSet | `${InstructionSet}-threads`;

export function kernelBuild(instructionSet: InstructionSet, shared: boolean): KernelBuild {
  return shared ? `${instructionSet}-threads` : instructionSet;
}

export function splitBuild(build: KernelBuild): { instructionSet: InstructionSet; shared: boolean } {
  return { instructionSet: build.replace("-threads", "") as InstructionSet, shared: build.endsWith("-threads") };
}
