// Elements without markup in strings: what a cue or a server says is text here, never HTML.

/** el("button", {class: "big", text: "Go", onclick: f, "aria-label": "..."}, child, ...) */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Sets text only where it differs, so that a screen reader is not told of a change that is none. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function button(text, onclick, props = {}) {
  const node = el("button", { type: "button", text, ...props });
  node.addEventListener("click", (event) => {
    if (node.getAttribute("aria-disabled") !== "true") onclick(event);
  });
  return node;
}

/** A button that does nothing for now, but keeps the focus: one that is `disabled` would lose it to nowhere. */
export function setOff(node, off) {
  setAttribute(node, "aria-disabled", off ? "true" : null);
}

let fields = 0;

/** A label around nothing: <label> and its field side by side, tied by an id. */
export function field(label, input, props = {}) {
  if (!input.id) input.id = `field-${++fields}`;
  return el("span", { class: "field", ...props }, el("label", { for: input.id, text: label }), input);
}

export function checkbox(label, checked, onchange) {
  const input = el("input", { type: "checkbox", checked, onchange: () => onchange(input.checked) });
  const wrapper = el("label", { class: "check" }, input, el("span", { text: label }));
  wrapper.input = input;
  return wrapper;
}

/** options: [[value, words], ...] */
export function choice(options, chosen, onchange) {
  const select = el("select", { onchange: () => onchange?.(select.value) });
  for (const [value, text] of options) select.append(el("option", { value, text, selected: value === chosen }));
  return select;
}
