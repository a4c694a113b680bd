import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { site } from "./site.ts";

/** The checkpoint of the repository, unless a folder is named. */
const embedded = fileURLToPath(new URL("../../models/smollm2-135m-instruct-w4a8", import.meta.url));

export default defineConfig(site({ model: process.env["FPTQ_PLAYGROUND_MODEL"] ?? embedded }));
