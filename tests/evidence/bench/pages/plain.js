// The benchmark's peers: the same strategies as a careful person writes them in plain JavaScript, with no library; a
// service worker that does what Element Web's does; and images that anybody may see.
const CLIENT = "/_matrix/client";
const OURS = `${CLIENT}/unstable/dev.authmedia/media`;
const query = new URLSearchParams(location.search);
const strategy = query.get("strategy");
const base = query.get("homeserver");
const BATCH = 100;
const BUNDLE = 200;
let headers, delegated, signingKey;

const pathOf = ({ dataset: { mxc, width, height, method } }) => {
  const name = mxc.slice("mxc://".length);
  if (!width) return `${CLIENT}/v1/media/download/${name}`;
  return `${CLIENT}/v1/media/thumbnail/${name}?width=${width}&height=${height}&method=${method}&animated=false`;
};
const wish = ({ dataset: { mxc, width, height, method } }) =>
  width ? { mxc, thumbnail: { width: Number(width), height: Number(height), method, animated: false } } : { mxc };
const get = async (element) => {
  const response = await fetch(base + pathOf(element), { headers, cache: "no-store", credentials: "omit" });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response;
};
const post = async (path, elements) => {
  const body = JSON.stringify({ media: elements.map(wish) });
  const json = { ...headers, "Content-Type": "application/json" };
  const response = await fetch(base + OURS + path, { method: "POST", headers: json, body, credentials: "omit" });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response;
};
const show = (element, blob) => {
  element.src = URL.createObjectURL(blob);
};

const cut = async (elements) => {
  const reader = (await post("/bundle", elements)).body.getReader();
  let rest = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(rest.length + value.length);
    joined.set(rest);
    joined.set(value, rest.length);
    rest = joined;
    for (;;) {
      const end = rest.indexOf(10);
      if (end < 0) break;
      const { part, type, length } = JSON.parse(new TextDecoder().decode(rest.subarray(0, end)));
      if (rest.length < end + 1 + length) break;
      show(elements[part], new Blob([rest.subarray(end + 1, end + 1 + length)], { type }));
      rest = rest.subarray(end + 1 + length);
    }
  }
};

const STRATEGIES = {
  blob: (elements) => elements.forEach(async (element) => show(element, await (await get(element)).blob())),
  link: async (elements) => {
    for (let start = 0; start < elements.length; start += BATCH) {
      const batch = elements.slice(start, start + BATCH);
      const { links } = await (await post("/links", batch)).json();
      links.forEach(({ url }, number) => {
        batch[number].crossOrigin = "anonymous";
        batch[number].src = url;
      });
    }
  },
  delegated: async (elements) => {
    if (!signingKey) await requestKey();
    elements.forEach(async (element) => {
      const { mxc, width, height, method } = element.dataset;
      const [server, id] = mxc.slice("mxc://".length).split("/");
      const size = width ? `&w=${width}&h=${height}&m=${method}` : "";
      const { key_id, expires_ts, session, base_url } = delegated;
      const path = `${OURS}/signed/${server}/${id}?k=${key_id}&e=${expires_ts}&s=${session}${size}`;
      const bytes = new Uint8Array(await crypto.subtle.sign("HMAC", signingKey, new TextEncoder().encode(path)));
      const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      element.crossOrigin = "anonymous";
      element.src = `${base_url}${path}&dsig=${digits}`;
    });
  },
  opfs: async (elements) => {
    const directory = await (await navigator.storage.getDirectory()).getDirectoryHandle("plain", { create: true });
    elements.forEach(async (element) => {
      const response = await get(element);
      const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(pathOf(element)));
      const name = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      const handle = await directory.getFileHandle(name, { create: true });
      await response.body.pipeTo(await handle.createWritable());
      show(element, (await handle.getFile()).slice(0, Infinity, response.headers.get("Content-Type")));
    });
  },
  bundle: async (elements) => {
    for (let start = 0; start < elements.length; start += BUNDLE) await cut(elements.slice(start, start + BUNDLE));
  },
  worker: (elements) => {
    for (const element of elements) element.src = base + pathOf(element);
  },
  public: (elements) => {
    for (const element of elements) element.src = `${base}/public/${element.dataset.mxc.split("/").pop()}.png`;
  },
};
window.load = STRATEGIES[strategy];

// What Element Web has in its page: the token, encrypted, in IndexedDB, and an answer to its worker's question who asks.
const opened = () =>
  new Promise((resolve, reject) => {
    const request = indexedDB.open("session", 1);
    request.onupgradeneeded = () => ["account", "pickleKey"].forEach((name) => request.result.createObjectStore(name));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
const keep = async (token) => {
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const encrypted = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new TextEncoder().encode(token));
  const database = await opened();
  const writing = database.transaction(["account", "pickleKey"], "readwrite");
  writing.objectStore("account").put({ encrypted, iv }, "token");
  writing.objectStore("pickleKey").put(key, "key");
  await new Promise((resolve) => (writing.oncomplete = resolve));
};
const startWorker = async (token) => {
  await keep(token);
  const container = navigator.serviceWorker;
  container.addEventListener("message", ({ data, ports }) =>
    ports[0].postMessage({ asked: data, userId: "@ana:example.org", deviceId: "DEVICE", homeserver: base }),
  );
  const controlled = new Promise((resolve) => container.addEventListener("controllerchange", resolve, { once: true }));
  await container.register("element-worker.js");
  if (!container.controller) await controlled;
};

const requestKey = async () => {
  ({ delegated } = await (await fetch(`${base}${OURS}/config`, { headers, credentials: "omit" })).json());
  const bytes = Uint8Array.from(delegated.key.match(/../g), (digits) => parseInt(digits, 16));
  signingKey = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
};

// The benchmark tells the token, as an application that is signed in knows it.
window.signIn = async (token) => {
  headers = { Authorization: `Bearer ${token}` };
  if (strategy === "worker") await startWorker(token);
  document.documentElement.dataset.state = "done";
};
document.documentElement.dataset.state = "ready";
