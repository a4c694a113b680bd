/** Files from the page to the person's disk. */

/** As much of the File System Access API as is used; Chromium has it, TypeScript's declarations do not. */
interface DirectoryPicker {
  showDirectoryPicker?(options: { mode: "readwrite" }): Promise<FileSystemDirectoryHandle>;
}

export const canChooseFolder = () => "showDirectoryPicker" in globalThis;

export function saveBlob(blob: Blob, fileName: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = fileName;
  link.click();
  // The download begins in a later task; a minute is more than any browser takes for that.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Writes files into a folder the person chooses. @returns whether one was chosen */
export async function saveToFolder(files: readonly File[]): Promise<boolean> {
  let folder: FileSystemDirectoryHandle;
  try {
    folder = await (globalThis as DirectoryPicker).showDirectoryPicker!({ mode: "readwrite" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return false;
    throw error;
  }
  for (const file of files) {
    const handle = await folder.getFileHandle(file.name, { create: true });
    await file.stream().pipeTo(await handle.createWritable());
  }
  return true;
}
