// Small parts of the speaker's and the microphone's views.

export function part(parent, name, className, attributes = {}, text = "") {
  const element = document.createElement(name);
  element.className = className;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  parent.appendChild(element);
  return element;
}

// A level meter; `show(peak)` takes a peak from 0 to 1, shown over 60 dB.
export function meter(parent, label) {
  const box = part(parent, "div", "aigw-sound-meter", { role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 });
  const bar = part(box, "div", "aigw-sound-bar");
  return {
    show(peak) {
      const percent = levelPercent(peak);
      bar.style.width = `${percent}%`;
      box.setAttribute("aria-valuenow", percent);
    },
  };
}

export function levelPercent(peak) {
  if (peak <= 0.001) return 0;
  return Math.round(Math.min(100, 100 + (20 * Math.log10(peak) * 100) / 60));
}

export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
