/** Texts in order of how near they are to a query: node embed.mjs MODEL QUERY TEXT ... */
import { loadModel } from "fptq";

const [source, ...texts] = process.argv.slice(2);
const model = await loadModel(source);
const [query, ...documents] = await model.embed(texts, { pooling: "mean" });
// Vectors have the length 1, so that their product is the cosine of their angle.
const likeness = documents.map((vector) => vector.reduce((sum, value, i) => sum + value * query[i], 0));
const order = [...likeness.keys()].toSorted((a, b) => likeness[b] - likeness[a]);
for (const i of order) console.log(likeness[i].toFixed(3), texts[i + 1]);
await model.dispose();
