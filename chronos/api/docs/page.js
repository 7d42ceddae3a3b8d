"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const key = document.getElementById("key");
  const find = document.getElementById("find");
  const contents = document.querySelector("nav details");

  // Within double quotes a shell takes these four as its own.
  const quoted = (text) => text.replace(/["\\$`]/g, "\\$&");

  // Also where crypto.randomUUID is kept from us: over plain HTTP.
  const fresh = () =>
    [...crypto.getRandomValues(new Uint8Array(12))]
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join("");

  const call = (text) => {
    const typed = key.value.trim();
    const lines = text
      .replace("$CHRONOS_URL", location.origin)
      .replace("Idempotency-Key: example-1", `Idempotency-Key: ${fresh()}`);
    return typed ? lines.replace("$CHRONOS_KEY", () => quoted(typed)) : lines;
  };

  const copy = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("the browser did not copy");
  };

  const say = (button, word) => {
    button.textContent = word;
    setTimeout(() => (button.textContent = "Copy"), 1500);
  };

  for (const button of all("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = button.closest("figure").querySelector("pre").textContent;
      try {
        await copy(call(text));
        say(button, "Copied");
      } catch {
        say(button, "Not copied");
      }
    });
  }

  const narrow = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const section of all(".operation")) {
      const hit = words.every((word) => section.dataset.search.includes(word));
      section.hidden = !hit;
      document.querySelector(`li[data-for="${section.id}"]`).hidden = !hit;
    }
    const shown = ":scope > .operation:not([hidden]), :scope > ul > li:not([hidden])";
    for (const group of all(".group:has(.operation), .of-group")) {
      group.hidden = !group.querySelector(shown);
    }
  };

  find.addEventListener("input", narrow);
  find.hidden = false;
  document.getElementById("key-box").hidden = false;

  // Wide screens show the contents always, narrow ones when they are asked for.
  const wide = matchMedia("(min-width: 64rem)");
  const fold = () => (contents.open = wide.matches);
  wide.addEventListener("change", fold);
  contents.addEventListener("click", (event) => {
    if (event.target.closest("a") && !wide.matches) contents.open = false;
  });
  fold();
})();
