// The speaker of all %%aigw cells of a page: it plays on after its cell has ended, so its controls are at the page's edge.

import { part, seconds } from "./controls.js";
import { Speaking } from "./speaker.js";

const LINGER_MS = 300; // between two answers the control does not blink

/** What the control at the page's edge shows: null for nothing. */
export function edgeState({ state, sounding, playedMs, queuedMs }) {
  if (!sounding && queuedMs === 0) return null;
  if (state !== "running") return { line: `${seconds(queuedMs)} of speech waits`, button: "Enable audio" };
  return { line: `playing ${seconds(playedMs)}`, button: "Stop" };
}

// The control exists while something is heard, and is gone after it.
export class EdgeControl {
  constructor(speaking, page = document.body) {
    this.speaking = speaking;
    this.page = page;
    this.root = null;
    this.leaving = null;
    this.unwatch = speaking.watch((state) => this.show(edgeState(state)));
  }

  show(wanted) {
    if (wanted === null) {
      if (this.root && !this.leaving) this.leaving = setTimeout(() => this.remove(), LINGER_MS);
      return;
    }
    clearTimeout(this.leaving);
    this.leaving = null;
    if (!this.root) this.build();
    this.line.textContent = wanted.line;
    this.button.textContent = wanted.button;
  }

  build() {
    this.root = part(this.page, "div", "aigw-edge", { role: "group", "aria-label": "Spoken answer" });
    this.line = part(this.root, "span", "aigw-edge-line");
    this.button = part(this.root, "button", "aigw-edge-button", { type: "button" });
    this.button.addEventListener("click", () => this.press());
  }

  press() {
    if (this.button.textContent === "Stop") this.speaking.flush();
    else this.speaking.player.resume();
  }

  remove() {
    clearTimeout(this.leaving);
    this.leaving = null;
    this.root?.remove();
    this.root = null;
  }

  close() {
    this.unwatch();
    this.remove();
  }
}

export default () => {
  let speaking;
  let control;
  return {
    initialize({ model }) {
      speaking = new Speaking(model);
      control = new EdgeControl(speaking);
      addStyle(model.get("edge_css"));
      return () => {
        control.close();
        speaking.close();
      };
    },
    render() {},
  };
};

// A model without a view has no stylesheet of its own.
function addStyle(css) {
  if (document.getElementById("aigw-edge-style")) return;
  const style = part(document.head, "style", "", { id: "aigw-edge-style" });
  style.textContent = css;
}
