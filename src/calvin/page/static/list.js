// The list: only the rows near the window are in the page. Each says which of how many it is, and the room that the
// others take is kept, so that scroll bar and screen reader meet a list of its true size.

const ESTIMATE_PX = 190;
// What a screen reader's own cursor may reach before the window follows it.
const NEAR_PX = 1400;
const FEWEST = 5;

export class VirtualList {
  #list;
  #make;
  #items = new Map();
  #heights = new Map();
  #rows = [];
  #offsets = new Float64Array(1);
  #planned = false;
  #sizes;
  /** Key of the row that has or last had the focus; it and its neighbours stay in the page. */
  current = null;

  /**
   * @param list the <ol>
   * @param make (row) -> object with `node` (an element) and `update(row, index, total)`
   */
  constructor(list, make) {
    this.#list = list;
    this.#make = make;
    this.#sizes = new ResizeObserver((entries) => this.#measured(entries));
    addEventListener("scroll", () => this.#plan(), { passive: true });
    addEventListener("resize", () => this.#plan());
    list.addEventListener("focusin", ({ target }) => {
      const key = target.closest("[data-key]")?.dataset.key;
      if (!key || key === this.current) return;
      this.current = key;
      this.#mark();
      list.dispatchEvent(new CustomEvent("current", { detail: key }));
    });
  }

  setRows(rows) {
    this.#rows = rows;
    this.#lay();
    this.render();
  }

  indexOf(key) {
    return this.#rows.findIndex((row) => row.key === key);
  }

  item(key) {
    return this.#items.get(key);
  }

  /** An item goes on under another key, with its field and its focus. */
  rename(from, to) {
    const item = this.#items.get(from);
    if (!item) return;
    this.#items.delete(from);
    this.#items.set(to, item);
    this.#heights.set(to, this.#heights.get(from));
    item.node.dataset.key = to;
    if (this.current === from) this.current = to;
  }

  /** Brings a row into the page and into view; gives its item, or null where there is no such row. */
  show(key) {
    const index = this.indexOf(key);
    if (index < 0) return null;
    if (!this.#items.has(key)) {
      const top = this.#list.getBoundingClientRect().top + this.#offsets[index];
      scrollBy({ top: top - innerHeight / 3, behavior: "instant" });
      this.render(index);
    }
    const item = this.#items.get(key);
    item.node.scrollIntoView({ block: "nearest", behavior: "instant" });
    return item;
  }

  #lay() {
    this.#offsets = new Float64Array(this.#rows.length + 1);
    for (let index = 0; index < this.#rows.length; index += 1) {
      this.#offsets[index + 1] = this.#offsets[index] + (this.#heights.get(this.#rows[index].key) ?? ESTIMATE_PX);
    }
  }

  #plan() {
    if (this.#planned) return;
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      this.render();
    });
  }

  /** Index of the row at a height in the list. */
  #at(height) {
    let [low, high] = [0, this.#rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#offsets[middle + 1] <= height) low = middle + 1;
      else high = middle;
    }
    return Math.min(low, this.#rows.length - 1);
  }

  #wanted(extra) {
    if (!this.#rows.length) return [];
    const top = this.#list.getBoundingClientRect().top;
    const wanted = new Set();
    const add = (first, last) => {
      for (let index = Math.max(0, first); index <= Math.min(last, this.#rows.length - 1); index += 1) wanted.add(index);
    };
    const first = this.#at(-top - NEAR_PX);
    add(first, Math.max(this.#at(-top + innerHeight + NEAR_PX), first + FEWEST));
    for (const index of [extra, this.indexOf(this.current)]) if (index >= 0) add(index - 2, index + 2);
    return [...wanted].sort((a, b) => a - b);
  }

  render(extra = -1) {
    const wanted = this.#wanted(extra);
    const keys = new Set(wanted.map((index) => this.#rows[index].key));
    for (const [key, item] of this.#items) {
      if (keys.has(key)) continue;
      this.#sizes.unobserve(item.node);
      item.node.remove();
      item.gone?.();
      this.#items.delete(key);
    }
    const focused = document.activeElement;
    let before = 0;
    let place = this.#list.firstElementChild;
    for (const index of wanted) {
      const row = this.#rows[index];
      let item = this.#items.get(row.key);
      const isNew = !item;
      if (isNew) {
        item = this.#make(row);
        item.node.dataset.key = row.key;
        this.#items.set(row.key, item);
      }
      item.update(row, index, this.#rows.length);
      item.node.setAttribute("aria-posinset", index + 1);
      item.node.setAttribute("aria-setsize", this.#rows.length);
      item.node.style.marginBlockStart = `${this.#offsets[index] - before}px`;
      before = this.#offsets[index + 1];
      if (item.node === place) place = place.nextElementSibling;
      else this.#list.insertBefore(item.node, place);
      if (isNew) this.#sizes.observe(item.node);
    }
    this.#list.style.paddingBlockEnd = `${this.#offsets.at(-1) - before}px`;
    // Moving a node in the page takes the focus from what is in it.
    if (focused !== document.activeElement && this.#list.contains(focused)) focused.focus({ preventScroll: true });
    this.#mark();
  }

  #mark() {
    for (const [key, item] of this.#items) item.node.classList.toggle("current", key === this.current);
  }

  #measured(entries) {
    let above = 0;
    let changed = false;
    for (const { target, borderBoxSize } of entries) {
      const key = target.dataset.key;
      const height = borderBoxSize[0].blockSize;
      const known = this.#heights.get(key) ?? ESTIMATE_PX;
      if (!height || Math.abs(height - known) < 0.5) {
        if (height) this.#heights.set(key, height);
        continue;
      }
      this.#heights.set(key, height);
      changed = true;
      if (target.getBoundingClientRect().bottom < 0) above += height - known;
    }
    if (!changed) return;
    this.#lay();
    // What lies above the window has grown or shrunk: what is read stays where it is.
    if (above) scrollBy({ top: above, behavior: "instant" });
    this.#plan();
  }
}
