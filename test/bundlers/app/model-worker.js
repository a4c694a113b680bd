import { loadModel } from "fptq";
import { logitsOf } from "./logits.js";

loadModel("/w4a8/", { threads: 2, cache: false })
  .then(logitsOf)
  .then(
    (result) => postMessage({ result }),
    (error) => postMessage({ error: `${error}` }),
  );
