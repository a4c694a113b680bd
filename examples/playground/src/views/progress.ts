/** How far something is: a bar, and the same in words. */
import type { Progress } from "fptq";
import { html, nothing, type TemplateResult } from "lit-html";
import { duration, megabytes, number } from "../format.ts";
import type { Explanation } from "../explain.ts";

const WORK: Readonly<Record<string, string>> = {
  download: "Downloading",
  load: "Loading weights",
  calibrate: "Calibrating",
  quantize: "Rounding weights",
  write: "Writing",
};

/** @param label names the bar for screen readers, who are not read every step */
export function progressView(label: string, progress: Progress | undefined): TemplateResult {
  const { phase, done, total, unit, secondsLeft } = progress ?? { phase: "", done: 0, total: 0, unit: "items" };
  const amount =
    unit === "bytes" ? `${megabytes(done, "")} of ${megabytes(total)}` : `${number(done)} of ${number(total)} ${unit}`;
  const left = secondsLeft === undefined ? "" : `${duration(Math.max(secondsLeft, 0.1))} left`;
  return html`
    <div class="progress">
      <progress aria-label=${label} max=${total || 1} value=${progress ? done : nothing}></progress>
      <p>
        <span>${progress ? `${WORK[phase] ?? phase}, ${amount}` : "Starting"}</span>
        <span>${left}</span>
      </p>
    </div>
  `;
}

export function failureView({ summary, detail }: Explanation): TemplateResult {
  return html`
    <div class="failure" role="alert">
      <p>${summary}</p>
      <p class="detail">${detail}</p>
    </div>
  `;
}
