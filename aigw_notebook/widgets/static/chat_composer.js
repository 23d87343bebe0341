// Where a person types, attaches a picture, speaks and stops.

import { Recorder, decodeFile, pageIsSounding, toPcm16 } from "./audio.js";
import { iconButton, chatPart, pictureBytes, setIcon } from "./chat_parts.js";

const FILE_CHUNK_MS = 1000; // a sound file is sent faster than it was spoken, so in fewer pieces

// `act`: {ask(text, picture), stop(), microphone(on, push, rate), chunk(buffer, seq), say(text), answers()}, the
// last whether an answer is heard, or a piece of it late.
export class Composer {
  constructor(act) {
    this.act = act;
    this.picture = null;
    this.recorder = new Recorder({ onChunk: (buffer, seq) => this.onChunk(buffer, seq), onLevel: (level) => this.showLevel(level) });
    this.talking = false;
    this.busy = false;
    this.text = chatPart("textarea", { rows: 1, placeholder: "Ask something", "aria-label": "Your message" });
    this.file = chatPart("input", { type: "file", hidden: true });
    this.attach = iconButton("picture", "Add a picture", { className: "aigw-chat-tool-button" });
    this.mic = iconButton("mic", "Hold to talk", { className: "aigw-chat-tool-button aigw-chat-mic" });
    this.send = iconButton("send", "Send", { className: "aigw-chat-send" });
    this.preview = chatPart("div", { className: "aigw-chat-preview", hidden: true });
    this.hint = chatPart("div", { className: "aigw-chat-hint" });
    this.root = chatPart("div", { className: "aigw-chat-composer" }, [
      this.preview,
      chatPart("div", { className: "aigw-chat-row" }, [this.attach, this.file, this.text, this.mic, this.send]),
      this.hint,
    ]);
    this.listen();
  }

  listen() {
    this.text.addEventListener("keydown", (event) => this.onKey(event));
    this.text.addEventListener("input", () => this.fit());
    this.text.addEventListener("paste", (event) => this.take(event, event.clipboardData));
    this.root.addEventListener("dragover", (event) => event.preventDefault());
    this.root.addEventListener("drop", (event) => this.take(event, event.dataTransfer));
    this.attach.addEventListener("click", () => this.file.click());
    this.file.addEventListener("change", () => {
      void this.takeFile(this.file.files[0]);
      this.file.value = "";
    });
    this.send.addEventListener("click", () => (this.stops() ? this.act.stop() : this.submit()));
    this.mic.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.open) return;
      this.mic.setPointerCapture?.(event.pointerId);
      void this.talk(true);
    });
    for (const name of ["pointerup", "pointercancel"]) this.mic.addEventListener(name, () => !this.open && this.talk(false));
    this.mic.addEventListener("click", () => this.open && this.talk(!this.talking));
    this.mic.addEventListener("keydown", (event) => this.onTalkKey(event, true));
    this.mic.addEventListener("keyup", (event) => this.onTalkKey(event, false));
  }

  // What the provider can do, and which kind of microphone is wanted.
  configure(controls, kind, halfDuplex) {
    this.controls = controls;
    this.halfDuplex = halfDuplex;
    this.open = kind === "open" && controls.mic?.open.on;
    const off = (control, element) => {
      element.disabled = control ? !control.on : true;
      if (element.disabled && control) element.title = control.why;
    };
    off(controls.text, this.text);
    this.text.placeholder = controls.text?.on === false ? controls.text.why : "Ask something";
    this.configureFiles(controls.image?.on, controls.mic?.on);
    setIcon(this.mic, "mic", this.open ? "Microphone on or off" : "Hold to talk");
    off(controls.mic, this.mic);
    this.mic.hidden = !controls.mic?.on;
    const talk = !controls.mic?.on ? "" : this.open ? " · the microphone stays on until you click it" : " · hold Space outside the text to talk";
    this.hint.textContent = controls.text?.on === false ? talk.slice(3) : `Enter sends, Shift+Enter breaks the line${talk}`;
    this.showSend();
  }

  configureFiles(pictures, sound) {
    this.attach.hidden = !pictures && !sound;
    this.file.accept = [pictures ? "image/*" : "", sound ? "audio/*" : ""].filter(Boolean).join(",");
    const what = [pictures ? "a picture" : "", sound ? "a sound file" : ""].filter(Boolean).join(" or ");
    setIcon(this.attach, pictures ? "picture" : "clip", `Add ${what}`);
  }

  // Whether an answer runs or is heard: the button stops it unless something is typed.
  setBusy(busy) {
    this.busy = busy;
    this.showSend();
  }

  stops() {
    return this.busy && this.text.value.trim() === "" && this.picture === null;
  }

  showSend() {
    const stops = this.stops();
    setIcon(this.send, stops ? "stop" : "send", stops ? "Stop the answer" : "Send");
    this.send.classList.toggle("aigw-chat-stop", stops);
    this.send.disabled = !stops && this.text.value.trim() === "" && this.picture === null;
  }

  fit() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(160, this.text.scrollHeight + 2)}px`;
    this.showSend();
  }

  onKey(event) {
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key === "Enter" && !event.shiftKey && !composing) this.submit();
    else if (event.key === "Escape" && this.busy) this.act.stop();
    else return;
    event.preventDefault();
  }

  submit() {
    const text = this.text.value.trim();
    if (text === "" && this.picture === null) return;
    this.act.ask(text, this.picture);
    this.text.value = "";
    this.dropPicture();
    this.fit();
  }

  take(event, data) {
    const file = [...(data?.files ?? [])].find(({ type }) => /^(image|audio)\//.test(type));
    if (file === undefined) return;
    event.preventDefault();
    void this.takeFile(file);
  }

  takeFile(file) {
    if (file === undefined) return undefined;
    return file.type.startsWith("audio/") ? this.sendSound(file) : this.setPicture(file);
  }

  // Sends a sound file as if it were spoken with the button held.
  async sendSound(file) {
    const rate = this.controls?.mic?.sample_rate;
    if (!rate) return this.act.say(this.controls?.mic?.why ?? "no sound here");
    let samples;
    try {
      samples = await decodeFile(await file.arrayBuffer(), rate);
    } catch {
      return this.act.say("That file could not be read as sound: take a WAV, MP3, OGG or M4A file.");
    }
    await this.talk(false);
    this.act.say("");
    this.act.microphone(true, true, rate);
    const size = (rate * FILE_CHUNK_MS) / 1000;
    for (let at = 0, seq = 0; at < samples.length; at += size, seq += 1) this.act.chunk(toPcm16(samples.subarray(at, at + size)), seq);
    this.act.microphone(false, true, rate);
    return undefined;
  }

  async setPicture(file) {
    if (!this.controls?.image?.on) return this.act.say(this.controls?.image?.why ?? "no pictures here");
    try {
      this.picture = await pictureBytes(file);
    } catch {
      return this.act.say("That file is no picture that this browser can read: choose a PNG or JPEG.");
    }
    const url = URL.createObjectURL(new Blob([this.picture]));
    const remove = iconButton("close", "Remove the picture", { className: "aigw-chat-small", onclick: () => this.dropPicture() });
    this.preview.replaceChildren(chatPart("img", { src: url, alt: "picture to send", onload: () => URL.revokeObjectURL(url) }), remove);
    this.preview.hidden = false;
    this.showSend();
    this.text.focus();
    return undefined;
  }

  dropPicture() {
    this.picture = null;
    this.preview.replaceChildren();
    this.preview.hidden = true;
    this.showSend();
  }

  onTalkKey(event, down) {
    if (event.key !== " " || this.open || event.repeat) {
      if (event.repeat && event.key === " ") event.preventDefault();
      return;
    }
    event.preventDefault();
    void this.talk(down);
  }

  // The key that talks, anywhere in the panel but where one types or presses.
  onPanelKey(event, down) {
    if (event.key !== " " || this.mic.hidden || this.mic.disabled) return;
    if (event.target.closest("textarea, input, select, button, a, summary")) return;
    event.preventDefault();
    if (!event.repeat) void (this.open ? down && this.talk(!this.talking) : this.talk(down));
  }

  async talk(on) {
    if (on === this.talking || (on && this.mic.disabled)) return;
    this.talking = on;
    if (on) this.act.say("");
    this.mic.classList.toggle("aigw-chat-on", on);
    this.mic.setAttribute("aria-pressed", String(on));
    const push = !this.open;
    const rate = this.controls.mic.sample_rate;
    if (!on) {
      await this.recorder.stop();
      this.showLevel(0);
      this.act.microphone(false, push, rate);
      return;
    }
    try {
      this.act.microphone(true, push, rate);
      await this.recorder.start({ sampleRate: rate });
      if (!this.talking) await this.recorder.stop();
    } catch (trouble) {
      await this.talk(false);
      this.act.say(trouble.message);
    }
  }

  // An open microphone of a half-duplex panel sends silence while the page is heard, or about to be: the provider's
  // clock goes on.
  onChunk(buffer, seq) {
    const deaf = this.halfDuplex && this.open && (this.act.answers() || pageIsSounding());
    this.act.chunk(deaf ? new ArrayBuffer(buffer.byteLength) : buffer, seq);
  }

  showLevel(level) {
    this.mic.style.setProperty("--aigw-level", String(Math.min(1, Math.sqrt(level)).toFixed(2)));
  }

  close() {
    if (this.talking) void this.talk(false);
  }
}
