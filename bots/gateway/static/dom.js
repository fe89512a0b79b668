// The page's elements, and how new ones are made. Answers, titles, quotes, names and errors are untrusted: they reach
// the page only as text nodes and as elements that these scripts name, never as HTML.

/** The page's own elements by id. The embedded page has fewer of them. */
export const page = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));

/** An element with attributes and children: nodes or text; what is empty or missing is left out. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter(Boolean));
  return node;
}

export function button(label, className, onClick) {
  const node = element("button", { type: "button", class: className }, label);
  node.addEventListener("click", onClick);
  return node;
}

/** Text of others inside a sentence of ours: its direction marks end where it ends. */
export const foreign = (text, className = "") => element("bdi", className ? { class: className } : {}, text);

/** For screen readers only. What is said while an earlier announcement is being read waits its turn. */
export function announce(text) {
  page.announcer.textContent = text;
}

/** For everybody, above the composer. `parts` are nodes or text. */
export function showStatus(parts, failed = false) {
  page.status.replaceChildren(...parts);
  page.status.classList.toggle("failed", failed);
}

/** Puts the nodes in the place of what `parent` has, and leaves those alone that would not change. */
export function update(parent, nodes) {
  nodes.forEach((node, index) => {
    const old = parent.childNodes[index];
    if (!old) parent.append(node);
    else if (!old.isEqualNode(node)) old.replaceWith(node);
  });
  while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
}

/** A while; it ends early when `signal` does. */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
  });
}

export const isWebAddress = (url) => /^https?:\/\//i.test(url ?? "");
