/** What workerd, and the bundlers that serve it, make of an import of a `.wasm` file. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
