/** Both generations of wllama in a page. `globalThis.engine` is called by `chromium.ts`. */
const timed = async (work) => {
  const began = performance.now();
  await work();
  return { ms: performance.now() - began };
};

const quiet = { debug() {}, log() {}, warn() {}, error: console.error };
const fetchModel = async () => [await (await fetch("/model.gguf")).blob()];

/** @type {Record<string, () => object>} */
const ENGINES = {
  /** 2.3.1: llama_decode itself is exported, and takes ids. */
  "wllama-2"() {
    let wllama;
    let cached = 0;
    const evaluate = async (ids) => {
      await wllama.decode(ids, {});
      cached += ids.length;
    };
    const truncate = async (length) => {
      if (length < cached) await (length === 0 ? wllama.kvClear() : wllama.kvRemove(length, -1));
      cached = Math.min(cached, length);
    };
    return {
      async load({ threads, contextSize }) {
        const { Wllama } = await import("/node_modules/wllama-2/esm/index.js");
        const base = "/node_modules/wllama-2/esm";
        wllama = new Wllama(
          {
            "single-thread/wllama.wasm": `${base}/single-thread/wllama.wasm`,
            "multi-thread/wllama.wasm": `${base}/multi-thread/wllama.wasm`,
          },
          { logger: quiet, suppressNativeLog: true },
        );
        await wllama.loadModel(await fetchModel(), { n_ctx: contextSize, n_batch: 512, n_threads: threads });
        await evaluate([1, 2, 3, 4]);
        await truncate(0);
        return {
          details: `${wllama.getNumThreads?.() ?? threads} thread(s)${wllama.isMultithread() ? ", multi-thread build" : ""}`,
        };
      },
      async prefill({ prompt }) {
        await truncate(0);
        return timed(() => evaluate(prompt.ids));
      },
      async decode({ prompt, tokens }) {
        if (cached < prompt.ids.length || prompt.ids.length === 1) {
          await truncate(0);
          await evaluate(prompt.ids);
        }
        await truncate(prompt.ids.length);
        return timed(async () => {
          for (let i = 0; i < tokens; i++) await evaluate([prompt.ids[i % prompt.ids.length]]);
        });
      },
    };
  },

  /**
   * 3.x: llama-server's completions, with its own timings. The first token comes with the prompt, so n steps
   * are n + 1 tokens.
   */
  "wllama-3"() {
    let wllama;
    const complete = async (prompt, max_tokens, cache_prompt) => {
      const { timings } = await wllama.createCompletion({
        prompt: prompt.text,
        max_tokens,
        cache_prompt,
        temperature: 0,
        top_k: 1,
        ignore_eos: true,
      });
      if (!timings) throw new Error("the completion has no timings");
      const evaluated = timings.prompt_n + (timings.cache_n ?? 0);
      if (evaluated !== prompt.ids.length) throw new Error(`the prompt became ${evaluated} tokens, not ${prompt.ids.length}`);
      return timings;
    };
    return {
      async load({ threads, contextSize }) {
        const { Wllama } = await import("/node_modules/@wllama/wllama/esm/index.js");
        wllama = new Wllama(
          { default: "/node_modules/@wllama/wllama/esm/wasm/wllama.wasm" },
          { logger: quiet, suppressNativeLog: true },
        );
        await wllama.loadModel(await fetchModel(), {
          n_ctx: contextSize,
          n_batch: 512,
          n_threads: threads,
          n_gpu_layers: 0,
          n_parallel: 1,
        });
        return { details: `${wllama.getNumThreads()} thread(s), llama.cpp ${Wllama.getLibllamaVersion()}` };
      },
      async prefill({ prompt }) {
        const { prompt_ms: ms, prompt_n } = await complete(prompt, 1, false);
        if (prompt_n !== prompt.ids.length)
          throw new Error(`only ${prompt_n} of ${prompt.ids.length} prompt tokens were evaluated`);
        return { ms };
      },
      async decode({ prompt, tokens }) {
        const { predicted_n, predicted_ms } = await complete(prompt, tokens + 1, true);
        if (predicted_n !== tokens + 1) throw new Error(`${predicted_n} tokens were generated, not ${tokens + 1}`);
        return { ms: predicted_ms };
      },
    };
  },
};

globalThis.startEngine = (name) => {
  globalThis.engine = ENGINES[name]();
};
