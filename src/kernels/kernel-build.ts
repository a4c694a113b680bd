/**
 * The builds of `assembly/`. Two whole ones run a model, one for each instruction set, with the same exports
 * and the same bits. Beside them are forms: modules of a few kernels, which make of one of the whole builds
 * another that is faster on some machines. What only quantizing needs is a module that no relaxed instruction
 * would make faster; what only weights need that are kept as a file has them comes in the two builds and in
 * one form. Each is for memory that is shared or not.
 */
export type InstructionSet = "simd128" | "relaxed";

/** Forms, and the whole build each is used with. */
const FORMS = { "relaxed-i16": "simd128", "relaxed-u8": "relaxed", "relaxed-s8": "relaxed" } as const;

/**
 * What a model can be run with: an instruction set, or one with the kernels of 4-bit weights in another form.
 *
 * - "relaxed-i16": simd128, and the relaxed 16-bit dot for engines that make several instructions of the
 *   32-bit one
 * - "relaxed-u8", "relaxed-s8": relaxed, with bytes of two weights multiplied whole, for engines whose dot
 *   takes them unsigned or signed
 */
export type BuildName = InstructionSet | keyof typeof FORMS;
export const BUILD_NAMES = ["simd128", "relaxed", "relaxed-i16", "relaxed-u8", "relaxed-s8"] as const satisfies BuildName[];

/** A published file is `fptq-<this>.wasm`. */
export const KERNEL_FILES = [...BUILD_NAMES, "kept-simd128", "kept-relaxed", "kept-relaxed-i16", "quantizer", "probe"] as const;
export type KernelFile = (typeof KERNEL_FILES)[number];
/** Those that are in the text of `fptq/inline` (docs/decisions/small-package.md). */
export const INLINE_FILES = KERNEL_FILES.filter((file) => file !== "kept-relaxed");
export type KernelBuild = KernelFile | `${KernelFile}-threads`;

export function kernelBuild<File extends KernelFile>(file: File, shared: boolean): File | `${File}-threads` {
  return shared ? `${file}-threads` : file;
}

export function splitBuild(build: KernelBuild): { file: KernelFile; shared: boolean } {
  return { file: build.replace("-threads", "") as KernelFile, shared: build.endsWith("-threads") };
}

/** The whole build of a build: itself, or what a form is used with. */
export function wholeBuild(build: BuildName): InstructionSet {
  return build in FORMS ? FORMS[build as keyof typeof FORMS] : (build as InstructionSet);
}

/**
 * The files of a build, in the order in which later ones take the place of earlier ones' kernels.
 *
 * @param keepsWeights whether the kernels for weights as a file has them are among them
 */
export function filesOf(build: BuildName, keepsWeights = false): readonly KernelFile[] {
  const whole = wholeBuild(build);
  const own = build === whole ? [whole] : [whole, build];
  if (!keepsWeights) return own;
  return [...own, `kept-${whole}`, ...(build === "relaxed-i16" ? [`kept-${build}` as const] : [])];
}
