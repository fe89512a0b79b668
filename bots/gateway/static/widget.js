// One line in a page of yours shows the chat as a button in its corner:
//   <script src="https://lore.example.org/widget.js" data-key="lk_…" data-title="Ask us" async></script>
// Nothing here needs 'unsafe-inline' in the page's content security policy; it needs script-src and frame-src for the
// gateway's address.
(() => {
  "use strict";

  const LOADED = Symbol.for("lorekeeper.widget");
  const PATIENCE_MS = 15_000;
  const STYLE = `
    :host { all: initial; color-scheme: light dark; }
    * { box-sizing: border-box; }
    [hidden] { display: none !important; }
    button { margin: 0; border: 0; font: 600 16px/1.4 system-ui, sans-serif; cursor: pointer; }
    button:focus-visible { outline: 3px solid #1d6a66; outline-offset: 3px; box-shadow: 0 0 0 3px #fff; }
    .launch { position: fixed; right: 20px; bottom: 20px; z-index: 2147483000; display: flex; align-items: center; gap: 8px;
      max-width: calc(100vw - 40px); min-height: 48px; padding: 10px 18px; border-radius: 24px; background: #1d6a66; color: #fff;
      box-shadow: 0 4px 16px rgb(0 0 0 / 25%); overflow-wrap: anywhere; text-align: start; }
    .launch svg { flex: none; width: 22px; height: 22px; fill: none; stroke: currentcolor; stroke-width: 1.7;
      stroke-linejoin: round; stroke-linecap: round; }
    .chat { position: fixed; right: 20px; bottom: 20px; z-index: 2147483001; display: grid;
      grid-template-rows: auto minmax(0, 1fr); width: 400px; height: min(640px, calc(100vh - 40px)); border: 1px solid #858a87;
      border-radius: 14px; background: #fff; color: #1f2426; box-shadow: 0 8px 32px rgb(0 0 0 / 30%); overflow: hidden; }
    .head { display: flex; align-items: center; gap: 8px; padding: 6px 6px 6px 16px; background: #1d6a66; color: #fff; }
    .title { flex: 1; min-width: 0; margin: 0; font: 600 16px/1.4 system-ui, sans-serif; overflow-wrap: anywhere; }
    .close { min-width: 44px; min-height: 44px; border-radius: 10px; background: none; color: #fff; font-size: 22px; }
    .close:hover { background: rgb(255 255 255 / 18%); }
    .close:focus-visible { outline-color: #fff; outline-offset: -4px; box-shadow: none; }
    .body { position: relative; min-height: 0; }
    iframe { position: relative; display: block; width: 100%; height: 100%; border: 0; }
    .words { position: absolute; inset: 0; margin: 0; padding: 24px; font: 16px/1.5 system-ui, sans-serif; }
    @media (prefers-color-scheme: dark) { .chat { background: #15191b; color: #e7e9e7; } }
    @media (max-width: 480px), (max-height: 480px) {
      .chat { inset: 0; width: 100%; height: 100%; border: 0; border-radius: 0; }
    }
    @media print { .launch, .chat { display: none; } }
  `;

  const script = document.currentScript;
  if (!script || window[LOADED]) return;
  window[LOADED] = true;
  const gateway = new URL(script.src).origin;
  const title = (script.dataset.title || "Ask a question").slice(0, 80);
  const address = `${gateway}/embed?key=${encodeURIComponent(script.dataset.key || "")}`;

  function element(tag, properties, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in node) node[name] = value;
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  function icon() {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 20 20");
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("d", "M3 4h14v10H9l-4 3.5V14H3z");
    svg.append(path);
    return svg;
  }

  function start() {
    const launch = element("button", { type: "button", className: "launch" }, icon(), title);
    launch.setAttribute("aria-expanded", "false");
    launch.setAttribute("aria-haspopup", "dialog");
    const close = element("button", { type: "button", className: "close", "aria-label": "Close the chat" }, "×");
    const words = element("p", { className: "words", role: "status" });
    const body = element("div", { className: "body" }, words);
    const head = element("div", { className: "head" }, element("h2", { className: "title", id: "title" }, title), close);
    const chat = element("div", { className: "chat", role: "dialog", "aria-labelledby": "title", hidden: true }, head, body);
    const host = document.createElement("lorekeeper-widget");
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    root.append(launch, chat);
    document.body.append(host);
    let frame = null;

    const tell = (what) => frame?.contentWindow?.postMessage({ lorekeeper: what }, gateway);

    /** The frame is made when it is wanted: until then, visitors talk to the page's own site only. */
    function load() {
      words.textContent = "Opening the chat…";
      frame = element("iframe", { title, src: address });
      frame.setAttribute("referrerpolicy", "no-referrer");
      frame.style.visibility = "hidden";
      body.append(frame);
      setTimeout(() => {
        if (frame.style.visibility === "hidden") words.textContent = "The chat cannot be shown here at the moment.";
      }, PATIENCE_MS);
    }

    function setOpen(isOpen) {
      chat.hidden = !isOpen;
      launch.hidden = isOpen;
      launch.setAttribute("aria-expanded", String(isOpen));
      if (!isOpen) {
        launch.focus();
        return;
      }
      if (frame) frame.focus();
      else load();
      if (frame.style.visibility === "hidden") close.focus();
      else tell("focus");
    }

    function onMessage(event) {
      if (!frame || event.source !== frame.contentWindow || event.origin !== gateway) return;
      if (event.data?.lorekeeper === "close" && !chat.hidden) setOpen(false);
      if (event.data?.lorekeeper === "ready") {
        frame.style.visibility = "";
        words.textContent = "";
        if (!chat.hidden) {
          frame.focus();
          tell("focus");
        }
      }
    }

    launch.addEventListener("click", () => setOpen(true));
    close.addEventListener("click", () => setOpen(false));
    chat.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      setOpen(false);
    });
    window.addEventListener("message", onMessage);
  }

  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
