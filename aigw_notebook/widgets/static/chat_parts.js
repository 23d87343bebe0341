// The small parts the chat panel is made of. Texts become text nodes; nothing here takes HTML.

// What may have the focus: there a key is no shortcut of the notebook, which would look for one up from the element.
const TYPED_INTO = new Set(["button", "input", "select", "textarea", "summary", "a"]);

export function chatPart(tag, properties = {}, children = []) {
  const element = document.createElement(tag);
  if (TYPED_INTO.has(tag) || properties.tabIndex === 0) element.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const PATHS = {
  send: ["M12 19V5", "M6 11l6-6 6 6"],
  stop: ["M7 7h10v10H7z"],
  mic: ["M12 4a2.5 2.5 0 0 1 2.5 2.5v5a2.5 2.5 0 0 1-5 0v-5A2.5 2.5 0 0 1 12 4z", "M6.5 11.5a5.5 5.5 0 0 0 11 0", "M12 17v3"],
  picture: ["M4.5 5.5h15v13h-15z", "M5 16l4.5-4.5 4 4 2.5-2.5 3.5 3.5", "M15.2 9.2h.1"],
  sound: ["M5 10v4h3l4 3.5v-11L8 10z", "M15.5 9.5a4 4 0 0 1 0 5", "M18 7a7.5 7.5 0 0 1 0 10"],
  muted: ["M5 10v4h3l4 3.5v-11L8 10z", "M16 10l4 4", "M20 10l-4 4"],
  settings: ["M4 8h9", "M17 8h3", "M4 16h3", "M11 16h9", "M15 6v4", "M9 14v4"],
  more: ["M6 12h.1", "M12 12h.1", "M18 12h.1"],
  copy: ["M9 9h10v10H9z", "M15 9V5H5v10h4"],
  done: ["M5 12.5l4.5 4.5L19 7.5"],
  edit: ["M5 19l1-4L16 5l3 3L9 18z"],
  again: ["M18.5 10A7 7 0 1 0 19 13", "M19 5v5h-5"],
  play: ["M8 5.5l10 6.5-10 6.5z"],
  clip: ["M8 12.5l5.6-5.6a3 3 0 0 1 4.2 4.2l-7 7a4.7 4.7 0 0 1-6.6-6.6l6.6-6.6"],
  undo: ["M9 7L5 11l4 4", "M5 11h9a5 5 0 0 1 0 9h-3"],
  close: ["M7 7l10 10", "M17 7L7 17"],
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true", class: `aigw-chat-icon aigw-chat-icon-${name}` }))
    svg.setAttribute(key, value);
  for (const d of PATHS[name]) {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

export function iconButton(name, label, properties = {}) {
  return chatPart("button", { type: "button", title: label, "aria-label": label, ...properties }, [icon(name)]);
}

export function setIcon(button, name, label) {
  button.replaceChildren(icon(name));
  button.title = label;
  button.setAttribute("aria-label", label);
}

// To the clipboard, also on pages that are not secure.
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = chatPart("textarea", { value: text, className: "aigw-chat-away" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function saveFile(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  chatPart("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

const MAX_SIDE = 2048;
const MAX_RAW_BYTES = 4 * 1024 * 1024;

// A picture as the bytes of a PNG or JPEG file of bounded size; rejects for what is no picture.
export async function pictureBytes(file) {
  if (["image/png", "image/jpeg"].includes(file.type) && file.size <= MAX_RAW_BYTES) return file.arrayBuffer();
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const canvas = chatPart("canvas", {
    width: Math.max(1, Math.round(bitmap.width * scale)),
    height: Math.max(1, Math.round(bitmap.height * scale)),
  });
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
  return blob.arrayBuffer();
}
