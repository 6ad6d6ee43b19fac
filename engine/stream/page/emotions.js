// Eight sliders, presets, an intensity: what the face heads for. Keys 1 to 8 choose one emotion alone.

const EVERY_MS = 80; // a slider that is dragged sends no more often

const $ = (id) => document.getElementById(id);

export class Emotions {
  /** send: called with (weights by name, intensity). */
  constructor(send) {
    this.send = send;
    this.names = [];
    this.timer = 0;
    $("emotions").addEventListener("input", () => this.#later());
    $("presets").addEventListener("click", (event) => event.target.value && this.choose(event.target.value));
    addEventListener("keydown", (event) => this.#key(event));
  }

  /** Show the emotions that the session's plugin offers (none: hide), set as `now`: weights by name, intensity. */
  offer(names, now) {
    $("emotions").hidden = !names.length;
    if (names.join() === this.names.join()) return;
    this.names = names;
    $("presets").replaceChildren(...names.map((name, i) => {
      const button = Object.assign(document.createElement("button"), { type: "button", value: name, textContent: name });
      button.title = `key ${i + 1}`;
      return button;
    }));
    $("weights").replaceChildren(...names.map((name) => {
      const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 1, step: 0.05, value: 0, name });
      const label = document.createElement("label");
      label.append(name, slider);
      return label;
    }));
    if (!names.length) return;
    this.#set(now.weights);
    $("intensity").value = now.intensity;
  }

  choose(name) {
    this.#set({ [name]: 1 });
    this.#later();
  }

  get weights() {
    return Object.fromEntries([...$("weights").querySelectorAll("input")].map((slider) => [slider.name, Number(slider.value)]));
  }

  #set(weights) {
    for (const slider of $("weights").querySelectorAll("input")) slider.value = weights[slider.name] ?? 0;
    this.#mark();
  }

  #mark() {
    const { weights } = this;
    const chosen = this.names.filter((name) => weights[name] > 0);
    for (const button of $("presets").children) button.setAttribute("aria-pressed", String(chosen.length === 1 && chosen[0] === button.value));
  }

  #later() {
    this.#mark();
    if (this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.send(this.weights, Number($("intensity").value));
    }, EVERY_MS);
  }

  #key(event) {
    const name = this.names[Number(event.key) - 1];
    const typing = event.target.matches?.("input:not([type=radio], [type=range]), textarea, select");
    if ($("emotions").hidden || !name || typing || event.ctrlKey || event.altKey || event.metaKey) return;
    this.choose(name);
  }
}
