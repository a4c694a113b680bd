/** This package: its models as it is installed (`dist/`), a layer from its sources. */
import { loadModel } from "../../dist/index.js";
import { serveStdin, timed } from "./serve-stdin.mjs";
import { layerOperations } from "./fptq-layer.ts";

let model;

await serveStdin({
  async load({ model: path, threads, contextSize }) {
    model = await loadModel(path, { threads, contextSize });
    const build = model.forwardPass.kernelBuild ?? "simd128";
    await this.prefill({ prompt: { ids: Array.from({ length: 64 }, (_, i) => i) } }); // the engine compiles what runs often
    return { version: `Node ${process.versions.node}`, details: `${build.replace("-threads", "")} build` };
  },
  prefill({ prompt }) {
    const { forwardPass: pass } = model;
    pass.truncate(0);
    return timed(() => pass.forward(prompt.ids, { logits: "last" }));
  },
  async decode({ prompt, tokens }) {
    const { forwardPass: pass } = model;
    if (pass.length < prompt.ids.length || prompt.ids.length === 1) {
      pass.truncate(0);
      await pass.forward(prompt.ids, { logits: "none" });
    }
    pass.truncate(prompt.ids.length);
    return timed(async () => {
      for (let i = 0; i < tokens; i++) await pass.forward([prompt.ids[i % prompt.ids.length]], { logits: "last" });
    });
  },
  ...layerOperations,
});
