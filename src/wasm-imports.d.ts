/**
 * What an import of a kernel build gives: a module that the platform compiled, or with `?inline` what
 * `scripts/build-package.ts` puts there.
 */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
declare module "*.wasm?module" {
  const module: WebAssembly.Module;
  export default module;
}
/** Builds, interleaved, compressed (RFC 1951), in base64. */
declare module "*.wasm?inline" {
  const kernels: {
    readonly text: string;
    readonly lengths: Readonly<
      Record<
        | "simd128"
        | "relaxed"
        | "relaxed-i16"
        | "relaxed-u8"
        | "relaxed-s8"
        | "kept-simd128"
        | "kept-relaxed-i16"
        | "quantizer"
        | "probe",
        number
      >
    >;
  };
  export default kernels;
}
