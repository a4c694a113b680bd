/** Node with `electron` as a module: the stand-in. */
import { registerHooks } from "node:module";

const standIn = new URL("electron.js", import.meta.url).href;
registerHooks({
  resolve: (name, context, next) => (name === "electron" ? { url: standIn, shortCircuit: true } : next(name, context)),
});
