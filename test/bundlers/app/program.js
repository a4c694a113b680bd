/** A program in one file. Argument: the URL of the model. */
import { loadModel } from "fptq/inline";
import { logitsOf } from "./logits.js";

loadModel(process.argv[2])
  .then(logitsOf)
  .then((result) => console.log(JSON.stringify(result)));
