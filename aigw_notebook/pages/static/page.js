/* Makes the words and waveforms of the pages in this document play. Run again, it takes up only pages that are new. */
(() => {
  const DONE = "aigwPage";
  const seconds = (word) => Number(word.dataset.ms) / 1000;

  const wordAt = (words, time) => {
    let low = 0;
    let high = words.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (seconds(words[middle]) <= time + 0.001) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  };

  const playFrom = (page, audio, time) => {
    for (const other of page.querySelectorAll("audio")) if (other !== audio) other.pause();
    audio.currentTime = time;
    audio.play().catch(() => {});
  };

  const follow = (row, audio, words) => {
    let now = null;
    const show = () => {
      const at = wordAt(words, audio.currentTime);
      const word = at < 0 || audio.ended ? null : words[at];
      if (word !== now) {
        now?.classList.remove("aigw-now");
        word?.classList.add("aigw-now");
        now = word;
      }
      row.style.setProperty("--aigw-at", audio.duration ? audio.currentTime / audio.duration : 0);
      row.classList.add("aigw-heading");
      if (!audio.paused && row.isConnected) requestAnimationFrame(show);
    };
    for (const kind of ["play", "seeked", "ended"]) audio.addEventListener(kind, show);
  };

  const byMouse = (page, row, audio) => {
    row.addEventListener("click", (event) => {
      const word = event.target.closest("[data-ms]");
      const wave = event.target.closest(".aigw-wave");
      if (word && getSelection().isCollapsed) playFrom(page, audio, seconds(word));
      if (wave && audio.duration) {
        const box = wave.querySelector("svg").getBoundingClientRect();
        const share = (event.clientX - box.left) / box.width;
        playFrom(page, audio, Math.min(Math.max(share, 0), 0.999) * audio.duration);
      }
    });
  };

  /* One stop of the Tab key for a whole text; the words in it stay plain text for who has it read aloud. */
  const byKeys = (page, text, audio, words) => {
    let chosen = -1;
    const choose = (index) => {
      words[chosen]?.classList.remove("aigw-chosen");
      chosen = Math.min(Math.max(index, 0), words.length - 1);
      words[chosen].classList.add("aigw-chosen");
      words[chosen].scrollIntoView({ block: "nearest" });
    };
    const keys = {
      ArrowRight: () => choose(chosen + 1),
      ArrowLeft: () => choose(chosen - 1),
      Home: () => choose(0),
      End: () => choose(words.length - 1),
      Enter: () => playFrom(page, audio, seconds(words[Math.max(chosen, 0)])),
      " ": () => (audio.paused ? audio.play().catch(() => {}) : audio.pause()),
    };
    text.tabIndex = 0;
    text.dataset.lmSuppressShortcuts = "true";
    text.setAttribute("aria-keyshortcuts", "ArrowRight ArrowLeft Enter Space");
    text.title = "Click a word, or choose it with the arrow keys and press Enter, to play from there";
    text.addEventListener("keydown", (event) => {
      const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
    text.addEventListener("blur", () => words[chosen]?.classList.remove("aigw-chosen"));
  };

  for (const page of document.querySelectorAll(".aigw-page")) {
    if (page[DONE]) continue;
    page[DONE] = true;
    page.classList.add("aigw-plays");
    for (const row of page.querySelectorAll(".aigw-row")) {
      const audio = row.querySelector("audio");
      if (!audio) continue;
      const text = row.querySelector(".aigw-words");
      const words = [...text.querySelectorAll("[data-ms]")];
      follow(row, audio, words);
      byMouse(page, row, audio);
      if (words.length) byKeys(page, text, audio, words);
    }
  }
})();
