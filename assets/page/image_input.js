/** The ways in for an image: chosen from the disk, photographed, or dropped or pasted anywhere on the page. */

import { fileInput } from "./dom.js";

const ACCEPT = "image/*,.dcm,.dicom,.ima,.tif,.tiff,application/dicom";

export class ImageInput {
  /** @param {(file: File, second: boolean) => void} onfile */
  constructor(onfile) {
    this.onfile = onfile;
    this.file = fileInput("Choose an image", { accept: ACCEPT }, file => onfile(file, false));
    this.camera = fileInput("Take a photograph", { accept: "image/*", capture: "environment" }, file => onfile(file, false));
    this.second = fileInput("Choose a second image", { accept: ACCEPT }, file => onfile(file, true));
  }

  /** Take what is dropped and pasted while the stage is shown: on the whole page, also on the picture that is there. */
  listen(stage) {
    const visible = () => stage.offsetParent !== null;
    const holdsFiles = event => [...(event.dataTransfer?.types ?? [])].includes("Files");
    document.addEventListener("dragover", event => {
      if (!holdsFiles(event) || !visible()) return;
      event.preventDefault();
      stage.classList.add("vip-drop");
    });
    document.addEventListener("dragleave", event => event.relatedTarget === null && stage.classList.remove("vip-drop"));
    document.addEventListener("drop", event => {
      stage.classList.remove("vip-drop");
      if (!holdsFiles(event) || !visible()) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.dataTransfer.files.length) this.onfile(event.dataTransfer.files[0], false);
    }, true);
    document.addEventListener("paste", event => {
      const file = [...(event.clipboardData?.files ?? [])][0];
      if (!file || !visible()) return;
      event.preventDefault();
      this.onfile(file, false);
    });
  }
}
