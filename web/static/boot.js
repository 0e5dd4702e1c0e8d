// Chooses the interpreter before PyScript starts (it reads its configuration while it loads), and says on the page what
// goes wrong before Python can.
const boot = JSON.parse(document.getElementById("boot").textContent);
const asked = new URLSearchParams(location.search).get("interpreter");
const chosen = asked in boot.interpreters ? asked : "micropython";
const plugins = ["codemirror", "deprecations-manager", "donkey", "error", "py-editor", "py-game", "py-terminal"];

const fail = (words) => {
  document.documentElement.dataset.state = "failed";
  const problem = document.getElementById("problem");
  problem.querySelector(".people").textContent = "This page could not start.";
  problem.querySelector(".developers").textContent = words;
  problem.hidden = false;
};

// Where the engine has Trusted Types, markup made of strings is refused altogether, and scripts come from this site alone.
// Code made of strings has to pass, since PyScript starts with it. https://developer.mozilla.org/docs/Web/API/Trusted_Types_API
globalThis.trustedTypes?.createPolicy("default", {
  createScript: (code) => code,
  createScriptURL: (url) => (new URL(url, location.href).origin === location.origin ? url : undefined),
});

addEventListener("error", ({ message }) => message && fail(message));
addEventListener("unhandledrejection", ({ reason }) => reason?.name !== "AbortError" && fail(String(reason)));

// MicroPython's event loop goes by Date.now: when a device's clock is set back, whatever waits would wait as much longer.
if (chosen === "micropython") Date.now = () => Math.floor(performance.timeOrigin + performance.now());

for (const link of document.querySelectorAll("[data-interpreter]"))
  if (link.dataset.interpreter === chosen) link.setAttribute("aria-current", "true");

// PyScript wants a configuration for each of its script types, or loads all plugins for the one that has none.
for (const [name, { type, url }] of Object.entries(boot.interpreters)) {
  const config = document.createElement(`${type}-config`);
  config.hidden = true;
  config.setAttribute("type", "json");
  config.textContent = JSON.stringify({
    interpreter: url,
    plugins: plugins.map((plugin) => `!${plugin}`),
    files: name === chosen ? { [boot.archives[name]]: "./*" } : {},
  });
  document.head.append(config);
}
const script = document.createElement("script");
script.type = boot.interpreters[chosen].type;
// PyScript only logs what an import raises; reported like any other error, it reaches the page.
script.textContent = `
from pyscript import window
try:
    import ${boot.module}
except Exception as error:
    window.reportError(window.Error.new(repr(error)))
    raise
`;
document.body.append(script);

import(new URL(boot.core, location.href)).catch((error) => fail(`PyScript did not load: ${error.message}`));
