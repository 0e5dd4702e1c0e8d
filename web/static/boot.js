// Chooses the interpreter before PyScript starts (it reads its configuration while it loads), and says on the page what
// goes wrong before Python can.
const boot = JSON.parse(document.getElementById("boot").textContent);
const query = new URLSearchParams(location.search);
const asked = query.get("interpreter");
const chosen = asked in boot.interpreters ? asked : "micropython";
const plugins = ["codemirror", "deprecations-manager", "donkey", "error", "py-editor", "py-game", "py-terminal"];

const fail = (words, people = "This page could not start.") => {
  if (document.documentElement.dataset.state === "failed") return; // by what came first, which the rest follows from
  document.documentElement.dataset.state = "failed";
  const problem = document.getElementById("problem");
  problem.querySelector(".people").textContent = people;
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

// PyScript 0.7.31 opens a database that no page here uses, and starts no Pyodide without it. Where a frame of another site
// has no storage, as in Chromium without third-party cookies, PyScript gets an empty one in its place.
const answer = (result) => {
  const request = {};
  queueMicrotask(() => request.onsuccess?.({ target: { result } }));
  return request;
};
const emptyStore = new Proxy({}, { get: (_, name) => () => answer(name === "getAllKeys" ? [] : undefined) });
const emptyDatabase = { transaction: () => ({ objectStore: () => emptyStore }), close: () => {} };
const openDatabase = globalThis.indexedDB?.open.bind(indexedDB);
if (openDatabase)
  indexedDB.open = (...given) => {
    const request = openDatabase(...given);
    request.addEventListener("error", (event) => {
      event.stopImmediatePropagation(); // before `onerror`, which PyScript sets later
      request.onsuccess?.({ target: { result: emptyDatabase } });
    });
    return request;
  };

// A room page first requests what the tab's last one requested first, so that it arrives while Python starts;
// `browser.fetch` takes the responses. The token goes to its own homeserver alone, and only while it is valid: the page
// renews one that has ended, and then requests anew what was sent with it.
const originOf = (url) => new URL(url).origin;
const baseUrl = (address) => originOf(address) + new URL(address).pathname.replace(/\/+$/, "");
const isValid = ({ expires_at_ms: end }) => !end || end > Date.now();
const sendEarlyRequests = (session, urls) => {
  const headers = { Authorization: `Bearer ${session.access_token}` };
  globalThis.authmediaEarlyRequests = {};
  for (const url of urls.filter((url) => originOf(url) === originOf(session.address))) {
    const controller = new AbortController();
    const options = { headers, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" };
    const response = fetch(url, { ...options, signal: controller.signal });
    response.catch(() => {}); // the caller of `browser.fetch` handles the rejection
    authmediaEarlyRequests[url] = { response, controller, authorization: headers.Authorization };
  }
};
if (boot.room)
  try {
    const [session, urls] = ["session", "prefetch"].map((name) => JSON.parse(sessionStorage[`authmedia.${name}`]));
    const wanted = query.get("homeserver");
    if (isValid(session) && (!wanted || baseUrl(wanted) === session.address)) sendEarlyRequests(session, urls);
  } catch {
    // There is nothing yet, or no such storage here.
  }

// Newer than the rest of what the pages need; browsers of 2023 lack them.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((...both) => ([resolve, reject] = both));
  return { promise, resolve, reject };
};
Array.fromAsync ??= async (items) => {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
};

// Without these no Python runs. Nothing else is asked of a browser's name or version.
const triesOpfs = async () => {
  try {
    await navigator.storage.getDirectory();
    return "opfs would work, too";
  } catch (error) {
    return `opfs would not (${error.name}: ${error.message})`;
  }
};
const sayWhatIsMissing = async () => {
  const lacking = ["WebAssembly", "DecompressionStream", "TransformStream"].filter((name) => !globalThis[name]);
  if (!lacking.length) return false;
  if (lacking.includes("WebAssembly"))
    fail(
      "WebAssembly is missing. Tor Browser and Mullvad Browser switch it off at the security levels Safer and Safest, iOS in " +
        "Lockdown Mode, Edge in enhanced security, Firefox by javascript.options.wasm in about:config, companies by policy. " +
        `A client in JavaScript can load media here as this page would: by link, bundle or blob; ${await triesOpfs()}.`,
      "This page runs Python in your browser, and WebAssembly, which that takes, is switched off here.",
    );
  else
    fail(
      `${lacking.join(" and ")} missing. Chrome and Edge have it since version 80, Firefox since 113, Safari since 16.4.`,
      "This browser is too old for this page.",
    );
  return true;
};

for (const link of document.querySelectorAll("[data-interpreter]"))
  if (link.dataset.interpreter === chosen) link.setAttribute("aria-current", "true");

// PyScript wants a configuration for each of its script types, or loads all plugins for the one that has none.
for (const { type, url } of Object.values(boot.interpreters)) {
  const config = document.createElement(`${type}-config`);
  config.hidden = true;
  config.setAttribute("type", "json");
  config.textContent = JSON.stringify({ interpreter: url, plugins: plugins.map((plugin) => `!${plugin}`) });
  document.head.append(config);
}

// The page's modules arrive while the interpreter loads; told of the archive, PyScript would unpack it in Python.
const archive = (async () => {
  const response = await fetch(boot.archives[chosen]);
  if (!response.ok) throw new Error(`${response.url} is missing (HTTP ${response.status})`);
  return new Response(response.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
})();
const install = {
  // As a ROM file system, which MicroPython reads without a call into JavaScript. Where the interpreter starts, there is
  // an option for it, which PyScript does not pass on. `/rom` is mounted below.
  micropython: async ({ _module: module }) => {
    const image = new Uint8Array(await archive);
    const address = module._malloc(image.length);
    module.HEAPU8.set(image, address);
    module.ccall("mp_js_register_romfs", "null", ["pointer", "number"], [address, image.length]);
  },
  pyodide: async ({ FS }) => {
    const { parseTar } = await import(new URL(boot.tar, location.href));
    for (const { type, name, data } of parseTar(await archive))
      if (type === "directory") FS.mkdir(name);
      else FS.writeFile(name, data ?? new Uint8Array());
  },
};
const mount = `
import vfs
vfs.mount(vfs.VfsRom(vfs.rom_ioctl(2, 0)), "/rom")
sys.path.insert(0, "/rom")
`;

const script = document.createElement("script");
script.type = boot.interpreters[chosen].type;
// PyScript only logs what an import raises; reported like any other error, it reaches the page.
script.textContent = `
import sys
from pyscript import window
${chosen === "micropython" ? mount : ""}
try:
    import ${boot.module}
except Exception as error:
    window.reportError(window.Error.new(repr(error)))
    raise
`;
sayWhatIsMissing().then((isMissing) => {
  if (isMissing) return;
  import(new URL(boot.core, location.href)).then(
    ({ hooks }) => {
      hooks.main.onReady.add(({ interpreter }) => install[chosen](interpreter));
      document.body.append(script);
    },
    (error) => fail(`PyScript did not load: ${error.message}`),
  );
});
