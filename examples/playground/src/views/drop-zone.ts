/** A place for files: dropped on it, or chosen with its button. */
import { html, nothing, type TemplateResult } from "lit-html";
import type { FileSource } from "../messages.ts";
import { droppedFiles, fileSource } from "../sources.ts";

interface DropZone {
  readonly label: string;
  /** Whether to offer a button for folders too. */
  readonly folders: boolean;
  take(source: FileSource): void;
}

export function dropZone({ label, folders, take }: DropZone): TemplateResult {
  const drop = async (event: DragEvent) => {
    event.preventDefault();
    (event.currentTarget as Element).classList.remove("over");
    const source = await droppedFiles(event.dataTransfer!);
    if (source.files.length > 0) take(source);
  };
  const over = (event: DragEvent) => (event.currentTarget as Element).classList.toggle("over", event.type === "dragover");
  const choose = (event: Event) => {
    const input = event.target as HTMLInputElement;
    const files = [...input.files!];
    // The same choice again is a choice.
    input.value = "";
    if (files.length > 0) take(fileSource(files));
  };
  return html`
    <div class="drop" @drop=${drop} @dragover=${over} @dragleave=${over}>
      <p>${label}</p>
      <label class="button">Choose a GGUF<input type="file" accept=".gguf" multiple @change=${choose} /></label>
      ${folders ? html`<label class="button">Choose a folder<input type="file" webkitdirectory @change=${choose} /></label>` : nothing}
    </div>
  `;
}
