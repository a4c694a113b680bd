/** Quantizes a model to W4A8: node quantize.mjs SOURCE FOLDER */
import { quantize } from "fptq";

const [source, output] = process.argv.slice(2);
const report = await quantize(source, {
  output,
  onProgress: ({ done, total }) => process.stderr.write(`\r${Math.round((100 * done) / total)} %`),
});
console.log(`\n${output}: ${report.bits_per_weight.toFixed(2)} bits per weight`);
